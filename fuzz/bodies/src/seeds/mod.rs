//! The initial corpora: a few dozen files for each target, named by their content.

mod content;
mod invite;
mod relay;
mod sealed;
mod store;
mod wire;
mod ws;

/// A file of a corpus.
#[derive(Debug)]
#[non_exhaustive]
pub struct File {
    /// The target that the corpus belongs to.
    pub target: &'static str,
    /// The file's content, in words.
    pub name: String,
    /// The file's bytes.
    pub bytes: Vec<u8>,
    /// Whether it is identical each time it is generated. Keys and signatures are not.
    pub is_fixed: bool,
}

/// Returns every file of the initial corpora.
#[must_use]
pub fn files() -> Vec<File> {
    let fixed = [
        ("wire_frame", wire::files()),
        ("invite", invite::files()),
        ("sealed_entry", sealed::files()),
        ("relay_connection", relay::files()),
        ("store_ops", store::files()),
        ("ws_frames", ws::files()),
    ];
    let fixed = fixed.into_iter().flat_map(|(target, files)| {
        let file = move |(name, bytes)| File { target, name, bytes, is_fixed: true };
        files.into_iter().map(file)
    });
    let fresh = content::files().into_iter().map(|(name, bytes)| {
        let target = "content";
        File { target, name, bytes, is_fixed: false }
    });
    fixed.chain(fresh).collect()
}

/// Name and bytes.
type Named = (String, Vec<u8>);

fn named(name: &str, bytes: &[u8]) -> Named {
    (name.to_owned(), bytes.to_vec())
}
