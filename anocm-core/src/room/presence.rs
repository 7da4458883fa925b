//! Who is here, and when to say that oneself is.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{Machine, outbox::Job};
use crate::{id::MemberId, time::Timestamp};

/// A room of at most this many members tells presence regularly; in a larger one a member is here
/// when they say something.
const HEARTBEAT_MEMBERS: usize = 32;
/// How often "here" is said when nothing else was.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// Without a sign for this long, a member is not here any more.
const SILENT_AFTER: Duration = Duration::from_secs(150);
/// How long a newcomer has to show a sign, before they are shown one all the same.
const SILENT_NEWCOMER: Duration = Duration::from_secs(2);
/// Typing is told at most this often.
const TYPING_EVERY: Duration = Duration::from_secs(3);

/// Signs of life, the others' and one's own.
#[derive(Debug, Default)]
pub(super) struct Presence {
    heard: BTreeMap<MemberId, Timestamp>,
    last_said: Option<Timestamp>,
    last_typing: Option<Timestamp>,
    answer_at: Option<Timestamp>,
    /// Newcomers who are to be told that oneself is here, and who have shown no sign yet.
    expected: BTreeSet<MemberId>,
}

impl Presence {
    /// A sign of a member. Whether they were not here before.
    pub(super) fn seen(&mut self, member: MemberId, now: Timestamp) -> bool {
        self.heard.insert(member, now).is_none()
    }

    /// A member is gone, or goes away. Whether they were here.
    pub(super) fn remove(&mut self, member: &MemberId) -> bool {
        self.expected.remove(member);
        self.heard.remove(member).is_some()
    }

    /// Those without a sign for too long.
    pub(super) fn take_silent(&mut self, now: Timestamp) -> Vec<MemberId> {
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

    /// Who is here.
    pub(super) fn here(&self) -> impl Iterator<Item = &MemberId> {
        self.heard.keys()
    }

    /// Something was said by oneself: that is a sign, too.
    pub(super) const fn sent(&mut self, now: Timestamp) {
        self.last_said = Some(now);
        self.answer_at = None;
    }

    /// A newcomer is to be told soon that oneself is here.
    pub(super) fn answer(&mut self, at: Timestamp) {
        self.answer_at = Some(self.answer_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// A newcomer is to be told that oneself is here. What is said before they have entered is not
    /// heard by them, and how long that takes only they know: so it is said when they have shown
    /// a sign.
    pub(super) fn expect(&mut self, newcomer: MemberId, at: Timestamp) {
        self.expected.insert(newcomer);
        self.answer(at.saturating_add(SILENT_NEWCOMER));
    }

    /// Whether this member was expected; takes note of it.
    pub(super) fn has_come(&mut self, member: &MemberId) -> bool {
        self.expected.remove(member)
    }

    /// Whether typing may be told now; takes note of it.
    pub(super) fn may_type(&mut self, now: Timestamp) -> bool {
        let may = self.last_typing.is_none_or(|last| now >= last.saturating_add(TYPING_EVERY));
        if may {
            self.last_typing = Some(now);
        }
        may
    }

    /// When "here" is to be said next.
    pub(super) fn heartbeat_due(&self, members: usize) -> Option<Timestamp> {
        let heartbeat = self
            .last_said
            .filter(|_| (2..=HEARTBEAT_MEMBERS).contains(&members))
            .map(|last| last.saturating_add(HEARTBEAT));
        [heartbeat, self.answer_at].into_iter().flatten().min()
    }

    /// When the next member falls silent.
    pub(super) fn silence_due(&self) -> Option<Timestamp> {
        self.heard.values().min().map(|heard| heard.saturating_add(SILENT_AFTER))
    }
}

impl Machine {
    /// Says that this guest is here, when it is time.
    pub(super) fn send_presence(&mut self, now: Timestamp) {
        let Some(session) = self.session() else {
            return;
        };
        let members = session.members().len();
        if !self.config.presence || !self.may_act() || !self.outbox.is_idle() {
            return;
        }
        if self.presence.heartbeat_due(members).is_some_and(|at| at <= now) {
            self.presence.sent(now);
            if members > 1 {
                self.outbox.push(Job::Here);
            }
        }
    }
}
