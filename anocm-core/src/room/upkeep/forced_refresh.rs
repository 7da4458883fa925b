//! Commits that a client makes by itself because a member has broken a ratchet.
//!
//! MLS does not sign which key of a sender's ratchet a message takes: a member can repeat a message
//! of another member under a key far ahead. The ratchet moves on, and the next messages of that
//! sender cannot be decrypted any more. A new epoch starts all ratchets anew.

use std::time::Duration;

use crate::room::{Machine, sending::outbox::Job};
use crate::{session::Change, time::Timestamp};

/// Rate limit: shortest interval between two forced refreshes of one member, so that a hostile
/// member cannot trigger commits again and again.
const EVERY: Duration = Duration::from_secs(60);

/// If messages still cannot be decrypted after this, members are drawn again: the first draw may
/// have chosen none.
const REDRAW: Duration = Duration::from_secs(5);

/// When this guest makes a forced refresh, and when it last did.
#[derive(Debug, Default)]
pub(crate) struct ForcedRefresh {
    due: Option<Timestamp>,
    /// When this guest last drew, in this epoch, whether it acts for the room.
    drawn: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl ForcedRefresh {
    pub(crate) const fn due(&self) -> Option<Timestamp> {
        self.due
    }

    /// Clears the state in a new epoch, in which all ratchets are fresh.
    pub(crate) const fn done(&mut self) {
        self.due = None;
        self.drawn = None;
    }
}

impl Machine {
    /// Draws whether this guest is one of about four that act for the room: some may be offline or
    /// hostile.
    pub(crate) fn is_drawn_to_act(&mut self) -> bool {
        let members = self.session().map_or(1, |session| session.members().len());
        self.cx.is_drawn_to_act(members)
    }

    /// Handles an entry that came from inside the room and cannot be decrypted.
    pub(crate) fn on_ratchet_skipped(&mut self, now: Timestamp) {
        if self.forced_refresh.drawn.is_some_and(|last| now < last.saturating_add(REDRAW)) {
            return;
        }
        self.forced_refresh.drawn = Some(now);
        if self.forced_refresh.due.is_none() && self.is_drawn_to_act() {
            let wait = Duration::from_millis(100 + self.cx.random_below(1_400));
            self.forced_refresh.due = Some(now.saturating_add(wait));
        }
    }

    /// Makes the forced refresh that is due; at the rate limit, schedules it again.
    pub(crate) fn forced_refresh_due(&mut self, now: Timestamp) {
        self.forced_refresh.due = self.force_refresh(now).err();
    }

    /// Commits only new keys and a new door. At the rate limit, returns when it will be allowed.
    pub(crate) fn force_refresh(&mut self, now: Timestamp) -> Result<(), Timestamp> {
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
