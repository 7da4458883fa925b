//! A way in for the fuzz targets to what is private.
//!
//! No part of the library: behind the private feature `__fuzz`, hidden from the documentation,
//! and free to change with every commit.

use std::sync::Weak;

use crate::secret::Payload;
pub use crate::session::fuzz::*;

/// A payload, and a witness that dies when the payload's last holder has let go.
#[must_use]
pub fn witnessed(bytes: Vec<u8>) -> (Payload, Weak<()>) {
    Payload::witnessed(bytes)
}
