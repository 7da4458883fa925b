//! Terminals of other systems, through crossterm and the standard library.

use std::io::{self, Write as _};

use zeroize::Zeroize as _;

/// The writing side of a console, which accepts everything written to it.
#[derive(Debug)]
pub(crate) struct TtyWriter(());

impl TtyWriter {
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self(()))
    }

    pub(crate) async fn ready(&self) -> io::Result<()> {
        std::future::ready(Ok(())).await
    }

    pub(crate) fn write(&self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut to = io::stdout();
        to.write_all(bytes)?;
        to.flush()?;
        bytes.zeroize();
        Ok(bytes.len())
    }

    pub(crate) fn discard(&self) {}

    pub(crate) fn size(&self) -> Option<(u16, u16)> {
        crossterm::terminal::size().ok()
    }
}
