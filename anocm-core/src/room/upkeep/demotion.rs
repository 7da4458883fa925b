//! Demotion of moderators that left: such a guest is no moderator when it rejoins.
//!
//! Only the owner may change the settings, so when another member commits the leave, the key of the
//! moderator stays listed. The owner's client removes it from the list, at once or when it is next
//! in sync with the room.

use std::{collections::BTreeSet, time::Duration};

use crate::room::{Machine, sending::outbox::Job};
use crate::{
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
}

fn owns(session: &Session) -> bool {
    session.member(session.me()).is_some_and(|me| me.role == Role::Owner)
}

impl Machine {
    /// Reviews the moderators after a change of the members or the settings; the moderators `left`
    /// have left by their own statement. Also finds listed moderators that are missing because the
    /// owner's client did not see them leave.
    pub(crate) fn review_moderators(&mut self, now: Timestamp, left: &[MemberKey]) {
        let Some(session) = self.session().filter(|session| owns(session)) else {
            return;
        };
        let here: BTreeSet<_> = session.members().iter().map(|member| member.key).collect();
        let known = &self.demotions.keys;
        let listed = session.settings().moderators.iter().copied();
        let keys: BTreeSet<_> = listed
            .filter(|key| !here.contains(key) || left.contains(key) || known.contains(key))
            .collect();
        self.demotions.at = (!keys.is_empty()).then(|| self.demotions.at.unwrap_or(now));
        self.demotions.keys = keys;
    }

    /// Demotes them, and schedules it again in case the commit fails.
    pub(crate) fn demote(&mut self, now: Timestamp) {
        self.demotions.at = Some(now.saturating_add(RETRY));
        let keys = self.demotions.keys.iter().copied().collect();
        self.outbox.push(Job::Change(None, Change::StrikeModerators(keys)));
    }
}
