//! Fresh keys of one's own, now and then.
//!
//! A commit renews the keys of its author's leaf only. Whoever took a copy of a member's keys and
//! listens reads on until that member commits, whatever others do. So each member does, some
//! minutes after joining and then about every hour in which something was said.
//!
//! Each commit costs every member a step through the log, a member who was away one more epoch to
//! walk through, and the room a new safety code. So the waits grow with the number of members, and
//! a room sees about four such commits an hour at most. Nothing else depends on when they come:
//! they are drawn at random, and only time counts in which the member is in step with the room, so
//! that members who were away together do not commit together when they come back.

use std::time::Duration;

use super::Machine;
use crate::time::Timestamp;

const MINUTE: u64 = 60_000;
/// From joining to the first refresh: at least so long, and at random up to so much longer for each
/// member.
const FIRST: u64 = 2 * MINUTE;
const FIRST_PER_MEMBER: u64 = 2 * MINUTE;
/// From one refresh to the next, on average: so long for each member, and at least so long.
const EVERY_PER_MEMBER: u64 = 15 * MINUTE;
const EVERY: u64 = 60 * MINUTE;
/// Another began the epoch for which this refresh was made: the next try comes after so long, and
/// at random up to as much again.
const BACK_OFF: u64 = 90_000;
/// A refresh that is so much overdue was not waited for: the program or the machine stood still.
const STOOD_STILL: Duration = Duration::from_secs(60);

/// When this guest commits fresh keys next.
#[derive(Debug, Default)]
pub(super) struct KeyRefresh {
    wait: Wait,
    /// Whether it was asked for and has not come about.
    asked: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum Wait {
    /// Nothing was said since the last time.
    #[default]
    Idle,
    /// So much is left of it, and it does not run: the guest is not in step with the room.
    Paused(Duration),
    Until(Timestamp),
}

impl KeyRefresh {
    /// When the next refresh is due, if the wait runs.
    pub(super) const fn due(&self) -> Option<Timestamp> {
        match self.wait {
            Wait::Until(due) => Some(due),
            Wait::Idle | Wait::Paused(_) => None,
        }
    }
}

impl Machine {
    /// The guest has come in: the first refresh follows soon.
    pub(super) fn refresh_soon(&mut self) {
        let wait = self.first_wait();
        self.key_refresh = KeyRefresh { wait: Wait::Paused(wait), asked: false };
    }

    /// Something was said: what is said from now on is worth a refresh.
    pub(super) fn on_room_used(&mut self) {
        if matches!(self.key_refresh.wait, Wait::Idle) {
            let every = self.members().saturating_mul(EVERY_PER_MEMBER).max(EVERY);
            let wait = every / 2 + self.random_below(every);
            self.key_refresh.wait = Wait::Paused(Duration::from_millis(wait));
        }
    }

    /// An epoch began. A commit of one's `own` brought fresh keys; another's undid what was asked
    /// for.
    pub(super) fn on_keys_refreshed(&mut self, now: Timestamp, own: bool) {
        if own {
            self.key_refresh = KeyRefresh::default();
        } else if std::mem::take(&mut self.key_refresh.asked) {
            let wait = BACK_OFF + self.random_below(BACK_OFF);
            self.key_refresh.wait = Wait::Until(now.saturating_add(Duration::from_millis(wait)));
        }
    }

    /// Lets the wait run while this guest is in step, and commits when it is over.
    pub(super) fn refresh_when_due(&mut self, now: Timestamp) {
        let acts = self.may_act();
        if let Wait::Until(due) = self.key_refresh.wait {
            if due.saturating_add(STOOD_STILL) <= now {
                self.key_refresh.wait = Wait::Paused(self.first_wait());
            } else if !acts {
                self.key_refresh.wait = Wait::Paused(due.saturating_duration_since(now));
            } else if due <= now {
                self.refresh(now);
            }
        }
        if let (Wait::Paused(left), true) = (self.key_refresh.wait, acts) {
            self.key_refresh.wait = Wait::Until(now.saturating_add(left));
        }
    }

    fn refresh(&mut self, now: Timestamp) {
        let again = match self.force_refresh(now) {
            Ok(()) => {
                self.key_refresh.asked = true;
                // Should the relay refuse it.
                now.saturating_add(self.first_wait())
            }
            Err(again) => again.saturating_add(Duration::from_millis(self.random_below(BACK_OFF))),
        };
        self.key_refresh.wait = Wait::Until(again);
    }

    fn first_wait(&mut self) -> Duration {
        let spread = self.members().saturating_mul(FIRST_PER_MEMBER);
        Duration::from_millis(FIRST + self.random_below(spread))
    }

    fn members(&self) -> u64 {
        self.session().map_or(1, |session| session.members().len()) as u64
    }
}
