//! The terminal: reads keys and writes frames without ever blocking.
//!
//! A terminal that is not read, such as that of a stalled ssh session, blocks a write indefinitely.
//! `O_NONBLOCK` prevents that, but belongs to the open file description, which standard input and
//! output share with the shell. So the terminal is opened a second time.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(not(unix), path = "other.rs")]
mod system;

mod output;

pub(crate) use output::Output;
#[cfg(unix)]
pub(crate) use system::{ReadEvent, TtyReader};
