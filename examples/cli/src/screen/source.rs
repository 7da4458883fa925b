//! Key input.
//!
//! On Unix the terminal is read here and not by crossterm, which at the end of input reads for ever
//! without reporting it, keeps typed input in buffers that it never wipes, and reports the rest of
//! unknown sequences as typed keys.

#[cfg(not(unix))]
mod other;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub(super) use other::Source;
#[cfg(unix)]
pub(super) use unix::Source;
