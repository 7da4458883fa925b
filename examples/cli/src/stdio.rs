//! Standard streams without the buffers of the standard library, which live as long as the process
//! and are never wiped, and without waiting for a reader that may have stalled.

use std::{
    fmt,
    io::{self, Read, Write},
    sync::mpsc,
    thread,
    time::Duration,
};

/// How long something that the program says of itself may take to be written.
const BRIEFLY: Duration = Duration::from_millis(200);

/// Where something is said.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Standard {
    Output,
    Error,
}

/// Says something on standard error, where there may be nobody to read it.
pub(crate) fn complain(words: fmt::Arguments<'_>) {
    put(Standard::Error, words.to_string().into_bytes());
}

/// Writes, but does not wait for long: a write cannot be given up, so a thread of its own does it,
/// which ends with the process if need be.
pub(crate) fn put(to: Standard, bytes: Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let (done, is_done) = mpsc::channel();
    let write = move || {
        // Nothing better can be done about a stream that cannot be written.
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

/// Standard output for whole lines. To be flushed.
#[cfg(not(unix))]
pub(crate) fn unbuffered() -> io::Result<impl Write + Send + 'static> {
    Ok(io::stdout())
}
