//! Standard streams without the buffers of the standard library, which live as long as the process
//! and are never wiped, and without waiting for a reader that may have stalled.

use std::{
    fmt,
    io::{self, Read, Write},
    sync::mpsc,
    thread,
    time::Duration,
};

/// How long writing a message of the program itself may take.
const BRIEFLY: Duration = Duration::from_millis(200);

/// The stream to write to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Standard {
    Output,
    Error,
}

/// Writes a message to standard error, which may have no reader.
pub(crate) fn complain(words: fmt::Arguments<'_>) {
    put(Standard::Error, words.to_string().into_bytes());
}

/// Writes with a short timeout. A blocking write cannot be cancelled, so a separate thread does it,
/// which may have to end with the process.
pub(crate) fn put(to: Standard, bytes: Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let (done, is_done) = mpsc::channel();
    let write = move || {
        // There is no way to handle a stream that cannot be written.
        let _ = match to {
            Standard::Output => unbuffered().and_then(|mut to| to.write_all(&bytes)),
            Standard::Error => io::stderr().write_all(&bytes),
        };
        let _ = done.send(());
    };
    if thread::Builder::new().spawn(write).is_ok() {
        let _ = is_done.recv_timeout(BRIEFLY);
    }
}

/// Standard input, unbuffered.
#[cfg(unix)]
pub(crate) fn input() -> io::Result<impl Read + Send + 'static> {
    use std::os::fd::AsFd as _;
    Ok(std::fs::File::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// Standard output for whole lines.
#[cfg(unix)]
pub(crate) fn unbuffered() -> io::Result<impl Write + Send + 'static> {
    use std::os::fd::AsFd as _;
    Ok(std::fs::File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

/// Standard input.
#[cfg(not(unix))]
pub(crate) fn input() -> io::Result<impl Read + Send + 'static> {
    Ok(io::stdin())
}

/// Standard output for whole lines. Must be flushed.
#[cfg(not(unix))]
pub(crate) fn unbuffered() -> io::Result<impl Write + Send + 'static> {
    Ok(io::stdout())
}
