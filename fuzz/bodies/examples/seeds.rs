//! Writes the files of the initial corpora:
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
        // Files that differ each time are not overwritten.
        if file.is_fixed || !path.exists() {
            fs::write(path, file.bytes)?;
        }
    }
    Ok(())
}
