//! Message counters of each sender: detects repeats and gaps.

use std::collections::{HashMap, VecDeque};

use crate::id::{MemberId, MessageId};

/// How many messages of each sender are remembered by id, to distinguish a resend from a forgery.
const REMEMBERED: usize = 32;

/// The counters received from each sender.
#[derive(Debug, Default)]
pub(crate) struct SenderCounters(HashMap<MemberId, Sender>);

#[derive(Debug, Default)]
struct Sender {
    expected: u64,
    holes: u64,
    recent: VecDeque<(u64, MessageId)>,
}

/// The result of checking a message's counter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CounterCheck {
    /// It is new.
    New {
        /// Messages missing before it that no hole in the log accounts for.
        missing: u64,
    },
    /// The same message again, as when a reply was lost and the sender repeated it.
    Again,
    /// Another message under a counter that was used already.
    Forged,
}

impl SenderCounters {
    /// Starts the counter of a member that joined: its first message is number zero.
    pub(crate) fn joined(&mut self, member: MemberId, holes: u64) {
        self.0.insert(member, Sender { holes, ..Sender::default() });
    }

    /// Forgets a member that left.
    pub(crate) fn left(&mut self, member: &MemberId) {
        self.0.remove(member);
    }

    /// Checks and records a message's counter. `holes` is the number of holes in the log so far:
    /// each may have been one of the sender's messages.
    pub(crate) fn check(
        &mut self,
        member: MemberId,
        counter: u64,
        id: MessageId,
        holes: u64,
    ) -> CounterCheck {
        // For a member that joined before this guest, the first message received sets the count.
        let sender = self.0.entry(member).or_insert_with(|| Sender {
            expected: counter,
            holes,
            ..Sender::default()
        });
        let known = sender.recent.iter().find(|(number, _)| *number == counter);
        // The largest counter value stays the next one expected.
        if known.is_some() || counter < sender.expected {
            return match known {
                Some((_, name)) if *name != id => CounterCheck::Forged,
                _ => CounterCheck::Again,
            };
        }
        let skipped = counter - sender.expected;
        let missing = skipped.saturating_sub(holes.saturating_sub(sender.holes));
        sender.expected = counter.saturating_add(1);
        sender.holes = holes;
        if sender.recent.len() == REMEMBERED {
            sender.recent.pop_front();
        }
        sender.recent.push_back((counter, id));
        CounterCheck::New { missing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: MemberId = MemberId::new([2; 16]);

    const fn id(n: u8) -> MessageId {
        MessageId::new([n; 16])
    }

    #[test]
    fn a_counter_heard_twice_is_a_repeat_and_under_another_name_a_forgery() {
        let mut senders = SenderCounters::default();
        assert_eq!(senders.check(BOB, 7, id(1), 0), CounterCheck::New { missing: 0 });
        assert_eq!(senders.check(BOB, 7, id(1), 0), CounterCheck::Again);
        assert_eq!(senders.check(BOB, 7, id(2), 0), CounterCheck::Forged);
        assert_eq!(senders.check(BOB, 8, id(3), 0), CounterCheck::New { missing: 0 });
    }

    #[test]
    fn the_last_counter_is_heard_once_like_any_other() {
        let mut senders = SenderCounters::default();
        assert_eq!(senders.check(BOB, u64::MAX, id(1), 0), CounterCheck::New { missing: 0 });
        assert_eq!(senders.check(BOB, u64::MAX, id(1), 0), CounterCheck::Again);
        assert_eq!(senders.check(BOB, u64::MAX, id(2), 0), CounterCheck::Forged);
    }

    #[test]
    fn a_gap_is_missing_unless_holes_in_the_log_account_for_it() {
        let mut senders = SenderCounters::default();
        senders.joined(BOB, 0);
        assert_eq!(senders.check(BOB, 2, id(1), 0), CounterCheck::New { missing: 2 });
        assert_eq!(senders.check(BOB, 5, id(2), 1), CounterCheck::New { missing: 1 });
        assert_eq!(senders.check(BOB, 7, id(3), 2), CounterCheck::New { missing: 0 });
    }

    #[test]
    fn the_first_message_of_an_older_member_sets_the_count() {
        let mut senders = SenderCounters::default();
        assert_eq!(senders.check(BOB, 40, id(1), 0), CounterCheck::New { missing: 0 });
        senders.left(&BOB);
        senders.joined(BOB, 0);
        assert_eq!(senders.check(BOB, 1, id(2), 0), CounterCheck::New { missing: 1 });
    }
}
