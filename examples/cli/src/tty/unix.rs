//! Terminals on Unix, through non-blocking descriptors.

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

/// Opens the terminal behind a standard stream again, with its own status flags.
fn reopen(stream: BorrowedFd<'_>, access: OFlags) -> io::Result<OwnedFd> {
    let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let by_name = ttyname(stream, Vec::new()).and_then(|name| open(name, flags, Mode::empty()));
    // In its own mount namespace a process has a terminal without a name; a terminal of another
    // user can only be opened as the controlling one.
    let by_number = || {
        let path = format!("/proc/self/fd/{}", stream.as_raw_fd());
        open(path, flags, Mode::empty())
    };
    let terminal =
        by_name.or_else(|_| by_number()).or_else(|_| open("/dev/tty", flags, Mode::empty()))?;
    Ok(terminal)
}

/// Reads bytes from the terminal and reports changes of its size.
#[derive(Debug)]
pub(crate) struct TtyReader {
    // Of the pipe type only readiness and reading are used, which work the same for a terminal.
    from: pipe::Receiver,
    resized: Signal,
}

/// A result of reading from a terminal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ReadEvent {
    /// The number of bytes read.
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

    /// Reads the available bytes, at least one. Cancel-safe.
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
    // Of the pipe type only readiness and writing are used, as above.
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

    /// Waits until the terminal is writable or has failed. Cancel-safe.
    pub(crate) async fn ready(&self) -> io::Result<()> {
        self.to.writable().await
    }

    /// Writes as much as is accepted without waiting, and wipes it; returns 0 if nothing is
    /// accepted now.
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

    /// Has the kernel discard what was written and not read.
    pub(crate) fn discard(&self) {
        // Not possible for a pipe in a test, nor for a terminal that is gone.
        let _ = tcflush(&self.to, QueueSelector::OFlush);
    }

    /// Returns columns and rows, if the terminal reports them.
    pub(crate) fn size(&self) -> Option<(u16, u16)> {
        let size = tcgetwinsize(&self.to).ok()?;
        (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
