//! The timers of a room: when each is due, and what is done then.
//!
//! One table for both, so that the next deadline and what happens at it cannot disagree. A timer
//! whose deadline is `None` is stopped, or must not run in the current state.

use super::{Ended, Machine, RoomEvent, phase::Phase, sending::outbox::Job, upkeep::Upkeep};
use crate::{session::Role, stack::StackScrubGuard, time::Timestamp};

/// A timer of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// A message reaches the end of its retention.
    MessageExpiry,
    /// An entry that waits for an earlier one reaches the end of its retention.
    LogExpiry,
    /// A queued job reaches the end of its retention, or an accepted append was not delivered.
    Outbox,
    /// A member was silent for too long.
    Silence,
    /// Closing the room no longer waits for messages queued before.
    Flush,
    /// The relay did not confirm the leave.
    LeaveTimeout,
    /// The next part of the search for a proof of work.
    Pow,
    /// What the relay refused is tried again.
    Retry,
    /// The owner replaces token hashes at the relay.
    CorrectHashes,
    /// A member has a rejected join voided.
    TakeBack,
    /// Leaves of other members are committed.
    CommitLeaves,
    /// The door is checked.
    DoorCheck,
    /// Fresh keys after a member has broken a ratchet or the door.
    ForcedRefresh,
    /// Periodic fresh keys of this guest.
    KeyRefresh,
    /// The owner demotes moderators that left, and renews settings older than the door.
    SettingsUpkeep,
    /// This guest says that it is there.
    Heartbeat,
}

impl Timer {
    /// The timers that run at their deadline only, in the order in which they run.
    const TIMEOUTS: [Self; 8] = [
        Self::MessageExpiry,
        Self::LogExpiry,
        Self::Outbox,
        Self::Silence,
        Self::Flush,
        Self::LeaveTimeout,
        Self::Pow,
        Self::Retry,
    ];
    /// The timers that run after each input, if they are due by then: most may run only while this
    /// guest is in sync. In the order in which they run.
    const UPKEEP: [Self; 8] = [
        Self::CorrectHashes,
        Self::TakeBack,
        Self::CommitLeaves,
        Self::DoorCheck,
        Self::ForcedRefresh,
        Self::KeyRefresh,
        Self::SettingsUpkeep,
        Self::Heartbeat,
    ];
}

