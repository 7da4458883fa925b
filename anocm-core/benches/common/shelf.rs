//! A memory store full of rooms, with a manually advanced clock.

use std::{sync::Arc, time::Duration};

use anocm_core::{
    Clock, Epoch, Payload, Retention, RoomAddress, Secret, Token, TokenHash,
    store::{MemoryLimits, MemoryStore, Store, StoreError},
    testing::ManualClock,
    wire::{Entry, EntryKind, Genesis, NextEpoch, Policy},
};
use futures_util::FutureExt;

/// The retention of kept entries.
pub const KEPT: Duration = Duration::from_secs(60);

/// A store of rooms that accept every entry. It runs outside a runtime and so has no janitor:
/// expired entries are erased by the next call.
pub struct Shelf {
    pub store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    rooms: Vec<RoomAddress>,
    /// The epoch of each room.
    epochs: Vec<Epoch>,
    /// The room whose turn it is.
    turn: usize,
}

impl Shelf {
    /// A store of `rooms` rooms.
    pub fn of(rooms: u64) -> Self {
        let clock = Arc::new(ManualClock::new());
        let limits = MemoryLimits { max_rooms: usize::MAX, max_bytes: usize::MAX };
        let told: Arc<dyn Clock> = clock.clone();
        let store = MemoryStore::new(told, limits).unwrap();
        let rooms: Vec<_> = (0..rooms).map(address).collect();
        for room in &rooms {
            done(store.create(room, genesis()));
        }
        let epochs = vec![Epoch::FIRST.next(); rooms.len()];
        let shelf = Self { store, clock, rooms, epochs, turn: 0 };
        for room in &shelf.rooms {
            // A room without joins would end while the clock goes on.
            let (kind, epoch) = (EntryKind::Join, Epoch::FIRST);
            let join = Entry { kind, epoch, retention: kept(), sealed: sealed() };
            done(shelf.store.append(room, join, Some(next_epoch())));
        }
        shelf.expire();
        shelf.sweep();
        shelf
    }

    /// Returns the number of the next room, round-robin.
    pub fn turn(&mut self) -> usize {
        self.turn = (self.turn + 1) % self.rooms.len();
        self.turn
    }

    /// The address of the room with that number.
    pub fn address(&self, room: usize) -> RoomAddress {
        *self.rooms.get(room).unwrap()
    }

    /// A message for the room with that number.
    pub fn message(&self, room: usize, retention: Retention) -> Entry {
        let epoch = *self.epochs.get(room).unwrap();
        Entry { kind: EntryKind::Message, epoch, retention, sealed: sealed() }
    }

    /// A commit for the room with that number, and its next epoch.
    pub fn commit(&mut self, room: usize) -> (Entry, NextEpoch) {
        let epoch = self.epochs.get_mut(room).unwrap();
        let commit =
            Entry { kind: EntryKind::Commit, epoch: *epoch, retention: kept(), sealed: sealed() };
        *epoch = epoch.next();
        (commit, next_epoch())
    }

    /// Appends `messages` kept messages, distributed round-robin over all rooms.
    pub fn fill(&mut self, messages: u64) {
        for _ in 0..messages {
            let room = self.turn();
            let message = self.message(room, kept());
            done(self.store.append(&self.address(room), message, None));
        }
    }

    /// Advances the clock until every kept entry has expired.
    pub fn expire(&self) {
        self.clock.advance(KEPT);
    }

    /// Erases expired entries, as any call does.
    pub fn sweep(&self) {
        let nowhere = address(u64::MAX);
        assert!(now(self.store.touch(&nowhere)).is_err());
    }
}

/// The address of a room by its number, distributed like random ones.
pub fn address(number: u64) -> RoomAddress {
    let mixed = (u128::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    RoomAddress::new(mixed.to_le_bytes())
}

/// The genesis of every room.
pub fn genesis() -> Genesis {
    let policy = Policy {
        max_retention: kept(),
        handshakes: kept(),
        linger: u64::MAX,
        max_age: u64::MAX,
        max_entries: u32::MAX,
        max_bytes: u64::MAX,
    };
    Genesis { policy, owner: hash(), first: next_epoch() }
}

/// A retention of [`KEPT`].
pub fn kept() -> Retention {
    Retention::keep(KEPT).unwrap()
}

/// Returns the result of a call that never waits; no call to the memory store does.
pub fn now<T>(call: impl Future<Output = T>) -> T {
    call.now_or_never().unwrap()
}

/// Returns the value of a call that succeeds.
pub fn done<T>(call: impl Future<Output = Result<T, StoreError>>) -> T {
    now(call).unwrap()
}

fn next_epoch() -> NextEpoch {
    NextEpoch { member: hash(), door: hash(), group_info: sealed() }
}

fn hash() -> TokenHash {
    Token::new(Secret::new([7; 32])).hash()
}

/// The smallest sealed payload, not shared with any other.
fn sealed() -> Payload {
    Payload::from(vec![7; 1_000])
}
