//! Commits that a guest makes by itself because a member has spoilt something.
//!
//! MLS does not sign which key of a sender's ratchet a message takes: a member can say again what
//! somebody has said, under a key far ahead. The ratchet moves on, and what that sender says next
//! cannot be read any more. A new epoch begins all ratchets anew.

use std::time::Duration;

use super::{Machine, outbox::Job};
use crate::{session::Change, time::Timestamp};

/// A member renews keys at most this often: who spoils things again and again is not to be fed.
const EVERY: Duration = Duration::from_secs(60);

/// What still cannot be read after this chooses members anew: the first time it may be nobody.
const REDRAW: Duration = Duration::from_secs(5);

/// When this guest commits by itself, and when it last did.
#[derive(Debug, Default)]
pub(super) struct ForcedRefresh {
    due: Option<Timestamp>,
    /// When this guest last found out, in this epoch, whether it is one who acts for all.
    drawn: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl ForcedRefresh {
    pub(super) const fn due(&self) -> Option<Timestamp> {
        self.due
    }

    /// A new epoch: nothing is spoilt any more.
    pub(super) const fn done(&mut self) {
        self.due = None;
        self.drawn = None;
    }
}

impl Machine {
    /// Whether this guest is one of about four who act for everybody: some may be away or hostile.
    pub(super) fn is_drawn_to_act(&mut self) -> bool {
        let members = self.session().map_or(1, |session| session.members().len()) as u64;
        members <= 8 || self.random_below(members) < 4
    }

    /// Something came from inside the room and cannot be read.
    pub(super) fn on_ratchet_skipped(&mut self, now: Timestamp) {
        if self.forced_refresh.drawn.is_some_and(|last| now < last.saturating_add(REDRAW)) {
            return;
        }
        self.forced_refresh.drawn = Some(now);
        if self.forced_refresh.due.is_none() && self.is_drawn_to_act() {
            let wait = Duration::from_millis(100 + self.random_below(1_400));
            self.forced_refresh.due = Some(now.saturating_add(wait));
        }
    }

    /// Renews the keys, when it is time.
    pub(super) fn force_refresh_when_due(&mut self, now: Timestamp) {
        if self.may_act() && self.forced_refresh.due.is_some_and(|due| due <= now) {
            self.forced_refresh.due = self.force_refresh(now).err();
        }
    }

    /// Commits nothing but new keys and a new door; when it is too soon for that, says when it
    /// will not be.
    pub(super) fn force_refresh(&mut self, now: Timestamp) -> Result<(), Timestamp> {
        if let Some(again) = self.forced_refresh.last.map(|last| last.saturating_add(EVERY))
            && now < again
        {
            return Err(again);
        }
        self.forced_refresh.last = Some(now);
        self.outbox.push(Job::Change(None, Change::Refresh));
        Ok(())
    }
}
