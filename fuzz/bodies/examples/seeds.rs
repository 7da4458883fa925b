//! Writes the files that the corpora begin with:
//!
//! ```text
//! cargo run -p anocm-fuzz --example seeds
//! ```

use std::{fs, io, path::Path};

#[expect(clippy::disallowed_methods, reason = "a corpus is kept in files")]
fn main() -> io::Result<()> {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    for file in anocm_fuzz::seeds::files() {
        let corpus = corpora.join(file.target);
        fs::create_dir_all(&corpus)?;
        let path = corpus.join(file.name);
        // What is different each time stays as it is.
        if file.is_fixed || !path.exists() {
            fs::write(path, file.bytes)?;
        }
    }
    Ok(())
}
