//! Output that is queued for the terminal.

use std::{
    fmt,
    io::{self, Write},
    time::Duration,
};

use tokio::time::Instant;
use zeroize::{Zeroize as _, Zeroizing};

use super::system::TtyWriter;

/// A terminal that accepts nothing for this long is stalled.
const STALLED: Duration = Duration::from_millis(500);

/// Capacity for a whole frame of a large screen.
const FRAME: usize = 64 * 1024;

/// Accepts bytes without waiting and writes them as fast as the terminal accepts them. Written
/// bytes are wiped.
pub(crate) struct Output {
    writer: TtyWriter,
    bytes: Zeroizing<Vec<u8>>,
    /// How many of the bytes were written.
    written: usize,
    /// When the terminal last accepted something, or was given something while nothing was pending.
    last_progress: Instant,
}

impl Output {
    /// Writes to the terminal that is standard output.
    ///
    /// # Errors
    /// When it cannot be opened a second time.
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self::to(TtyWriter::open()?))
    }

    fn to(writer: TtyWriter) -> Self {
        let bytes = Zeroizing::new(Vec::with_capacity(FRAME));
        Self { writer, bytes, written: 0, last_progress: Instant::now() }
    }

    #[cfg(all(test, unix))]
    pub(crate) fn to_descriptor(to: std::os::fd::OwnedFd) -> io::Result<Self> {
        Ok(Self::to(TtyWriter::of(to)?))
    }

    /// Whether bytes are waiting to be written.
    pub(crate) fn is_pending(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Returns when the terminal counts as stalled if it accepts nothing until then.
    pub(crate) fn stalls_at(&self) -> Instant {
        self.last_progress + STALLED
    }

    /// Writes what the terminal accepts without waiting.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(crate) fn write_now(&mut self) -> io::Result<()> {
        while let Some(rest) = self.bytes.get_mut(self.written..).filter(|rest| !rest.is_empty()) {
            let count = self.writer.write(rest)?;
            if count == 0 {
                return Ok(());
            }
            self.written += count;
            self.last_progress = Instant::now();
        }
        self.abandon();
        Ok(())
    }

    /// Writes everything. Cancel-safe: what was not written can be written later.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(crate) async fn write_out(&mut self) -> io::Result<()> {
        while self.is_pending() {
            self.writer.ready().await?;
            self.write_now()?;
        }
        Ok(())
    }

    /// Discards what was not written. The terminal may have received half of an escape sequence,
    /// which the next one cancels: all begin with an escape character.
    pub(crate) fn abandon(&mut self) {
        self.bytes.zeroize();
        self.written = 0;
    }

    /// Discards it, and has the kernel discard what the terminal has not read.
    pub(crate) fn discard(&mut self) {
        self.abandon();
        self.writer.discard();
    }

    /// Returns columns and rows, if the terminal reports them.
    pub(crate) fn size(&self) -> Option<(u16, u16)> {
        self.writer.size()
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Output(..)")
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_pending() {
            self.last_progress = Instant::now();
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Does nothing: see [`write_out`](Self::write_out).
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    /// An output and its other end, which takes 64 KiB before it is read.
    fn pair() -> (Output, std::fs::File) {
        let (from, to) = pipe_with(PipeFlags::NONBLOCK).unwrap();
        (Output::to_descriptor(to).unwrap(), from.into())
    }

    #[tokio::test]
    async fn what_waits_is_written_in_order() {
        let (mut output, mut from) = pair();
        output.write_all(b"something unspeakable").unwrap();
        output.write_out().await.unwrap();
        let mut read = [0; 64];
        assert_eq!(from.read(&mut read).unwrap(), 21);
        assert_eq!(read.get(..21), Some(&b"something unspeakable"[..]));
        assert!(!output.is_pending());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stalls_is_noticed_and_what_waits_for_it_can_be_forgotten() {
        let (mut output, _from) = pair();
        output.write_all(&[b'x'; 300 * 1024]).unwrap();
        output.write_now().unwrap();
        assert!(output.is_pending());
        assert!(output.bytes.iter().take(output.written).all(|byte| *byte == 0));
        let waited = tokio::time::timeout_at(output.stalls_at(), output.write_out()).await;
        assert!(waited.is_err());
        output.abandon();
        assert!(!output.is_pending());
    }

    #[tokio::test]
    async fn a_reader_that_is_gone_is_an_error() {
        let (mut output, from) = pair();
        drop(from);
        output.write_all(b"x").unwrap();
        assert!(output.write_out().await.is_err());
    }
}
