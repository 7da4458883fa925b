//! How large group information may be that a void restores.

use std::time::Duration;

use crate::time::Timestamp;

/// The largest group information that entries have replaced which are kept. Known of two spans as long
/// as such an entry is kept, the one under way and the one before.
#[derive(Debug)]
pub(super) struct Replaced {
    span: Duration,
    /// When the span under way began, if there is one.
    from: Timestamp,
    largest: usize,
    /// In the span before.
    earlier: usize,
}

impl Replaced {
    /// Nothing yet; entries are kept for `span`.
    pub(super) const fn new(now: Timestamp, span: Duration) -> Self {
        Self { span, from: now, largest: 0, earlier: 0 }
    }

    /// Group information of so many bytes is replaced.
    pub(super) fn by_another(&mut self, bytes: usize, now: Timestamp) {
        self.expire(now);
        if self.largest() == 0 {
            self.from = now;
        }
        self.largest = self.largest.max(bytes);
    }

    /// Forgets what no void restores any more.
    pub(super) fn expire(&mut self, now: Timestamp) {
        let next = self.from.saturating_add(self.span);
        if now >= next.saturating_add(self.span) {
            (self.largest, self.earlier) = (0, 0);
        } else if now >= next {
            (self.from, self.largest, self.earlier) = (next, 0, self.largest);
        }
    }

    /// Bytes of the largest that is to be restorable.
    pub(super) fn largest(&self) -> usize {
        self.largest.max(self.earlier)
    }

    /// When [`expire`](Self::expire) is to be called next.
    pub(super) fn due(&self) -> Option<Timestamp> {
        (self.largest() > 0).then(|| self.from.saturating_add(self.span))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPAN: Duration = Duration::from_secs(10);

    proptest! {
        /// Each is restorable for one span, and none for longer than two.
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
                prop_assert!(replaced.largest() >= within(SPAN));
                prop_assert!(replaced.largest() <= within(2 * SPAN));
                prop_assert!(replaced.due().is_none_or(|due| due > now));
            }
        }
    }
}
