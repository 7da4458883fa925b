//! Token buckets. The caller passes the current time.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{
    relay::{Rate, RelayConfig},
    time::{Timestamp, millis},
    wire::{Entry, EntryKind},
};

/// Rate limits of one room, over all connections.
pub(crate) struct RoomRates {
    // Short critical sections, never held across an await.
    buckets: Mutex<RoomBuckets>,
}

struct RoomBuckets {
    entries: TokenBucket,
    bytes: TokenBucket,
}

impl RoomRates {
    pub(crate) fn new(config: &RelayConfig, now: Timestamp) -> Self {
        Self {
            buckets: Mutex::new(RoomBuckets {
                entries: TokenBucket::new(config.room_entries, now),
                bytes: TokenBucket::new(config.room_bytes, now),
            }),
        }
    }

    /// Counts an entry against the room's rate limits, or fails with how long to wait. A commit is
    /// counted but never has to wait: otherwise a member that floods the room could not be removed.
    pub(crate) fn admit(&self, entry: &Entry, now: Timestamp) -> Result<(), Duration> {
        let length = u64::try_from(entry.sealed.len()).unwrap_or(u64::MAX);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let has = buckets.entries.check(1, now).and(buckets.bytes.check(length, now));
        if entry.kind == EntryKind::Message {
            has?;
        }
        buckets.entries.spend(1);
        buckets.bytes.spend(length);
        Ok(())
    }
}

/// A token bucket. Counts in units times milliseconds of the period, so that there is no rounding.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    amount: u64,
    period: u64,
    full: u64,
    level: u64,
    owed: u64,
    at: Timestamp,
}

impl TokenBucket {
    pub(crate) fn new(rate: Rate, now: Timestamp) -> Self {
        let period = millis(rate.period).max(1);
        let full = rate.burst.saturating_mul(period);
        Self { amount: rate.amount.max(1), period, full, level: full, owed: 0, at: now }
    }

    /// Takes `n` tokens, on credit if needed, and returns how long to wait until the credit is paid
    /// back.
    pub(crate) fn take(&mut self, n: u64, now: Timestamp) -> Duration {
        self.refill(now);
        self.spend(n);
        Duration::from_millis(self.owed.div_ceil(self.amount))
    }

    /// Takes one token, or fails with how long to wait until there is one.
    pub(crate) fn try_take(&mut self, now: Timestamp) -> Result<(), Duration> {
        self.check(1, now)?;
        self.spend(1);
        Ok(())
    }

    /// Checks whether there are `n` tokens; fails with how long to wait until there are. A full
    /// bucket is enough for any `n`.
    pub(crate) fn check(&mut self, n: u64, now: Timestamp) -> Result<(), Duration> {
        self.refill(now);
        let cost = n.saturating_mul(self.period).min(self.full);
        match cost.saturating_sub(self.level).saturating_add(self.owed) {
            0 => Ok(()),
            missing => Err(Duration::from_millis(missing.div_ceil(self.amount))),
        }
    }

    /// Takes `n` tokens, on credit if needed.
    pub(crate) fn spend(&mut self, n: u64) {
        let cost = n.saturating_mul(self.period);
        let paid = cost.min(self.level);
        self.level = self.level.saturating_sub(paid);
        self.owed = self.owed.saturating_add(cost.saturating_sub(paid));
    }

    /// Returns how much of the bucket is used up, in thousandths.
    pub(crate) fn depletion(&mut self, now: Timestamp) -> u64 {
        self.refill(now);
        let gone = u128::from(self.full.saturating_sub(self.level));
        let thousandths = gone * 1_000 / u128::from(self.full.max(1));
        u64::try_from(thousandths).unwrap_or(1_000)
    }

    fn refill(&mut self, now: Timestamp) {
        let gained = millis(now.saturating_duration_since(self.at)).saturating_mul(self.amount);
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

    fn three_a_minute() -> TokenBucket {
        let rate = Rate { amount: 3, period: MINUTE, burst: 2 };
        TokenBucket::new(rate, Timestamp::ZERO)
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
        fn a_peer_that_waits_as_told_keeps_the_rate(costs in prop::collection::vec(0_u64..1_000, 1..50)) {
            let rate = Rate { amount: 100, period: Duration::from_secs(1), burst: 500 };
            let mut bucket = TokenBucket::new(rate, Timestamp::ZERO);
            let mut now = Timestamp::ZERO;
            let mut taken = 0;
            for cost in costs {
                now = now.saturating_add(bucket.take(cost, now));
                taken += cost;
                prop_assert!(taken <= 500 + now.as_millis() / 10 + 1);
            }
            prop_assert!(now.as_millis() <= taken * 10);
        }
    }
}
