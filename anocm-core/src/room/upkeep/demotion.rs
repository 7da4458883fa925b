//! Demotion of moderators that left: such a guest is no moderator when it rejoins.
//!
//! Only the owner may change the settings, so when another member commits the leave, the key of the
//! moderator stays listed. The owner's client removes it from the list, at once or when it is next
//! in sync with the room.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    room::sending::outbox::{Job, Outbox},
    session::{Change, MemberKey, Role, Session},
    time::Timestamp,
};

/// Delay before a demotion that the relay refused is tried again.
const RETRY: Duration = Duration::from_secs(30);

/// Moderators that are to be demoted.
#[derive(Debug, Default)]
pub(crate) struct Demotions {
    keys: BTreeSet<MemberKey>,
    at: Option<Timestamp>,
}

impl Demotions {
    /// Returns when the owner's client demotes them.
    pub(crate) const fn due(&self) -> Option<Timestamp> {
        self.at
    }

    /// Reviews the moderators after a change of the members or the settings; the moderators `left`
    /// have left by their own statement. Also finds listed moderators that are missing because the
    /// owner's client did not see them leave.
    pub(crate) fn review(&mut self, now: Timestamp, session: &Session, left: &[MemberKey]) {
        if !owns(session) {
            return;
        }
        let here: BTreeSet<_> = session.members().iter().map(|member| member.key).collect();
        let known = &self.keys;
        let listed = session.settings().moderators.iter().copied();
        let keys: BTreeSet<_> = listed
            .filter(|key| !here.contains(key) || left.contains(key) || known.contains(key))
            .collect();
        self.at = (!keys.is_empty()).then(|| self.at.unwrap_or(now));
        self.keys = keys;
    }

    /// Demotes them, and schedules it again in case the commit fails.
    pub(crate) fn run(&mut self, now: Timestamp, outbox: &mut Outbox) {
        self.at = Some(now.saturating_add(RETRY));
        let keys = self.keys.iter().copied().collect();
        outbox.push(Job::Change(None, Change::StrikeModerators(keys)));
    }
}

fn owns(session: &Session) -> bool {
    session.member(session.me()).is_some_and(|me| me.role == Role::Owner)
}
