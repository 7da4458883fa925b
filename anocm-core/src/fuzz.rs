//! Access to private items for the fuzz targets.
//!
//! Not part of the public API: behind the private feature `__fuzz`, hidden from the documentation,
//! and may change with every commit.

use std::sync::Weak;

use crate::secret::Payload;
pub use crate::session::fuzz::*;

/// Returns a payload, and a weak handle that expires when the last holder of the payload is
/// dropped.
#[must_use]
pub fn witnessed(bytes: Vec<u8>) -> (Payload, Weak<()>) {
    Payload::witnessed(bytes)
}
