//! Which members are here, and when to send this guest's own heartbeat.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{id::MemberId, room::context::Context, time::Timestamp};

/// Rooms of at most this many members send heartbeats; in a larger room a member is here when it
/// sends a message.
const HEARTBEAT_MEMBERS: usize = 32;
/// Interval of `Here` heartbeats when nothing else was sent.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// A member without an entry for this long is not here any more.
const SILENT_AFTER: Duration = Duration::from_secs(150);
/// How long a newcomer has to send its first entry, before a heartbeat is sent to it all the same.
const SILENT_NEWCOMER: Duration = Duration::from_secs(2);
/// Shortest interval between two `Typing` entries.
const TYPING_EVERY: Duration = Duration::from_secs(3);

/// Liveness of the other members and of this guest.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    heard: BTreeMap<MemberId, Timestamp>,
    last_said: Option<Timestamp>,
    last_typing: Option<Timestamp>,
    answer_at: Option<Timestamp>,
    /// Newcomers that are to receive a heartbeat, and that have sent no entry yet.
    expected: BTreeSet<MemberId>,
}

impl Presence {
    /// Records an entry of a member. Returns whether the member was not here before.
    pub(crate) fn seen(&mut self, member: MemberId, now: Timestamp) -> bool {
        self.heard.insert(member, now).is_none()
    }

    /// Removes a member that left or went away. Returns whether it was here.
    pub(crate) fn remove(&mut self, member: &MemberId) -> bool {
        self.expected.remove(member);
        self.heard.remove(member).is_some()
    }

    /// Removes and returns the members without an entry for too long.
    pub(crate) fn take_silent(&mut self, now: Timestamp) -> Vec<MemberId> {
        let silent: Vec<_> = self
            .heard
            .iter()
            .filter(|(_, heard)| now >= heard.saturating_add(SILENT_AFTER))
            .map(|(&member, _)| member)
            .collect();
        for member in &silent {
            self.remove(member);
        }
        silent
    }

    /// Returns the members that are here.
    pub(crate) fn here(&self) -> impl Iterator<Item = &MemberId> {
        self.heard.keys()
    }

    /// Records that this guest sent an entry, which counts as a heartbeat.
    pub(crate) fn sent(&mut self, now: Timestamp) {
        self.last_said = Some(now);
        // An entry does not reach a newcomer that has not entered yet.
        if self.expected.is_empty() || self.answer_at.is_some_and(|at| at <= now) {
            self.answer_at = None;
        }
    }

    /// Schedules a heartbeat for a newcomer.
    pub(crate) fn answer(&mut self, at: Timestamp) {
        self.answer_at = Some(self.answer_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// Schedules a heartbeat for a newcomer once it has sent an entry. A newcomer does not receive
    /// entries sent before it has entered, and only the newcomer knows how long that takes. Without
    /// an entry of it, the heartbeat is sent after [`SILENT_NEWCOMER`].
    pub(crate) fn expect(&mut self, newcomer: MemberId, at: Timestamp) {
        self.expected.insert(newcomer);
        self.answer(at.saturating_add(SILENT_NEWCOMER));
    }

    /// Returns whether this newcomer was expected, and clears the mark.
    pub(crate) fn has_come(&mut self, member: &MemberId) -> bool {
        self.expected.remove(member)
    }

    /// Returns whether a `Typing` entry may be sent now, and if so records it as sent.
    pub(crate) fn may_type(&mut self, now: Timestamp) -> bool {
        let may = self.last_typing.is_none_or(|last| now >= last.saturating_add(TYPING_EVERY));
        if may {
            self.last_typing = Some(now);
        }
        may
    }

    /// Returns when the next heartbeat is to be sent.
    pub(crate) fn heartbeat_due(&self, members: usize) -> Option<Timestamp> {
        let heartbeat = self
            .last_said
            .filter(|_| (2..=HEARTBEAT_MEMBERS).contains(&members))
            .map(|last| last.saturating_add(HEARTBEAT));
        [heartbeat, self.answer_at].into_iter().flatten().min()
    }

    /// Returns when a newcomer is to be answered.
    pub(crate) const fn answer_due(&self) -> Option<Timestamp> {
        self.answer_at
    }

    /// Returns when the next member times out.
    pub(crate) fn silence_due(&self) -> Option<Timestamp> {
        self.heard.values().min().map(|heard| heard.saturating_add(SILENT_AFTER))
    }
}

/// Returns when to answer a newcomer in a room of so many members, with jitter so that members do
/// not answer at once.
pub(crate) fn answer_due(cx: &mut Context, members: usize) -> Timestamp {
    let wait = 20 + cx.random_below((members as u64).saturating_mul(40).min(1_500));
    cx.now.saturating_add(Duration::from_millis(wait))
}
