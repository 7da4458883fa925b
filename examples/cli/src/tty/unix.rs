//! Terminals of Unix, by descriptors that do not block.

use std::{
    io,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{Mode, OFlags, open},
    termios::{QueueSelector, tcflush, tcgetwinsize, ttyname},
};
use tokio::{
    net::unix::pipe,
    signal::unix::{Signal, SignalKind, signal},
};
use zeroize::Zeroize as _;

/// The terminal behind a standard stream, opened once more: with flags of its own.
fn reopen(stream: BorrowedFd<'_>, access: OFlags) -> io::Result<OwnedFd> {
    let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let by_name = ttyname(stream, Vec::new()).and_then(|name| open(name, flags, Mode::empty()));
    // In a mount namespace of its own a process has a terminal without a name; a terminal of
    // another user can be opened as the controlling one only.
    let by_number = || {
        let path = format!("/proc/self/fd/{}", stream.as_raw_fd());
        open(path, flags, Mode::empty())
    };
    let terminal =
        by_name.or_else(|_| by_number()).or_else(|_| open("/dev/tty", flags, Mode::empty()))?;
    Ok(terminal)
}

/// Bytes from the terminal, and changes of its size.
#[derive(Debug)]
pub(crate) struct TtyReader {
    // Of the type for pipes only readiness and reading are used, which are the same for both.
    from: pipe::Receiver,
    resized: Signal,
}

/// What comes from a terminal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ReadEvent {
    /// So many bytes.
    Bytes(usize),
    Resized,
    /// Hung up, or not readable for another reason.
    Gone,
}

impl TtyReader {
    /// Opens the terminal that is standard input.
    ///
    /// # Errors
    /// When it cannot be opened a second time.
    pub(crate) fn open() -> io::Result<Self> {
        Self::of(reopen(io::stdin().as_fd(), OFlags::RDONLY)?)
    }

    pub(crate) fn of(terminal: OwnedFd) -> io::Result<Self> {
        let from = pipe::Receiver::from_owned_fd_unchecked(terminal)?;
        Ok(Self { from, resized: signal(SignalKind::window_change())? })
    }

    /// Reads what is there, at least one byte. Cancel safe.
    pub(crate) async fn read(&mut self, into: &mut [u8]) -> ReadEvent {
        loop {
            tokio::select! {
                ready = self.from.readable() => {
                    if ready.is_err() {
                        return ReadEvent::Gone;
                    }
                }
                Some(()) = self.resized.recv() => return ReadEvent::Resized,
            }
            match self.from.try_read(into) {
                Ok(0) => return ReadEvent::Gone,
                Ok(count) => return ReadEvent::Bytes(count),
                Err(error) if is_passing(&error) => {}
                Err(_) => return ReadEvent::Gone,
            }
        }
    }
}

/// The writing side of a terminal.
#[derive(Debug)]
pub(crate) struct TtyWriter {
    // As above, of the type for pipes.
    to: pipe::Sender,
}

impl TtyWriter {
    /// Opens the terminal that is standard output.
    ///
    /// # Errors
    /// When it cannot be opened a second time.
    pub(crate) fn open() -> io::Result<Self> {
        Self::of(reopen(io::stdout().as_fd(), OFlags::WRONLY)?)
    }

    pub(crate) fn of(terminal: OwnedFd) -> io::Result<Self> {
        Ok(Self { to: pipe::Sender::from_owned_fd_unchecked(terminal)? })
    }

    /// Waits until something can be written, or never will be. Cancel safe.
    pub(crate) async fn ready(&self) -> io::Result<()> {
        self.to.writable().await
    }

    /// Writes as much as is taken at once and wipes that; none if nothing is taken now.
    pub(crate) fn write(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match self.to.try_write(bytes) {
            Ok(count) => {
                if let Some(written) = bytes.get_mut(..count) {
                    written.zeroize();
                }
                Ok(count)
            }
            Err(error) if is_passing(&error) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Has the kernel forget what was written and not read.
    pub(crate) fn discard(&self) {
        // A pipe in a test cannot, nor can a terminal that is gone.
        let _ = tcflush(&self.to, QueueSelector::OFlush);
    }

    /// Columns and rows, if the terminal says.
    pub(crate) fn size(&self) -> Option<(u16, u16)> {
        let size = tcgetwinsize(&self.to).ok()?;
        (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
