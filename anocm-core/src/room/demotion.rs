//! A moderator who left is none on coming back.
//!
//! Only the owner may change the settings, so the leave that another member carries out leaves the
//! key of a moderator listed there. The owner's client strikes it, at once or when it is next in
//! step with the room.

use std::{collections::BTreeSet, time::Duration};

use super::{Machine, outbox::Job};
use crate::{
    session::{Change, MemberKey, Role, Session},
    time::Timestamp,
};

/// How long to wait before striking again what the relay refused.
const RETRY: Duration = Duration::from_secs(30);

/// Moderators who are to be struck off the list.
#[derive(Debug, Default)]
pub(super) struct Demotions {
    keys: BTreeSet<MemberKey>,
    at: Option<Timestamp>,
}

impl Demotions {
    /// When the owner's client strikes them.
    pub(super) const fn due(&self) -> Option<Timestamp> {
        self.at
    }
}

fn owns(session: &Session) -> bool {
    session.member(session.me()).is_some_and(|me| me.role == Role::Owner)
}

impl Machine {
    /// The members or the settings are new, and the moderators `left` have left by their own word.
    /// Whom the owner's client did not see leave is found missing.
    pub(super) fn review_moderators(&mut self, now: Timestamp, left: &[MemberKey]) {
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

    /// Strikes them, when it is time.
    pub(super) fn demote_when_due(&mut self, now: Timestamp) {
        if self.may_act() && self.demotions.at.is_some_and(|at| at <= now) {
            self.demotions.at = Some(now.saturating_add(RETRY));
            let keys = self.demotions.keys.iter().copied().collect();
            self.outbox.push(Job::Change(None, Change::StrikeModerators(keys)));
        }
    }
}
