//! Detects that this program was suspended for a while: by an app freezer, a debugger, a paused
//! container or a machine that slept.
//!
//! A frame states the age of its entries at the time when the relay sent it, and the client counts
//! on from the time when it reads the frame. A frame that arrived during a suspension waits in a
//! kernel buffer, and its entries would be taken for younger than they are by the time it waited.
//! After a suspension the connection is therefore closed unread, and the log states the true ages
//! over the next one.
//!
//! A program is not notified that it was suspended. While it is connected, its driver therefore
//! sets a timer and measures how late it wakes up.

use std::time::Duration;

use crate::time::Timestamp;

/// Maximum wait of the driver of an open connection.
const WAKE_EVERY: Duration = Duration::from_secs(1);
/// A wake-up that is later than this counts as a suspension. A machine under load is late by less.
const TOO_LATE: Duration = Duration::from_millis(500);
/// Working for longer than this without polling the connection counts as a suspension, too.
const TOO_LONG: Duration = Duration::from_secs(1);

/// When an open connection's driver last ran and when it is due next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suspensions {
    ran: Timestamp,
    due: Timestamp,
}

impl Suspensions {
    pub(super) const fn new(now: Timestamp) -> Self {
        Self { ran: now, due: now }
    }

    /// Called when the driver processes its rooms. Returns whether it has worked for too long since
    /// it woke up: it was suspended, or it is overloaded.
    pub(super) fn works(&self, now: Timestamp) -> bool {
        now.saturating_duration_since(self.ran) > TOO_LONG
    }

    /// Called before the driver waits until `deadline` at most. Returns when it has to run again.
    pub(super) fn waits(&mut self, now: Timestamp, deadline: Option<Timestamp>) -> Timestamp {
        let wake = now.saturating_add(WAKE_EVERY);
        self.due = deadline.map_or(wake, |deadline| deadline.clamp(now, wake));
        self.due
    }

    /// Called when the driver has woken up for any reason. Returns whether it was suspended while
    /// it waited.
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
        let mut stalls = Suspensions::new(at(0));
        assert_eq!(stalls.waits(at(10), None), at(1_010));
        assert!(!stalls.woke(at(1_510)));
        assert_eq!(stalls.waits(at(1_510), Some(at(1_600))), at(1_600));
        assert!(!stalls.woke(at(1_520)));
    }

    #[test]
    fn waking_up_too_late_is_a_stop_whatever_the_reason_to_wait() {
        for deadline in [None, Some(at(1_000)), Some(at(9_000))] {
            let mut stalls = Suspensions::new(at(0));
            stalls.waits(at(0), deadline);
            assert!(stalls.woke(at(1_501)), "{deadline:?}");
        }
        // A deadline in the past is due now.
        let mut stalls = Suspensions::new(at(0));
        assert_eq!(stalls.waits(at(5_000), Some(at(7))), at(5_000));
        assert!(!stalls.woke(at(5_500)));
    }

    #[test]
    fn working_for_too_long_is_one() {
        let mut stalls = Suspensions::new(at(0));
        stalls.woke(at(100));
        assert!(!stalls.works(at(1_100)));
        assert!(stalls.works(at(1_101)));
    }
}
