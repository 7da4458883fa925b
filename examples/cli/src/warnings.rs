//! Saying what is no event of the room.

use std::io::{self, Write};

use crate::{json::Json, plain::Plain};

/// Tells the guest something about this program.
pub(crate) trait Warnings {
    /// Writes it as a warning.
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
