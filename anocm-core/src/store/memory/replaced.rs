//! Tracks the size of group information that a void may restore.

use std::time::Duration;

use crate::time::Timestamp;

/// The size of the largest group information that was replaced by an entry that is still kept.
/// Tracked for two intervals of the retention of such entries: the current one and the previous
/// one.
#[derive(Debug)]
pub(super) struct Replaced {
    span: Duration,
    /// Start of the current interval, if there is one.
    from: Timestamp,
    max_len: usize,
    /// The largest of the previous interval.
    earlier: usize,
}

impl Replaced {
    /// Creates an empty tracker; entries are kept for `span`.
    pub(super) const fn new(now: Timestamp, span: Duration) -> Self {
        Self { span, from: now, max_len: 0, earlier: 0 }
    }

    /// Records that group information of `bytes` bytes was replaced.
    pub(super) fn by_another(&mut self, bytes: usize, now: Timestamp) {
        self.expire(now);
        if self.max() == 0 {
            self.from = now;
        }
        self.max_len = self.max_len.max(bytes);
    }

    /// Forgets sizes that no void can restore any more.
    pub(super) fn expire(&mut self, now: Timestamp) {
        let next = self.from.saturating_add(self.span);
        if now >= next.saturating_add(self.span) {
            (self.max_len, self.earlier) = (0, 0);
        } else if now >= next {
            (self.from, self.max_len, self.earlier) = (next, 0, self.max_len);
        }
    }

    /// Returns the size in bytes of the largest group information that must stay restorable.
    pub(super) fn max(&self) -> usize {
        self.max_len.max(self.earlier)
    }

    /// Returns when [`expire`](Self::expire) must be called next.
    pub(super) fn due(&self) -> Option<Timestamp> {
        (self.max() > 0).then(|| self.from.saturating_add(self.span))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPAN: Duration = Duration::from_secs(10);

    proptest! {
        /// Each size is tracked for at least one interval and at most two.
        #[test]
        fn what_was_replaced_is_known_for_one_span_or_two(
            steps in prop::collection::vec((0_u64..15_000, 0_usize..100, any::<bool>()), 1..60),
        ) {
            let mut now = Timestamp::from_millis(5_000);
            let mut replaced = Replaced::new(now, SPAN);
            let mut all = Vec::new();
            for (millis, bytes, replaces) in steps {
                now = now.saturating_add(Duration::from_millis(millis));
                if replaces {
                    replaced.by_another(bytes, now);
                    all.push((now, bytes));
                }
                replaced.expire(now);
                let within = |span: Duration| {
                    let kept = all.iter().filter(move |(at, _)| at.saturating_add(span) > now);
                    kept.map(|(_, bytes)| *bytes).max().unwrap_or(0)
                };
                prop_assert!(replaced.max() >= within(SPAN));
                prop_assert!(replaced.max() <= within(2 * SPAN));
                prop_assert!(replaced.due().is_none_or(|due| due > now));
            }
        }
    }
}