impl Machine {
    /// Handles the passing of time: runs all timers that are due.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        let _scrub = StackScrubGuard;
        self.cx.now = now;
        self.run_due(Timer::TIMEOUTS);
        self.proceed();
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) is to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let timers = Timer::TIMEOUTS.into_iter().chain(Timer::UPKEEP);
        timers.filter_map(|timer| self.deadline(timer)).min()
    }

    /// Runs the upkeep that is due.
    pub(super) fn run_upkeep(&mut self) {
        self.run_due(Timer::UPKEEP);
    }

    fn run_due(&mut self, timers: impl IntoIterator<Item = Timer>) {
        for timer in timers {
            if self.deadline(timer).is_some_and(|deadline| deadline <= self.cx.now) {
                self.run(timer);
            }
        }
    }

    fn deadline(&self, timer: Timer) -> Option<Timestamp> {
        let acts = self.may_act() && !self.sync.is_silent();
        match timer {
            Timer::MessageExpiry => self.history.deadline(),
            Timer::LogExpiry => self.sync.log_deadline(),
            Timer::Outbox => self.outbox.deadline(),
            Timer::Silence => self.upkeep.presence.silence_due(),
            Timer::Flush => self.upkeep.leave.flush_deadline(),
            Timer::LeaveTimeout => self.upkeep.leave.leave_deadline(),
            Timer::Pow => self.joins.pow.due(),
            Timer::Retry => self.cx.link.retry_at,
            Timer::CorrectHashes => {
                self.sync.correct_hashes_at().filter(|_| acts && !self.outbox.has_refresh())
            }
            Timer::TakeBack => self.sync.take_back_at(&self.cx),
            Timer::CommitLeaves => self.upkeep.leave.commit_due().filter(|_| acts),
            Timer::DoorCheck => self.upkeep.door_check.due().filter(|_| acts),
            Timer::ForcedRefresh => self.upkeep.forced_refresh.due().filter(|_| acts),
            Timer::KeyRefresh => self.upkeep.key_refresh.due().filter(|_| acts),
            Timer::SettingsUpkeep => self.upkeep.settings.due().filter(|_| acts),
            Timer::Heartbeat => {
                let presence = &self.upkeep.presence;
                let due = if self.cx.config.presence {
                    presence.heartbeat_due(self.members())
                } else {
                    presence.answer_due().filter(|_| self.confirms())
                };
                due.filter(|_| acts && self.outbox.is_idle())
            }
        }
    }

    fn run(&mut self, timer: Timer) {
        let now = self.cx.now;
        match timer {
            Timer::MessageExpiry => {
                for id in self.history.expire(now) {
                    self.cx.emit_expired(id);
                }
            }
            Timer::LogExpiry => self.sync.expire_log(now),
            Timer::Outbox => {
                let expired = self.outbox.expire(now);
                self.cx.emit_failures(expired);
                if self.outbox.is_overdue(now) && self.cx.link.up {
                    self.sync.resync(&mut self.cx, None);
                }
            }
            Timer::Silence => {
                for member in self.upkeep.presence.take_silent(now) {
                    self.cx.emit(RoomEvent::Presence { member, here: false });
                }
            }
            Timer::Flush => self.upkeep.leave.stop_flushing(),
            Timer::LeaveTimeout => self.end(Ended::Left),
            Timer::Pow => self.continue_pow(),
            Timer::Retry => self.retry(),
            Timer::CorrectHashes => self.correct_hashes(),
            Timer::TakeBack => self.take_back(),
            Timer::CommitLeaves => self.upkeep.leave.commit(now, &mut self.outbox),
            Timer::DoorCheck => self.check_door(),
            Timer::ForcedRefresh => self.upkeep.forced_refresh.run(now, &mut self.outbox),
            Timer::KeyRefresh => self.refresh_keys(),
            Timer::SettingsUpkeep => self.upkeep.settings.run(now, &mut self.outbox),
            Timer::Heartbeat => self.send_heartbeat(),
        }
    }

    /// Tries again what the relay refused, or could not do.
    fn retry(&mut self) {
        self.cx.link.retry_at = None;
        if self.cx.link.up && matches!(self.phase, Phase::Joining(_)) {
            self.advance_joining();
        }
        if self.cx.link.up && self.sync.is_unproven() {
            self.enter();
        }
    }

    /// Whether what this guest sends confirms the room to newcomers.
    fn confirms(&self) -> bool {
        let session = self.session();
        session.is_some_and(|session| session.settings().role(&session.key()) != Role::Member)
    }

    fn correct_hashes(&mut self) {
        if let Phase::Inside(session) = &self.phase {
            self.sync.correct_hashes(&mut self.cx, session, &mut self.outbox);
        }
    }

    fn take_back(&mut self) {
        if let Phase::Inside(session) = &self.phase {
            self.sync.take_back(&mut self.cx, session);
        }
    }

    fn check_door(&mut self) {
        if let Phase::Inside(session) = &self.phase {
            self.upkeep.door_check.look(&mut self.cx, session);
        }
    }

    fn refresh_keys(&mut self) {
        let members = self.members();
        let Upkeep { key_refresh, forced_refresh, .. } = &mut self.upkeep;
        key_refresh.run(&mut self.cx, members, (forced_refresh, &mut self.outbox));
    }

    fn send_heartbeat(&mut self) {
        self.upkeep.presence.sent(self.cx.now);
        if self.members() > 1 {
            self.outbox.push(Job::Here);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_timer_runs_in_one_of_the_two_lists() {
        let all: Vec<_> = Timer::TIMEOUTS.into_iter().chain(Timer::UPKEEP).collect();
        // The last variant: the others come before it.
        let count = Timer::Heartbeat as usize + 1;
        let mut seen: Vec<_> = all.iter().map(|timer| *timer as usize).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..count).collect::<Vec<_>>());
    }
}
