//! Tracks how long a door refuses joins after joins were voided.

use std::time::Duration;

use crate::{
    secret::TokenHash,
    store::{SHUT_FIRST, SHUT_LONGEST},
    time::Timestamp,
};

/// Open until a join is voided. Refers to one door hash: entries after a join may set another door
/// hash temporarily, which is voided with them.
#[derive(Clone, Copy, Default)]
pub(super) struct Shut(Option<Closed>);

#[derive(Clone, Copy)]
struct Closed {
    door: TokenHash,
    until: Timestamp,
    time: Duration,
}

impl Shut {
    /// Records that another join through `door` was voided.
    pub(super) fn again(&mut self, door: TokenHash, now: Timestamp) {
        let last = self.0.filter(|closed| closed.door == door);
        let time = last.map_or(SHUT_FIRST, |last| (last.time * 2).min(SHUT_LONGEST));
        self.0 = Some(Closed { door, until: now.saturating_add(time), time });
    }

    /// Returns how long `door` is still shut.
    pub(super) fn left(self, door: &TokenHash, now: Timestamp) -> Duration {
        let closed = self.0.filter(|closed| closed.door == *door);
        closed.map_or(Duration::ZERO, |closed| closed.until.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_is_shut_twice_as_long_each_time_up_to_a_limit() {
        let now = Timestamp::from_millis(7_000);
        let (door, other) = (TokenHash::new([1; 32]), TokenHash::new([2; 32]));
        let mut shut = Shut::default();
        assert_eq!(shut.left(&door, now), Duration::ZERO);
        for seconds in [10, 20, 40, 80, 120, 120] {
            shut.again(door, now);
            assert_eq!(shut.left(&door, now), Duration::from_secs(seconds));
            assert_eq!(shut.left(&other, now), Duration::ZERO);
        }
        assert_eq!(
            shut.left(&door, now.saturating_add(Duration::from_secs(119))),
            Duration::from_secs(1)
        );
        assert_eq!(shut.left(&door, now.saturating_add(Duration::from_secs(121))), Duration::ZERO);
        shut.again(other, now);
        assert_eq!(shut.left(&other, now), SHUT_FIRST);
    }
}
