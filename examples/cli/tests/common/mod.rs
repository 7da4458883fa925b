//! Real programs for tests: started, driven line by line, and ended with the test.
//!
//! Nothing here sleeps. Every step waits for output; if that does not arrive, the test fails with
//! all output so far. Among JSON lines, wait for `"event":"…"` and not for a bare word: the words
//! of safety codes include "message" and "left", too.

#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "each test file uses some of it, and fails by panicking"
)]

#[cfg(target_os = "linux")]
mod clean;
#[cfg(target_os = "linux")]
mod embedder;
mod guest;
mod guests;
mod output;
#[cfg(target_os = "linux")]
mod pane;
#[path = "../../../../anocm-redis/tests/common/server.rs"]
mod redis;
#[cfg(target_os = "linux")]
mod secrets;
mod server;
mod speaker;
#[cfg(unix)]
mod terminal;
mod wire;

use std::time::Duration;

#[cfg(target_os = "linux")]
pub(crate) use clean::assert_clean_at_exit;
#[cfg(target_os = "linux")]
pub(crate) use embedder::{Embedder, was_embedder, words};
pub(crate) use guest::Anocm;
pub(crate) use guests::Guests;
#[cfg(target_os = "linux")]
pub(crate) use pane::{Ending, Pane};
pub(crate) use redis::Server as Redis;
#[cfg(target_os = "linux")]
pub(crate) use secrets::{Markers, Told, disguised};
pub(crate) use server::{Server, are_two, is_not_for_two};
pub(crate) use speaker::Speaker;
#[cfg(unix)]
pub(crate) use terminal::{ESCAPE, Look, PANIC_KEY, Terminal};
pub(crate) use wire::Wire;

/// How long any step may take before a test fails. Long, since machines can be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Sends a signal to a process of ours.
#[cfg(unix)]
pub(crate) fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Returns the part of a link that must never be visible.
pub(crate) fn fragment(link: &str) -> &str {
    link.split_once('#').unwrap().1
}
