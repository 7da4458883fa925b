//! What all rooms of a store take together, and what each may still take.

use super::{MemoryLimits, room::Spare};
use crate::store::Level;

/// With more than half of the memory taken, a room may take messages up to this part of what is
/// left. However many rooms are hoarded, those that take little then still find space.
const PART: usize = 64;
/// What one room may take of the reserve at least, however many rooms there are: some commits.
const LEAST_SHARE: usize = 16 << 10;

/// What all rooms take together.
pub(super) struct Ledger {
    limits: MemoryLimits,
    bytes: usize,
    entries: usize,
    /// How often less than half was taken again after more was.
    relieved: u64,
}

/// What one room takes, as it is counted in the ledger.
#[derive(Default)]
pub(super) struct Account {
    bytes: usize,
    entries: usize,
    /// Bytes that it took of the reserve, since the ledger was last `relieved`.
    drawn: usize,
    relieved: u64,
}

impl Ledger {
    pub(super) fn new(limits: MemoryLimits) -> Self {
        Self { limits, bytes: 0, entries: 0, relieved: 0 }
    }

    pub(super) fn memory(&self) -> Level {
        Level { used: wide(self.bytes), limit: wide(self.unreserved()) }
    }

    pub(super) fn rooms(&self, rooms: usize) -> Level {
        Level { used: wide(rooms), limit: wide(self.limits.max_rooms) }
    }

    pub(super) fn entries(&self) -> u64 {
        wide(self.entries)
    }

    /// Whether there may be one more room, which takes `bytes`, beside so many.
    pub(super) fn has_place(&self, bytes: usize, rooms: usize) -> bool {
        rooms < self.limits.max_rooms && bytes <= self.left()
    }

    /// How much more the store takes of one of `rooms`. Each may draw its share of the reserve, so
    /// that commits elsewhere never use up what it takes to remove a member here.
    pub(super) fn spare(&self, account: &Account, rooms: usize) -> Spare {
        let left = self.left();
        let messages =
            if self.is_short() { (left / PART).saturating_sub(account.bytes) } else { left };
        let share = (self.limits.reserve() / rooms.max(1)).max(LEAST_SHARE);
        let drawn = if account.relieved == self.relieved { account.drawn } else { 0 };
        let epochs = messages.saturating_add(share.saturating_sub(drawn));
        Spare { messages, epochs: epochs.min(self.limits.max_bytes.saturating_sub(self.bytes)) }
    }

    /// Counts what a room takes by now, which was allowed by `spare`.
    pub(super) fn count(
        &mut self,
        account: &mut Account,
        bytes: usize,
        entries: usize,
        spare: Spare,
    ) {
        let was_short = self.is_short();
        self.bytes = self.bytes.saturating_sub(account.bytes).saturating_add(bytes);
        self.entries = self.entries.saturating_sub(account.entries).saturating_add(entries);
        if account.relieved != self.relieved {
            (account.drawn, account.relieved) = (0, self.relieved);
        }
        let (given_back, taken) =
            (account.bytes.saturating_sub(bytes), bytes.saturating_sub(account.bytes));
        account.drawn = account
            .drawn
            .saturating_sub(given_back)
            .saturating_add(taken.saturating_sub(spare.messages));
        (account.bytes, account.entries) = (bytes, entries);
        if was_short && !self.is_short() {
            self.relieved = self.relieved.wrapping_add(1);
        }
    }

    /// Whether more than half is taken.
    fn is_short(&self) -> bool {
        self.bytes > self.unreserved() / 2
    }

    /// What new rooms and messages may bring the memory to.
    fn unreserved(&self) -> usize {
        self.limits.max_bytes.saturating_sub(self.limits.reserve())
    }

    fn left(&self) -> usize {
        self.unreserved().saturating_sub(self.bytes)
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: usize = 50_000;

    /// A store whose ten rooms may draw 50,000 bytes each, filled up to its reserve.
    fn full() -> Ledger {
        let limits = MemoryLimits { max_rooms: 10, max_bytes: 5_000_000 };
        let mut ledger = Ledger::new(limits);
        ledger.count(&mut Account::default(), 4_500_000, 0, Spare::ALL);
        ledger
    }

    /// Brings a room to so many bytes by commits.
    fn commit(ledger: &mut Ledger, account: &mut Account, bytes: usize) {
        let spare = ledger.spare(account, 10);
        assert!(bytes.saturating_sub(account.bytes) <= spare.epochs);
        ledger.count(account, bytes, 1, spare);
    }

    #[test]
    fn the_reserve_is_for_epochs_and_each_room_has_its_share() {
        let mut ledger = full();
        let (mut greedy, other) = (Account::default(), Account::default());
        assert!(!ledger.has_place(1, 9));
        assert_eq!(ledger.spare(&greedy, 10), Spare { messages: 0, epochs: SHARE });
        commit(&mut ledger, &mut greedy, 30_000);
        assert_eq!(ledger.spare(&greedy, 10).epochs, SHARE - 30_000);
        commit(&mut ledger, &mut greedy, SHARE);
        assert_eq!(ledger.spare(&greedy, 10).epochs, 0);
        assert_eq!(ledger.spare(&other, 10).epochs, SHARE);
        // What expires can be drawn again.
        commit(&mut ledger, &mut greedy, 20_000);
        assert_eq!(ledger.spare(&greedy, 10).epochs, 30_000);
    }

    #[test]
    fn no_room_draws_more_than_there_is() {
        let mut ledger = full();
        ledger.count(&mut Account::default(), 490_000, 0, Spare::ALL);
        assert_eq!(ledger.spare(&Account::default(), 10).epochs, 10_000);
    }

    #[test]
    fn after_a_shortage_each_share_is_whole_again() {
        let mut ledger = full();
        let mut greedy = Account::default();
        commit(&mut ledger, &mut greedy, SHARE);
        let mut elsewhere = Account { bytes: 4_500_000, ..Account::default() };
        ledger.count(&mut elsewhere, 1_000_000, 0, Spare::ALL);
        ledger.count(&mut elsewhere, 4_450_000, 0, Spare::ALL);
        assert_eq!(ledger.spare(&greedy, 10), Spare { messages: 0, epochs: SHARE });
    }

    #[test]
    fn beyond_the_half_who_takes_little_finds_space_however_many_take_much() {
        let limits = MemoryLimits { max_rooms: 1_000, max_bytes: 10_000_000 };
        let mut ledger = Ledger::new(limits);
        let mut rooms: Vec<_> = (0..300).map(|_| Account::default()).collect();
        loop {
            let mut taken = 0;
            for room in &mut rooms {
                let spare = ledger.spare(room, 300);
                if spare.messages >= 1_000 {
                    let bytes = room.bytes + 1_000;
                    ledger.count(room, bytes, 0, spare);
                    taken += 1;
                }
            }
            if taken == 0 {
                break;
            }
        }
        assert!(ledger.spare(&Account::default(), 301).messages >= 10_000);
        assert!(ledger.memory().thousandths() > 800, "{:?}", ledger.memory());
    }

    #[test]
    fn however_many_rooms_there_are_each_may_make_some_commits() {
        let ledger = full();
        assert_eq!(ledger.spare(&Account::default(), 100_000).epochs, LEAST_SHARE);
    }
}
