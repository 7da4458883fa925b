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
const STRIKE_AGAIN: Duration = Duration::from_secs(30);

/// Moderators who are to be struck off the list.
#[derive(Debug, Default)]
pub(super) struct Strikes {
    keys: BTreeSet<MemberKey>,
    at: Option<Timestamp>,
}

impl Strikes {
    /// When the owner's client strikes them.
    pub(super) const fn at(&self) -> Option<Timestamp> {
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
        let known = &self.strikes.keys;
        let listed = session.settings().moderators.iter().copied();
        let keys: BTreeSet<_> = listed
            .filter(|key| !here.contains(key) || left.contains(key) || known.contains(key))
            .collect();
        self.strikes.at = (!keys.is_empty()).then(|| self.strikes.at.unwrap_or(now));
        self.strikes.keys = keys;
    }

    /// Strikes them, when it is time.
    pub(super) fn strike_in_time(&mut self, now: Timestamp) {
        if self.may_act() && self.strikes.at.is_some_and(|at| at <= now) {
            self.strikes.at = Some(now.after(STRIKE_AGAIN));
            let keys = self.strikes.keys.iter().copied().collect();
            self.outbox.push(Job::Change(None, Change::StrikeModerators(keys)));
        }
    }
}
