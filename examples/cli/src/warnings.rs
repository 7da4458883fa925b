//! Warnings, which are not events of the room.

use std::io::{self, Write};

use crate::{json::Json, plain::Plain};

/// Shows warnings about this program to the guest.
pub(crate) trait Warnings {
    /// Writes a warning.
    fn warn(&mut self, text: &str) -> io::Result<()>;
}

impl<W: Write> Warnings for Plain<W> {
    fn warn(&mut self, text: &str) -> io::Result<()> {
        self.say("warning", text)
    }
}

impl<W: Write> Warnings for Json<W> {
    fn warn(&mut self, text: &str) -> io::Result<()> {
        self.warning(text)
    }
}
