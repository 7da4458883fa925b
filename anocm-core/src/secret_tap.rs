//! Tells the tests of this repository which secrets there are, so that they can look for them in
//! the memory of a process. Without the private feature `__secret_tap` it does nothing.

#[cfg(feature = "__secret_tap")]
pub use tap::report_to;
#[cfg(feature = "__secret_tap")]
pub(crate) use tap::{report, report_all_of};

#[cfg(feature = "__secret_tap")]
mod tap {
    use std::sync::OnceLock;

    use serde::Serialize;
    use zeroize::Zeroizing;

    static SINK: OnceLock<fn(&'static str, &[u8])> = OnceLock::new();

    /// From now on every secret of every room in this process is told, once for all: what it is,
    /// and its bytes, or an encoded structure with secrets in it.
    pub fn report_to(sink: fn(&'static str, &[u8])) {
        SINK.get_or_init(|| sink);
    }

    /// A secret has come about.
    pub(crate) fn report(what: &'static str, bytes: &[u8]) {
        if let Some(sink) = SINK.get() {
            sink(what, bytes);
        }
    }

    /// The same of a structure. Leaves no copy behind, or a test would find its own.
    pub(crate) fn report_all_of<T: Serialize + ?Sized>(what: &'static str, secrets: &T) {
        if let Some(sink) = SINK.get()
            && let Ok(size) = postcard::experimental::serialized_size(secrets)
        {
            let mut bytes = Zeroizing::new(vec![0; size]);
            if postcard::to_slice(secrets, &mut bytes).is_ok() {
                sink(what, &bytes);
            }
        }
    }
}

#[cfg(not(feature = "__secret_tap"))]
pub(crate) const fn report(_: &'static str, _: &[u8]) {}

#[cfg(not(feature = "__secret_tap"))]
pub(crate) const fn report_all_of<T: ?Sized>(_: &'static str, _: &T) {}
