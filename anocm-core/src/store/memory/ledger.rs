//! Accounts for the memory of all rooms of a store, and what each room may still use.

use super::{MemoryLimits, room::Spare};
use crate::store::Level;

/// When more than half of the memory is used, messages are accepted only while their room uses at
/// most this fraction of what is left. However many rooms hoard memory, rooms that use little still
/// find space.
const PART: usize = 64;
/// The minimum share of the reserve for one room, however many rooms there are: enough for some
/// commits.
const LEAST_SHARE: usize = 16 << 10;

/// The memory used by all rooms together.
pub(super) struct Ledger {
    limits: MemoryLimits,
    bytes: usize,
    entries: usize,
    /// Number of times that usage has fallen back to half or less.
    relieved: u64,
}

/// The memory used by one room, as counted in the ledger.
#[derive(Default)]
pub(super) struct Account {
    bytes: usize,
    entries: usize,
    /// Bytes drawn from the reserve since the ledger was last `relieved`.
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

    /// Whether the limits allow one more room of `bytes` bytes in addition to `rooms` rooms.
    pub(super) fn has_place(&self, bytes: usize, rooms: usize) -> bool {
        rooms < self.limits.max_rooms && bytes <= self.left()
    }

    /// Returns how much more the store accepts for one of `rooms` rooms. Each room may draw its own
    /// share of the reserve, so commits in other rooms never use up the space needed to remove a
    /// member from this one.
    pub(super) fn spare(&self, account: &Account, rooms: usize) -> Spare {
        let left = self.left();
        let messages =
            if self.is_short() { (left / PART).saturating_sub(account.bytes) } else { left };
        let share = (self.limits.reserve() / rooms.max(1)).max(LEAST_SHARE);
        let drawn = if account.relieved == self.relieved { account.drawn } else { 0 };
        let epochs = messages.saturating_add(share.saturating_sub(drawn));
        Spare { messages, epochs: epochs.min(self.limits.max_bytes.saturating_sub(self.bytes)) }
    }

    /// Records the current memory use of a room; the growth was allowed by `spare`.
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

    /// Whether more than half is used.
    fn is_short(&self) -> bool {
        self.bytes > self.unreserved() / 2
    }

    /// Returns the limit for new rooms and messages.
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

    /// A store filled up to its reserve; each of its ten rooms may draw 50,000 bytes.
    fn full() -> Ledger {
        let limits = MemoryLimits { max_rooms: 10, max_bytes: 5_000_000 };
        let mut ledger = Ledger::new(limits);
        ledger.count(&mut Account::default(), 4_500_000, 0, Spare::ALL);
        ledger
    }

    /// Grows a room to `bytes` by commits.
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
        // Space of expired entries can be drawn again.
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
