//! Notices that this program did not run for a while: an app freezer, a debugger, a paused
//! container or a machine that slept stopped it.
//!
//! A frame tells how old its entries were when the relay sent it, and the client counts on from
//! when it reads the frame. What arrived while the program was stopped waits in a buffer of the
//! kernel, for as long as the stop lasted, and would be taken for younger than it is by that much.
//! So the connection is given up unread after a stop, and the log tells true ages on the next one.
//!
//! Nothing tells a program that it was stopped. While it is connected, its driver therefore sets
//! itself a time to wake up, and compares.

use std::time::Duration;

use crate::time::Timestamp;

/// How long the driver of an open connection waits at most.
const WAKE_EVERY: Duration = Duration::from_secs(1);
/// Waking up so much too late is a stop. A machine under load is late by less.
const TOO_LATE: Duration = Duration::from_millis(500);
/// Working for so long without a look at the connection is a stop as well.
const TOO_LONG: Duration = Duration::from_secs(1);

/// When an open connection's driver was to run next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stalls {
    ran: Timestamp,
    due: Timestamp,
}

impl Stalls {
    pub(super) const fn new(now: Timestamp) -> Self {
        Self { ran: now, due: now }
    }

    /// The driver looks at its rooms. Whether it worked for too long since it woke up: was
    /// stopped at work, or has more to do than it can.
    pub(super) fn works(&self, now: Timestamp) -> bool {
        now.saturating_duration_since(self.ran) > TOO_LONG
    }

    /// The driver is about to wait until `deadline` at most. Gives when it has to run again.
    pub(super) fn waits(&mut self, now: Timestamp, deadline: Option<Timestamp>) -> Timestamp {
        let wake = now.saturating_add(WAKE_EVERY);
        self.due = deadline.map_or(wake, |deadline| deadline.clamp(now, wake));
        self.due
    }

    /// The driver woke up, for whatever reason. Whether it was stopped while it waited.
    pub(super) fn woke(&mut self, now: Timestamp) -> bool {
        self.ran = now;
        now.saturating_duration_since(self.due) > TOO_LATE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn waking_up_in_time_is_no_stop() {
        let mut stalls = Stalls::new(at(0));
        assert_eq!(stalls.waits(at(10), None), at(1_010));
        assert!(!stalls.woke(at(1_510)));
        assert_eq!(stalls.waits(at(1_510), Some(at(1_600))), at(1_600));
        assert!(!stalls.woke(at(1_520)));
    }

    #[test]
    fn waking_up_too_late_is_a_stop_whatever_the_reason_to_wait() {
        for deadline in [None, Some(at(1_000)), Some(at(9_000))] {
            let mut stalls = Stalls::new(at(0));
            stalls.waits(at(0), deadline);
            assert!(stalls.woke(at(1_501)), "{deadline:?}");
        }
        // A deadline that is past is due now.
        let mut stalls = Stalls::new(at(0));
        assert_eq!(stalls.waits(at(5_000), Some(at(7))), at(5_000));
        assert!(!stalls.woke(at(5_500)));
    }

    #[test]
    fn working_for_too_long_is_one() {
        let mut stalls = Stalls::new(at(0));
        stalls.woke(at(100));
        assert!(!stalls.works(at(1_100)));
        assert!(stalls.works(at(1_101)));
    }
}
