//! The terminal: keys from it and frames to it, neither of which ever blocks.
//!
//! A terminal that is not read, such as a stalled ssh session, blocks a write for as long as it
//! likes. `O_NONBLOCK` prevents that, but belongs to the open file description, which standard
//! input and output share with the shell. So the terminal is opened a second time.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(not(unix), path = "other.rs")]
mod system;

mod output;

pub(crate) use output::Output;
#[cfg(unix)]
pub(crate) use system::{ReadEvent, TtyReader};
