//! What the benchmarks share: a room as this library keeps it, and the same room kept by the bare
//! MLS library, so that the one can be held against the other.
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

/// A room kept by one of the two libraries, seen by Alice, who opened it.
pub trait Room: Sized {
    /// What the library is called in results.
    const NAME: &'static str;
    /// Somebody else in the room.
    type Member;
    /// A commit or join as it stands in the log, with the door of the epoch that it begins.
    type Commit;
    /// A message as it stands in the log.
    type Said;

    /// Alice opens a room and is alone in it.
    fn open() -> Self;

    /// A newcomer's whole work: from the door as the relay holds it to a join, and the door of the
    /// next epoch.
    fn knock(&mut self) -> (Self::Member, Self::Commit);

    /// Alice follows a join.
    fn admit(&mut self, join: &Self::Commit);

    /// The relay takes the commit or join: its door is now that of the next epoch.
    fn replace_door(&mut self, commit: Self::Commit);

    /// Alice removes somebody: the commit, made and taken over by herself.
    fn remove(&mut self, member: &Self::Member) -> Self::Commit;

    /// Alice says something.
    fn say(&mut self, text: &str) -> Self::Said;

    /// Another member follows a commit or join.
    fn follow(member: &mut Self::Member, commit: &Self::Commit);

    /// Another member reads a message.
    fn hear(member: &mut Self::Member, said: &Self::Said);
}

/// How long this thread works on something, and what comes of it. While others have the processor
/// no time passes, so that a busy machine does not matter much.
pub fn timed<T>(act: impl FnOnce() -> T) -> (Duration, T) {
    let start = worked();
    let result = act();
    (worked().saturating_sub(start), result)
}

fn worked() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}

/// So many letters.
pub fn letters(count: usize) -> String {
    "a".repeat(count)
}
