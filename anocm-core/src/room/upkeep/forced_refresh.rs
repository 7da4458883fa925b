//! Commits that a client makes by itself because a member has broken a ratchet.
//!
//! MLS does not sign which key of a sender's ratchet a message takes: a member can repeat a message
//! of another member under a key far ahead. The ratchet moves on, and the next messages of that
//! sender cannot be decrypted any more. A new epoch starts all ratchets anew.

use std::time::Duration;

use crate::{
    room::{
        context::Context,
        sending::outbox::{Job, Outbox},
    },
    session::Change,
    time::Timestamp,
};

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

    /// Handles an entry that came from inside a room of so many members and cannot be decrypted.
    pub(crate) fn on_ratchet_skipped(&mut self, cx: &mut Context, members: usize) {
        if self.drawn.is_some_and(|last| cx.now < last.saturating_add(REDRAW)) {
            return;
        }
        self.drawn = Some(cx.now);
        if self.due.is_none() && cx.is_drawn_to_act(members) {
            let wait = Duration::from_millis(100 + cx.random_below(1_400));
            self.due = Some(cx.now.saturating_add(wait));
        }
    }

    /// Makes the forced refresh that is due, or schedules it again.
    pub(crate) fn run(&mut self, now: Timestamp, outbox: &mut Outbox) {
        self.due = self.commit(now, outbox).err();
    }

    /// Commits only new keys and a new door. At the rate limit, and while such a commit is queued
    /// (the relay may still refuse it), returns when to try again.
    pub(crate) fn commit(&mut self, now: Timestamp, outbox: &mut Outbox) -> Result<(), Timestamp> {
        if let Some(again) = self.last.map(|last| last.saturating_add(EVERY))
            && now < again
        {
            return Err(again);
        }
        if outbox.has_refresh() {
            return Err(now.saturating_add(EVERY));
        }
        self.last = Some(now);
        outbox.push(Job::Change(None, Change::Refresh));
        Ok(())
    }
}
