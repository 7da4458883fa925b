//! The policy with which a room is opened when the relay allows less than was requested.
//!
//! A relay reports its limits only by refusing. It names the longest retention; of the other limits
//! it reports only that one of them is exceeded. So those are lowered together, in a few steps, and
//! the guest is told with which policy the room was opened in the end.

use std::time::Duration;

use crate::room::NewRoom;
use crate::{
    retention::{Retention, RoomRetention},
    setting::days,
    wire::Refusal,
};

/// The limits requested at most after each refusal that names none: largest age, linger, entries,
/// bytes.
const STEPS: [(Duration, Duration, u32, u64); 3] = [
    (days(1), Duration::from_secs(120), 10_000, 32_000_000),
    (Duration::from_secs(3_600), Duration::from_secs(30), 1_000, 4_000_000),
    (Duration::from_secs(600), Duration::from_secs(5), 100, 1_000_000),
];

/// A room as it is requested now.
pub(crate) struct PolicyNegotiation {
    pub(crate) new: NewRoom,
    step: usize,
}

impl PolicyNegotiation {
    pub(crate) const fn new(new: NewRoom) -> Self {
        Self { new, step: 0 }
    }

    /// Lowers the request after a refusal. Returns false when a lower one would not help.
    pub(crate) fn lower(&mut self, refusal: Refusal) -> bool {
        match refusal {
            Refusal::RetentionTooLong { max } => self.lower_retention(max),
            Refusal::Unlawful => self.next_step(),
            _ => false,
        }
    }

    fn lower_retention(&mut self, max: Retention) -> bool {
        let now = self.new.retention;
        if max >= now.max() {
            return false;
        }
        let default = now.default_retention().min(max);
        match RoomRetention::new(now.min().min(max), default, max) {
            Ok(lower) => {
                self.new.retention = lower;
                true
            }
            Err(_) => false,
        }
    }

    fn next_step(&mut self) -> bool {
        let before = self.new.policy();
        while let Some(&(age, linger, entries, bytes)) = STEPS.get(self.step) {
            self.step += 1;
            self.new.max_age = self.new.max_age.min(age);
            self.new.linger = self.new.linger.min(linger);
            self.new.max_entries = self.new.max_entries.min(entries);
            self.new.max_bytes = self.new.max_bytes.min(bytes);
            if self.new.policy() != before {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn too_long(seconds: u64) -> Refusal {
        let max = Retention::keep(Duration::from_secs(seconds)).unwrap();
        Refusal::RetentionTooLong { max }
    }

    #[test]
    fn the_retention_is_what_the_relay_names() {
        let mut wish = PolicyNegotiation::new(NewRoom::default());
        assert!(wish.lower(too_long(3_600)));
        let shown = [wish.new.retention.default_retention(), wish.new.retention.max()];
        assert_eq!(shown.map(|kept| kept.to_string()), ["5m", "1h"]);
        assert!(wish.lower(too_long(0)));
        assert_eq!(wish.new.retention.default_retention(), Retention::Live);
        // A relay that names more than was requested is faulty, and is not asked forever.
        assert!(!wish.lower(too_long(0)));
        assert!(!wish.lower(too_long(60)));
        assert_eq!(wish.new.max_age, NewRoom::default().max_age);
    }

    #[test]
    fn the_rest_becomes_less_step_by_step_and_never_more() {
        let modest = NewRoom { max_age: Duration::from_secs(700), ..NewRoom::default() };
        let mut wish = PolicyNegotiation::new(modest);
        let mut ages = Vec::new();
        while wish.lower(Refusal::Unlawful) {
            ages.push(wish.new.max_age.as_secs());
            assert!(wish.new.check().is_ok());
        }
        assert_eq!(ages, [700, 600]);
        assert!(!wish.lower(Refusal::Full));
    }
}
