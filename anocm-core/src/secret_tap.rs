//! Reports secrets to the tests of this repository, so that they can search the memory of a process
//! for them. Without the private feature `__secret_tap` it does nothing.

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

    /// Reports every secret of every room in this process to `sink` from now on: its name, and its
    /// bytes or an encoded structure that contains secrets. Can be set only once.
    pub fn report_to(sink: fn(&'static str, &[u8])) {
        SINK.get_or_init(|| sink);
    }

    /// Reports a new secret.
    pub(crate) fn report(what: &'static str, bytes: &[u8]) {
        if let Some(sink) = SINK.get() {
            sink(what, bytes);
        }
    }

    /// Reports a structure that contains secrets. Leaves no copy behind; otherwise a test would
    /// find it.
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
