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

use crate::{
    room::{context::Context, sending::outbox::Outbox, upkeep::forced_refresh::ForcedRefresh},
    time::Timestamp,
};

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

    /// Schedules the first refresh after joining a room of so many members.
    pub(crate) fn schedule_first(&mut self, cx: &mut Context, members: usize) {
        *self = Self { wait: Wait::Paused(first_wait(cx, members)), asked: false };
    }

    /// Schedules a refresh after a message: messages from now on are worth one.
    pub(crate) fn on_room_used(&mut self, cx: &mut Context, members: usize) {
        if matches!(self.wait, Wait::Idle) {
            let every = (members as u64).saturating_mul(EVERY_PER_MEMBER).max(EVERY);
            let wait = every / 2 + cx.random_below(every);
            self.wait = Wait::Paused(Duration::from_millis(wait));
        }
    }

    /// Handles a new epoch. This guest's `own` commit brought fresh keys; another member's commit
    /// voided the queued one, which backs off.
    pub(crate) fn on_new_epoch(&mut self, cx: &mut Context, own: bool) {
        if own {
            *self = Self::default();
        } else if std::mem::take(&mut self.asked) {
            let wait = BACK_OFF + cx.random_below(BACK_OFF);
            self.wait = Wait::Until(cx.now.saturating_add(Duration::from_millis(wait)));
        }
    }

    /// Pauses the wait while this guest is not in sync. After a time in which the process did not
    /// run, starts it anew.
    pub(crate) fn pause(&mut self, cx: &mut Context, members: usize, in_sync: bool) {
        let Wait::Until(due) = self.wait else { return };
        if due.saturating_add(STOOD_STILL) <= cx.now {
            self.wait = Wait::Paused(first_wait(cx, members));
        } else if !in_sync {
            self.wait = Wait::Paused(due.saturating_duration_since(cx.now));
        }
    }

    /// Resumes the wait while this guest is in sync.
    pub(crate) fn resume(&mut self, now: Timestamp, in_sync: bool) {
        if let (Wait::Paused(left), true) = (self.wait, in_sync) {
            self.wait = Wait::Until(now.saturating_add(left));
        }
    }

    /// Commits fresh keys, when the wait is over.
    pub(crate) fn run(
        &mut self,
        cx: &mut Context,
        members: usize,
        (forced_refresh, outbox): (&mut ForcedRefresh, &mut Outbox),
    ) {
        let again = match forced_refresh.commit(cx.now, outbox) {
            Ok(()) => {
                self.asked = true;
                // Retry in case the relay refuses it.
                cx.now.saturating_add(first_wait(cx, members))
            }
            Err(again) => again.saturating_add(cx.random_millis(BACK_OFF)),
        };
        self.wait = Wait::Until(again);
    }
}

fn first_wait(cx: &mut Context, members: usize) -> Duration {
    let spread = (members as u64).saturating_mul(FIRST_PER_MEMBER);
    Duration::from_millis(FIRST + cx.random_below(spread))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::RoomAddress,
        invite::RelayUrl,
        rng::FastKeyErasureRng,
        room::{MachineConfig, sending::outbox::Job},
        secret::Secret,
        session::Change,
    };

    fn context() -> Context {
        let relay = RelayUrl::parse("http://localhost/").unwrap();
        let address = RoomAddress::new([0; RoomAddress::LEN]);
        let rng = FastKeyErasureRng::new(Secret::new([1; 32]));
        Context::new(relay, address, MachineConfig::default(), rng)
    }

    #[test]
    fn a_refresh_that_is_queued_is_not_queued_again() {
        let (mut cx, mut outbox) = (context(), Outbox::default());
        let (mut periodic, mut forced) = (KeyRefresh::default(), ForcedRefresh::default());
        // In the same pass the owner's client corrects the hashes at the relay.
        outbox.push_first(Job::Change(None, Change::Refresh));
        periodic.run(&mut cx, 3, (&mut forced, &mut outbox));
        forced.run(cx.now, &mut outbox);
        assert_eq!(outbox.waiting(), 1);
        assert!(periodic.due() > Some(cx.now));
        // The relay may still refuse the queued one, and the ratchets stay as they are.
        assert_eq!(forced.due(), Some(cx.now.saturating_add(Duration::from_secs(60))));
        forced.done();
        assert_eq!(forced.due(), None);
    }

    #[test]
    fn two_refreshes_are_some_time_apart() {
        let (mut cx, mut outbox) = (context(), Outbox::default());
        let (mut periodic, mut forced) = (KeyRefresh::default(), ForcedRefresh::default());
        forced.run(cx.now, &mut outbox);
        assert_eq!(outbox.waiting(), 1);
        outbox = Outbox::default();
        cx.now = cx.now.saturating_add(Duration::from_secs(1));
        periodic.run(&mut cx, 3, (&mut forced, &mut outbox));
        assert!(outbox.is_idle());
        assert!(periodic.due() >= Some(Timestamp::ZERO.saturating_add(Duration::from_secs(60))));
    }
}
