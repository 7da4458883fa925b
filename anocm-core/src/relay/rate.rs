//! Token buckets. Told the time, never ask for it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{Rate, RelayConfig};
use crate::{
    time::{Timestamp, millis},
    wire::{Entry, EntryKind},
};

/// What one room may take, whoever brings it.
pub(super) struct RoomRates {
    // Short sections, none across an await.
    buckets: Mutex<RoomBuckets>,
}

struct RoomBuckets {
    entries: Bucket,
    bytes: Bucket,
}

impl RoomRates {
    pub(super) fn new(config: &RelayConfig, now: Timestamp) -> Self {
        Self {
            buckets: Mutex::new(RoomBuckets {
                entries: Bucket::new(config.room_entries, now),
                bytes: Bucket::new(config.room_bytes, now),
            }),
        }
    }

    /// Counts an entry towards what the room may take in a second, or says how long to wait. A
    /// commit need not wait: whoever floods the room could not be removed.
    pub(super) fn admit(&self, entry: &Entry, now: Timestamp) -> Result<(), Duration> {
        let length = u64::try_from(entry.sealed.len()).unwrap_or(u64::MAX);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let has = buckets.entries.has(1, now).and(buckets.bytes.has(length, now));
        if entry.kind == EntryKind::Message {
            has?;
        }
        buckets.entries.spend(1);
        buckets.bytes.spend(length);
        Ok(())
    }
}

/// A token bucket. Counts in units times milliseconds of the period, so that nothing is rounded.
#[derive(Debug)]
pub(super) struct Bucket {
    each: u64,
    per: u64,
    full: u64,
    level: u64,
    owed: u64,
    at: Timestamp,
}

impl Bucket {
    pub(super) fn new(rate: Rate, now: Timestamp) -> Self {
        let per = millis(rate.per).max(1);
        let full = rate.burst.saturating_mul(per);
        Self { each: rate.each.max(1), per, full, level: full, owed: 0, at: now }
    }

    /// Takes `n`, if need be on credit, and says how long to wait until the credit is paid back.
    pub(super) fn take(&mut self, n: u64, now: Timestamp) -> Duration {
        self.refill(now);
        self.spend(n);
        Duration::from_millis(self.owed.div_ceil(self.each))
    }

    /// Takes one, or says how long to wait until there is one.
    pub(super) fn try_take(&mut self, now: Timestamp) -> Result<(), Duration> {
        self.has(1, now)?;
        self.spend(1);
        Ok(())
    }

    /// Whether there are `n`, or how long to wait until there are. A full bucket has enough for
    /// anything.
    pub(super) fn has(&mut self, n: u64, now: Timestamp) -> Result<(), Duration> {
        self.refill(now);
        let cost = n.saturating_mul(self.per).min(self.full);
        match cost.saturating_sub(self.level).saturating_add(self.owed) {
            0 => Ok(()),
            missing => Err(Duration::from_millis(missing.div_ceil(self.each))),
        }
    }

    /// Takes `n`, if need be on credit.
    pub(super) fn spend(&mut self, n: u64) {
        let cost = n.saturating_mul(self.per);
        let paid = cost.min(self.level);
        self.level = self.level.saturating_sub(paid);
        self.owed = self.owed.saturating_add(cost.saturating_sub(paid));
    }

    /// How much of the bucket is gone, in thousandths.
    pub(super) fn depletion(&mut self, now: Timestamp) -> u64 {
        self.refill(now);
        let gone = u128::from(self.full.saturating_sub(self.level));
        let thousandths = gone * 1_000 / u128::from(self.full.max(1));
        u64::try_from(thousandths).unwrap_or(1_000)
    }

    fn refill(&mut self, now: Timestamp) {
        let gained = millis(now.since(self.at)).saturating_mul(self.each);
        self.at = now;
        let repaid = gained.min(self.owed);
        self.owed = self.owed.saturating_sub(repaid);
        let rest = gained.saturating_sub(repaid);
        self.level = self.level.saturating_add(rest).min(self.full);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn three_a_minute() -> Bucket {
        let rate = Rate { each: 3, per: MINUTE, burst: 2 };
        Bucket::new(rate, Timestamp::ZERO)
    }

    #[test]
    fn a_burst_passes_and_the_rest_waits_its_turn() {
        let mut bucket = three_a_minute();
        let at = Timestamp::from_millis;
        assert_eq!(bucket.try_take(at(0)), Ok(()));
        assert_eq!(bucket.try_take(at(0)), Ok(()));
        assert_eq!(bucket.try_take(at(0)), Err(Duration::from_secs(20)));
        assert_eq!(bucket.try_take(at(19_999)), Err(Duration::from_millis(1)));
        assert_eq!(bucket.try_take(at(20_000)), Ok(()));
    }

    proptest! {
        #[test]
        fn whoever_waits_as_told_keeps_the_rate(costs in prop::collection::vec(0_u64..1_000, 1..50)) {
            let rate = Rate { each: 100, per: Duration::from_secs(1), burst: 500 };
            let mut bucket = Bucket::new(rate, Timestamp::ZERO);
            let mut now = Timestamp::ZERO;
            let mut taken = 0;
            for cost in costs {
                now = now.after(bucket.take(cost, now));
                taken += cost;
                prop_assert!(taken <= 500 + now.as_millis() / 10 + 1);
            }
            prop_assert!(now.as_millis() <= taken * 10);
        }
    }
}
