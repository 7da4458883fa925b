//! Tells the tests of this repository which secrets there are, so that they can look for them in
//! the memory of a process. Without the private feature `__witness` it does nothing.

#[cfg(feature = "__witness")]
pub use telling::tell_to;
#[cfg(feature = "__witness")]
pub(crate) use telling::{tell, tell_all_of};

#[cfg(feature = "__witness")]
mod telling {
    use std::sync::OnceLock;

    use serde::Serialize;
    use zeroize::Zeroizing;

    static TELLER: OnceLock<fn(&'static str, &[u8])> = OnceLock::new();

    /// From now on every secret of every room in this process is told, once for all: what it is,
    /// and its bytes, or an encoded structure with secrets in it.
    pub fn tell_to(teller: fn(&'static str, &[u8])) {
        TELLER.get_or_init(|| teller);
    }

    /// A secret has come about.
    pub(crate) fn tell(what: &'static str, bytes: &[u8]) {
        if let Some(teller) = TELLER.get() {
            teller(what, bytes);
        }
    }

    /// The same of a structure. Leaves no copy behind, or a test would find its own.
    pub(crate) fn tell_all_of<T: Serialize + ?Sized>(what: &'static str, secrets: &T) {
        if let Some(teller) = TELLER.get()
            && let Ok(size) = postcard::experimental::serialized_size(secrets)
        {
            let mut bytes = Zeroizing::new(vec![0; size]);
            if postcard::to_slice(secrets, &mut bytes).is_ok() {
                teller(what, &bytes);
            }
        }
    }
}

#[cfg(not(feature = "__witness"))]
pub(crate) const fn tell(_: &'static str, _: &[u8]) {}

#[cfg(not(feature = "__witness"))]
pub(crate) const fn tell_all_of<T: ?Sized>(_: &'static str, _: &T) {}
