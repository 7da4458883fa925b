//! Standard input and output without the buffers of the standard library, which live as long as
//! the process and are never wiped.

use std::{
    fmt,
    io::{self, BufWriter, Read, Write},
};

/// Room for a whole frame of a large screen, so that it is written at once.
const FRAME: usize = 64 * 1024;

/// Says something on standard error, where there may be nobody to read it.
pub(crate) fn complain(words: fmt::Arguments<'_>) {
    // Nothing better can be done.
    let _ = io::stderr().write_fmt(words);
}

/// Standard input, unbuffered.
#[cfg(unix)]
pub(crate) fn input() -> io::Result<impl Read + Send + 'static> {
    use std::os::fd::AsFd as _;
    Ok(std::fs::File::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// Standard output with a buffer that is freed, and so wiped, with it. To be flushed.
#[cfg(unix)]
pub(crate) fn output() -> io::Result<impl Write + Send + 'static> {
    Ok(BufWriter::with_capacity(FRAME, unbuffered()?))
}

/// Standard output for whoever has whole lines to write.
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

/// Standard output. To be flushed.
#[cfg(not(unix))]
pub(crate) fn output() -> io::Result<impl Write + Send + 'static> {
    Ok(BufWriter::with_capacity(FRAME, io::stdout()))
}

/// Standard output for whoever has whole lines to write. To be flushed.
#[cfg(not(unix))]
pub(crate) fn unbuffered() -> io::Result<impl Write + Send + 'static> {
    Ok(io::stdout())
}
