//! Shared code of the benchmarks: a room of this library, and the same room with the bare MLS
//! library for comparison.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each benchmark uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::unreachable,
    missing_debug_implementations,
    reason = "a benchmark that cannot go on ends"
)]

pub mod anocm;
pub mod bare;
pub mod shelf;
pub mod storage;
pub mod talk;

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A room of one of the two libraries, as seen by Alice, who opened it.
pub trait Room: Sized {
    /// The library's name in results.
    const NAME: &'static str;
    /// Another member of the room.
    type Member;
    /// A commit or join as it stands in the log, with the door of the epoch that it begins.
    type Commit;
    /// A message as it stands in the log.
    type Said;

    /// Alice opens a room and is alone in it.
    fn open() -> Self;

    /// A newcomer's complete join: from the door as the relay stores it to a join and the door of
    /// the next epoch.
    fn join(&mut self) -> (Self::Member, Self::Commit);

    /// Alice follows a join.
    fn admit(&mut self, join: &Self::Commit);

    /// The relay accepts the commit or join: its door becomes that of the next epoch.
    fn replace_door(&mut self, commit: Self::Commit);

    /// Alice removes a member: makes the commit and applies it herself.
    fn remove(&mut self, member: &Self::Member) -> Self::Commit;

    /// Alice sends a message.
    fn say(&mut self, text: &str) -> Self::Said;

    /// Another member follows a commit or join.
    fn follow(member: &mut Self::Member, commit: &Self::Commit);

    /// Another member reads a message.
    fn hear(member: &mut Self::Member, said: &Self::Said);
}

/// Returns this thread's CPU time for `act`, and its result. Time in which other threads have the
/// processor does not count, so that a busy machine matters little.
pub fn timed<T>(act: impl FnOnce() -> T) -> (Duration, T) {
    let start = worked();
    let result = act();
    (worked().saturating_sub(start), result)
}

fn worked() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}

/// Returns a text of `count` letters.
pub fn letters(count: usize) -> String {
    "a".repeat(count)
}
