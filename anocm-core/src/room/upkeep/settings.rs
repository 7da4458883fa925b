//! What the owner's client does for the settings, which only the owner may change.
//!
//! - Moderators that left are demoted: such a guest is no moderator when it rejoins. When another
//!   member commits the leave, the key of the moderator stays listed.
//! - Settings older than the door are renewed: a newcomer takes a moderator for one only as of the
//!   door that the settings name.
//! - The link is replaced where settings were signed for its door that name others moderators. They
//!   never took effect, but a relay can have kept them.
//!
//! At once, or when the client is next in sync with the room.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    room::sending::outbox::{Job, Outbox},
    session::{Change, MemberKey, Role, Session},
    time::Timestamp,
};

/// Time between two such commits: a commit that failed is tried again, and a moderator that
/// replaces door after door causes no more than this.
const MIN_INTERVAL: Duration = Duration::from_secs(30);

/// Changes of the settings that are to be committed.
#[derive(Debug, Default)]
pub(crate) struct SettingsUpkeep {
    /// Moderators that are to be demoted.
    keys: BTreeSet<MemberKey>,
    at: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl SettingsUpkeep {
    /// Returns when the owner's client commits them.
    pub(crate) const fn due(&self) -> Option<Timestamp> {
        self.at
    }

    /// Reviews the settings after a change of the members, the settings or the door; the moderators
    /// `left` have left by their own statement. Also finds listed moderators that are missing
    /// because the owner's client did not see them leave.
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
        let earliest = self.last.map_or(now, |last| now.max(last.saturating_add(MIN_INTERVAL)));
        self.at = (session.needs_renewal() || !keys.is_empty()).then_some(earliest);
        self.keys = keys;
    }

    /// Commits them, and schedules it again in case the commit fails. To strike a moderator renews
    /// the settings as well.
    pub(crate) fn run(&mut self, now: Timestamp, outbox: &mut Outbox) {
        self.last = Some(now);
        self.at = Some(now.saturating_add(MIN_INTERVAL));
        if outbox.has_settings_upkeep() {
            return;
        }
        let change = match self.keys.is_empty() {
            true => Change::RenewSettings,
            false => Change::StrikeModerators(self.keys.iter().copied().collect()),
        };
        outbox.push(Job::Change(None, change));
    }
}

fn owns(session: &Session) -> bool {
    session.member(session.me()).is_some_and(|me| me.role == Role::Owner)
}
