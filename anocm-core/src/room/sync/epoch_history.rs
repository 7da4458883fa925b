//! The commits and joins that this guest has applied: which of them may be voided without undoing
//! changes of prior members.

use std::collections::VecDeque;

use crate::{id::Seq, session::MemberKey};

/// How many steps are remembered. Their keys are not kept.
const REMEMBERED: usize = 64;
/// How often a guest joins again after its own join was voided.
const COMES_AGAIN: u32 = 2;

/// The author of a commit or join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EpochAuthor {
    /// A guest that was not in the room before joined.
    Joiner(MemberKey),
    /// A member rejoined through the door.
    Returning,
    /// A member committed.
    Member(MemberKey),
}

#[derive(Clone, Copy, Debug)]
struct Step {
    seq: Seq,
    by: EpochAuthor,
    /// The context of the epoch before: [`Session::context`](crate::session::Session::context).
    context: [u8; 32],
}

/// The steps since this guest joined, as many as are remembered.
#[derive(Debug, Default)]
pub(crate) struct EpochHistory {
    steps: VecDeque<Step>,
    /// Whether steps were forgotten.
    incomplete: bool,
    /// The sequence number of this guest's own join; [`Seq::START`] for the guest that opened the
    /// room.
    joined: Seq,
    /// This guest's key, if it joined and was not in the room before.
    newcomer: Option<MemberKey>,
    /// How often its own join was voided.
    taken_back: u32,
}

impl EpochHistory {
    /// Starts the history at this guest's join at `seq`; `newcomer` is its key if it was not in the
    /// room before.
    pub(crate) fn begin(&mut self, seq: Seq, newcomer: Option<MemberKey>) {
        let taken_back = self.taken_back;
        *self = Self { joined: seq, newcomer, taken_back, ..Self::default() };
    }

    /// Records that the entry at `seq` was applied.
    pub(crate) fn step(&mut self, seq: Seq, by: EpochAuthor, context: [u8; 32]) {
        if self.steps.len() == REMEMBERED {
            self.steps.pop_front();
            self.incomplete = true;
        }
        self.steps.push_back(Step { seq, by, context });
    }

    /// Whether this guest's own join is at `seq` or after it.
    pub(crate) fn is_own_join(&self, seq: Seq) -> bool {
        self.joined > Seq::START && seq <= self.joined
    }

    /// Counts a void of this guest's own join. Returns true when that was too often.
    pub(crate) const fn again(&mut self) -> bool {
        self.taken_back += 1;
        self.taken_back > COMES_AGAIN
    }

    /// Whether every step from `seq` on may be voided: `None` when they include a commit of a
    /// member that was there before, or are not all remembered. Otherwise the context of the epoch
    /// before `seq`, if the join at `seq` was applied.
    pub(crate) fn since(&self, seq: Seq) -> Option<Option<[u8; 32]>> {
        let undone = || self.steps.iter().filter(|step| step.seq >= seq);
        let known = self.steps.front().is_some_and(|first| first.seq <= seq);
        if self.incomplete && !known {
            return None;
        }
        let own = self.newcomer.filter(|_| self.is_own_join(seq));
        let is_newcomer = |key: &MemberKey| {
            own == Some(*key) || undone().any(|step| step.by == EpochAuthor::Joiner(*key))
        };
        let harmless = undone().all(|step| match &step.by {
            EpochAuthor::Joiner(_) | EpochAuthor::Returning => true,
            EpochAuthor::Member(key) => is_newcomer(key),
        });
        let first = undone().next().filter(|step| step.seq == seq);
        let join = first.filter(|step| !matches!(step.by, EpochAuthor::Member(_)));
        harmless.then(|| join.map(|step| step.context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn key(n: u8) -> MemberKey {
        MemberKey::new([n; 32])
    }

    fn past(own: Option<u64>, steps: &[(u64, EpochAuthor)]) -> EpochHistory {
        let mut past = EpochHistory::default();
        past.begin(Seq::new(own.unwrap_or(0)), own.map(|_| key(0)));
        for &(seq, by) in steps {
            past.step(Seq::new(seq), by, [u8::try_from(seq).unwrap(); 32]);
        }
        past
    }

    #[test]
    fn a_join_may_be_taken_back_with_the_joins_behind_it() {
        let joined = [
            (3, EpochAuthor::Joiner(key(3))),
            (4, EpochAuthor::Member(key(3))),
            (5, EpochAuthor::Returning),
        ];
        let past = past(None, &joined);
        assert_eq!(past.since(Seq::new(3)), Some(Some([3; 32])));
        assert!(!past.is_own_join(Seq::new(3)));
    }

    #[test]
    fn what_a_member_did_may_not_be_undone() {
        let removed = [(3, EpochAuthor::Joiner(key(3))), (4, EpochAuthor::Member(key(1)))];
        assert_eq!(past(None, &removed).since(Seq::new(3)), None);
        assert_eq!(past(Some(2), &removed).since(Seq::new(2)), None);
        // Nor may a newcomer's commit alone, which no member could have voided.
        let renamed = [(3, EpochAuthor::Joiner(key(3))), (4, EpochAuthor::Member(key(3)))];
        assert_eq!(past(None, &renamed).since(Seq::new(4)), None);
    }

    #[test]
    fn ones_own_join_goes_with_ones_own_commits() {
        let own = [(3, EpochAuthor::Member(key(0))), (4, EpochAuthor::Joiner(key(4)))];
        let mut past = past(Some(2), &own);
        assert!(past.is_own_join(Seq::new(2)) && past.is_own_join(Seq::new(1)));
        assert!(!past.is_own_join(Seq::new(3)));
        assert_eq!(past.since(Seq::new(2)), Some(None));
        assert_eq!((past.again(), past.again(), past.again()), (false, false, true));
    }

    #[test]
    fn what_is_not_remembered_may_not_be_undone() {
        let steps: Vec<_> = (1..=65).map(|n| (n, EpochAuthor::Returning)).collect();
        let past = past(None, &steps);
        assert_eq!(past.since(Seq::new(1)), None);
        assert_eq!(past.since(Seq::new(2)), Some(Some([2; 32])));
    }
}
