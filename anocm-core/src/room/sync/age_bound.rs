//! The greatest age that an entry can have, whatever age the relay claims.
//!
//! An age that is too great makes a message expire early, or hides it altogether. With it the relay
//! contradicts itself: it reported before that the sequence number was still empty. Only the time
//! at which this guest *requested* that report is known for sure. Unknown are the time at which the
//! relay produced it, and the delays of its reply and of the entry.

use std::{collections::VecDeque, time::Duration};

use crate::{
    id::Seq,
    room::{context::Context, sending::outbox::Outbox},
    time::{Timestamp, millis},
    wire::{LogItem, Reply},
};

/// Most heads that are remembered. More than one matters only while catching up.
const HEADS: usize = 16;
/// Tolerated clock drift between guests and relays: an age may exceed the bound of this guest's
/// clock by this allowance, and by one part in `SKEW`.
const ALLOWANCE: Duration = Duration::from_secs(1);
const SKEW: u64 = 64;

/// Ends of the log that the relay reported, and when each was requested.
///
/// Sorted by both: a head that was requested later and is not further on makes an earlier one
/// superfluous.
#[derive(Debug, Default)]
pub(crate) struct AgeBound {
    heads: VecDeque<(Seq, Timestamp)>,
}

impl AgeBound {
    /// Records the head of the log that a reply implies; the request was made at `asked`. The guest
    /// has taken everything up to `cursor`.
    pub(crate) fn note_reply(&mut self, reply: &Reply, asked: Timestamp, cursor: Seq) {
        let head = match reply {
            Reply::Entered(entered) => entered.head,
            Reply::Accepted { seq } => seq.before(),
            _ => return,
        };
        self.note(head, asked, cursor);
    }

    /// Checks the age of an entry against the bound of its sequence number. An age that is too
    /// great is cut to the bound, so that it hides nothing, and reported as an inconsistency of the
    /// relay.
    pub(crate) fn bound(&self, cx: &mut Context, item: &mut LogItem) {
        let Some(earliest) = self.earliest(item.seq) else {
            return;
        };
        if let Some(most) = contradicted(item.age, earliest, cx.now) {
            item.age = most;
            cx.report_inconsistency();
        }
    }

    /// Records that nothing was after `head` when the relay was asked, at `asked` or later. The
    /// guest has taken everything up to `cursor`.
    fn note(&mut self, head: Seq, asked: Timestamp, cursor: Seq) {
        if self.heads.iter().any(|&(place, at)| place <= head && at >= asked) {
            return;
        }
        self.heads.retain(|&(place, at)| place < head || at > asked);
        let place = self.heads.partition_point(|&(place, _)| place < head);
        self.heads.insert(place, (head, asked));
        while self.heads.get(1).is_some_and(|&(place, _)| place <= cursor) {
            self.heads.pop_front();
        }
        if self.heads.len() > HEADS {
            // The first one bounds most of the entries that are still to be read.
            self.heads.remove(1);
        }
    }

    /// Returns a time before which no entry can have been at `seq`.
    fn earliest(&self, seq: Seq) -> Option<Timestamp> {
        let known = self.heads.partition_point(|&(head, _)| head < seq);
        known.checked_sub(1).and_then(|last| self.heads.get(last)).map(|&(_, asked)| asked)
    }
}

/// Returns the greatest possible age of an entry accepted at `earliest` or later; `None` when
/// `claimed` is possible.
fn contradicted(claimed: u64, earliest: Timestamp, now: Timestamp) -> Option<u64> {
    let most = millis(now.saturating_duration_since(earliest));
    let allowed = most.saturating_add(most / SKEW).saturating_add(millis(ALLOWANCE));
    (claimed > allowed).then_some(most)
}

/// Returns since when the entry in flight is in the log, delivered with this `age`: not since before
/// its append was requested.
pub(crate) fn own_since(cx: &mut Context, outbox: &Outbox, age: u64) -> Timestamp {
    let most = outbox.sent_at().and_then(|sent| contradicted(age, sent, cx.now));
    if most.is_some() {
        cx.report_inconsistency();
    }
    cx.now.saturating_sub(Duration::from_millis(most.unwrap_or(age)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn earliest(bound: &AgeBound, seq: u64) -> Option<u64> {
        bound.earliest(Seq::new(seq)).map(|at| at.as_millis() / 1_000)
    }

    fn bound(heads: &[(u64, u64)], cursor: u64) -> AgeBound {
        let mut bound = AgeBound::default();
        for &(head, asked) in heads {
            bound.note(Seq::new(head), at(asked), Seq::new(cursor));
        }
        bound
    }

    #[test]
    fn each_place_is_bounded_by_the_last_head_before_it() {
        let bound = bound(&[(3, 10), (5, 20)], 3);
        let known = [3, 4, 5, 6, 99].map(|seq| earliest(&bound, seq));
        assert_eq!(known, [None, Some(10), Some(10), Some(20), Some(20)]);
    }

    #[test]
    fn the_order_in_which_heads_come_in_does_not_matter() {
        let heads = [(3, 10), (5, 20), (5, 15), (9, 20), (4, 12)];
        for turn in 0..heads.len() {
            let mut turned = heads;
            turned.rotate_left(turn);
            let bound = bound(&turned, 0);
            let known = [4, 5, 6, 10].map(|seq| earliest(&bound, seq));
            assert_eq!(known, [Some(10), Some(12), Some(20), Some(20)], "from {turn}");
        }
    }

    #[test]
    fn a_head_beyond_the_log_is_corrected_by_a_later_one() {
        let bound = bound(&[(3, 10), (u64::MAX, 20), (4, 30)], 0);
        assert_eq!([4, 5].map(|seq| earliest(&bound, seq)), [Some(10), Some(30)]);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_oldest_unread_is_kept() {
        let heads: Vec<_> = (0..100).map(|n| (n, n)).collect();
        let unread = bound(&heads, 0);
        assert_eq!(unread.heads.len(), HEADS);
        assert_eq!((earliest(&unread, 1), earliest(&unread, 100)), (Some(0), Some(99)));
        assert_eq!(bound(&heads, 99).heads.len(), 1);
    }

    #[test]
    fn clocks_may_differ_by_a_second_and_by_one_part_in_sixty_four() {
        for (passed, allowed) in [(0, 1_000), (64_000, 66_000), (3_600_000, 3_657_250)] {
            let now = Timestamp::from_millis(1_000_000 + passed);
            let asked = Timestamp::from_millis(1_000_000);
            assert_eq!(contradicted(allowed, asked, now), None);
            assert_eq!(contradicted(allowed + 1, asked, now), Some(passed));
        }
        assert_eq!(contradicted(u64::MAX, Timestamp::ZERO, at(1)), Some(1_000));
    }
}
