//! Periodic refresh of this guest's own keys.
//!
//! A commit renews only the keys of its author's leaf. An attacker that copied a member's keys and
//! listens can decrypt until that member commits, whatever others do. So each member commits some
//! minutes after joining, and then about once per hour in which something was sent.
//!
//! Each commit costs every member a step through the log, a member that was offline one more epoch
//! to catch up with, and the room a new safety code. So the waits grow with the number of members,
//! and a room sees about four such commits an hour at most. Nothing else depends on their timing:
//! the waits are random, and count only time in which the member is in sync with the room. So
//! members that were offline together do not commit together when they reconnect.

use std::time::Duration;

use crate::room::Machine;
use crate::time::Timestamp;

const MINUTE: u64 = 60_000;
/// Wait from joining to the first refresh, in milliseconds: the minimum, and the random addition
/// per member.
const FIRST: u64 = 2 * MINUTE;
const FIRST_PER_MEMBER: u64 = 2 * MINUTE;
/// Wait from one refresh to the next, in milliseconds: the average per member, and the least
/// average.
const EVERY_PER_MEMBER: u64 = 15 * MINUTE;
const EVERY: u64 = 60 * MINUTE;
/// Back-off in milliseconds after another member began the epoch for which this refresh was made:
/// the minimum, and at random up to as much again.
const BACK_OFF: u64 = 90_000;
/// A refresh overdue by this much was not waited for: the program or the machine was suspended.
const STOOD_STILL: Duration = Duration::from_secs(60);

/// When this guest commits fresh keys next.
#[derive(Debug, Default)]
pub(crate) struct KeyRefresh {
    wait: Wait,
    /// Whether the commit was queued and is not in the log yet.
    asked: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum Wait {
    /// No message was sent since the last refresh.
    #[default]
    Idle,
    /// The remaining wait. It is paused while the guest is not in sync with the room.
    Paused(Duration),
    Until(Timestamp),
}

impl KeyRefresh {
    /// Returns when the next refresh is due, if the wait is running.
    pub(crate) const fn due(&self) -> Option<Timestamp> {
        match self.wait {
            Wait::Until(due) => Some(due),
            Wait::Idle | Wait::Paused(_) => None,
        }
    }
}

impl Machine {
    /// Schedules the first refresh after joining.
    pub(crate) fn refresh_soon(&mut self) {
        let wait = self.first_wait();
        self.key_refresh = KeyRefresh { wait: Wait::Paused(wait), asked: false };
    }

    /// Schedules a refresh after a message: messages from now on are worth one.
    pub(crate) fn on_room_used(&mut self) {
        if matches!(self.key_refresh.wait, Wait::Idle) {
            let every = self.members().saturating_mul(EVERY_PER_MEMBER).max(EVERY);
            let wait = every / 2 + self.cx.random_below(every);
            self.key_refresh.wait = Wait::Paused(Duration::from_millis(wait));
        }
    }

    /// Handles a new epoch. This guest's `own` commit brought fresh keys; another member's commit
    /// voided the queued one, which backs off.
    pub(crate) fn on_keys_refreshed(&mut self, now: Timestamp, own: bool) {
        if own {
            self.key_refresh = KeyRefresh::default();
        } else if std::mem::take(&mut self.key_refresh.asked) {
            let wait = BACK_OFF + self.cx.random_below(BACK_OFF);
            self.key_refresh.wait = Wait::Until(now.saturating_add(Duration::from_millis(wait)));
        }
    }

    /// Pauses the wait while this guest is not in sync. After a time in which the process did not
    /// run, starts it anew.
    pub(crate) fn pause_key_refresh(&mut self, now: Timestamp) {
        let Wait::Until(due) = self.key_refresh.wait else { return };
        if due.saturating_add(STOOD_STILL) <= now {
            self.key_refresh.wait = Wait::Paused(self.first_wait());
        } else if !self.may_act() {
            self.key_refresh.wait = Wait::Paused(due.saturating_duration_since(now));
        }
    }

    /// Resumes the wait while this guest is in sync.
    pub(crate) fn resume_key_refresh(&mut self, now: Timestamp) {
        if let (Wait::Paused(left), true) = (self.key_refresh.wait, self.may_act()) {
            self.key_refresh.wait = Wait::Until(now.saturating_add(left));
        }
    }

    /// Commits fresh keys, when the wait is over.
    pub(crate) fn refresh(&mut self, now: Timestamp) {
        let again = match self.force_refresh(now) {
            Ok(()) => {
                self.key_refresh.asked = true;
                // Retry in case the relay refuses it.
                now.saturating_add(self.first_wait())
            }
            Err(again) => {
                again.saturating_add(Duration::from_millis(self.cx.random_below(BACK_OFF)))
            }
        };
        self.key_refresh.wait = Wait::Until(again);
    }

    fn first_wait(&mut self) -> Duration {
        let spread = self.members().saturating_mul(FIRST_PER_MEMBER);
        Duration::from_millis(FIRST + self.cx.random_below(spread))
    }

    fn members(&self) -> u64 {
        self.session().map_or(1, |session| session.members().len()) as u64
    }
}
