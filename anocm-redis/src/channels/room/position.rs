//! Where a room stands, and what a query of it returns.

use std::time::Duration;

use anocm_core::{Seq, TokenHash, store::StoredDoor, wire::LogItem};

use crate::codec::{Instance, Mark};

/// The position of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RoomCursor {
    pub(crate) instance: Instance,
    pub(crate) head: Seq,
    /// The number of epoch changes, by entries and by voids.
    pub(crate) turn: u64,
    /// The marks of the last change and of the last change of the epoch.
    pub(crate) mark: Mark,
    pub(crate) fork: Mark,
}

/// What a relay knows of a room beside its position.
#[derive(Clone)]
pub(crate) struct Record {
    /// The mark of the change that began the epoch.
    pub(crate) fork: Mark,
    /// When the room was opened, in milliseconds of room time.
    pub(crate) opened: u64,
    /// Contains the current epoch only.
    pub(crate) door: StoredDoor,
    /// The last time the door was shut to joins. Only a void changes this.
    pub(crate) shut: Option<Shut>,
}

/// A door that is, or was, shut to joins because joins were voided.
#[derive(Clone, Copy)]
pub(crate) struct Shut {
    pub(crate) door: TokenHash,
    /// When the lockout ends, in milliseconds of room time.
    pub(crate) until: u64,
    /// Its duration in milliseconds.
    pub(crate) time: u64,
}

impl Shut {
    /// Returns for how long this door is still shut.
    pub(crate) fn left(&self, door: &TokenHash, now: u64) -> Duration {
        let left = if self.door == *door { self.until.saturating_sub(now) } else { 0 };
        Duration::from_millis(left)
    }
}

/// The result of querying a room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum QueryResult {
    /// The first query, or everything since the previous one.
    Whole(RoomCursor, Vec<LogItem>),
    /// Not everything since the previous query is included: subscribers have to read the log.
    Part(RoomCursor),
    /// The room has ended: the address is free or holds another room.
    Gone,
}
