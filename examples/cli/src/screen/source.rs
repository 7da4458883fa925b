//! Keys as they are pressed.
//!
//! On Unix the terminal is read here and not by crossterm, which at its end reads for ever
//! without telling, keeps what was typed in buffers that it never wipes, and types what is left
//! of sequences that it does not know.

#[cfg(not(unix))]
mod other;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub(super) use other::Source;
#[cfg(unix)]
pub(super) use unix::Source;
