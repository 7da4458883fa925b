//! A memory store full of rooms, with a clock that moves when told.

use std::{sync::Arc, time::Duration};

use anocm_core::{
    Clock, Epoch, Payload, Retention, RoomAddress, Secret, Token, TokenHash,
    store::{MemoryLimits, MemoryStore, Store, StoreError},
    testing::ManualClock,
    wire::{Entry, EntryKind, Genesis, NextEpoch, Policy},
};
use futures_util::FutureExt;

/// How long kept entries are kept.
pub const KEPT: Duration = Duration::from_secs(60);

/// A store of rooms that all take what they are given. It runs on no runtime and so has no
/// janitor: what is due is erased by the next call.
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
    /// A store of so many rooms.
    pub fn of(rooms: u64) -> Self {
        let clock = Arc::new(ManualClock::new());
        let mut limits = MemoryLimits::default();
        limits.max_rooms = usize::MAX;
        limits.max_bytes = usize::MAX;
        let told: Arc<dyn Clock> = clock.clone();
        let store = MemoryStore::new(told, limits).unwrap();
        let rooms: Vec<_> = (0..rooms).map(address).collect();
        for room in &rooms {
            done(store.create(room, genesis()));
        }
        let epochs = vec![Epoch::FIRST; rooms.len()];
        Self { store, clock, rooms, epochs, turn: 0 }
    }

    /// The number of the next room, in turn.
    pub fn turn(&mut self) -> usize {
        self.turn = (self.turn + 1) % self.rooms.len();
        self.turn
    }

    /// The address of the room of that number.
    pub fn address(&self, room: usize) -> RoomAddress {
        *self.rooms.get(room).unwrap()
    }

    /// A message for the room of that number.
    pub fn message(&self, room: usize, retention: Retention) -> Entry {
        let epoch = *self.epochs.get(room).unwrap();
        Entry { kind: EntryKind::Message, epoch, retention, sealed: sealed() }
    }

    /// A commit for the room of that number, and what it brings.
    pub fn commit(&mut self, room: usize) -> (Entry, NextEpoch) {
        let epoch = self.epochs.get_mut(room).unwrap();
        let commit =
            Entry { kind: EntryKind::Commit, epoch: *epoch, retention: kept(), sealed: sealed() };
        *epoch = epoch.next();
        (commit, next_epoch())
    }

    /// Has so many kept messages appended, in turn to all rooms.
    pub fn fill(&mut self, messages: u64) {
        for _ in 0..messages {
            let room = self.turn();
            let message = self.message(room, kept());
            done(self.store.append(&self.address(room), message, None));
        }
    }

    /// Everything kept comes due.
    pub fn expire(&self) {
        self.clock.advance(KEPT);
    }

    /// Erases what is due, as any call does.
    pub fn sweep(&self) {
        let nowhere = address(u64::MAX);
        assert!(now(self.store.touch(&nowhere)).is_err());
    }
}

/// The address of a room by its number, spread like random ones.
pub fn address(number: u64) -> RoomAddress {
    let mixed = (u128::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    RoomAddress::new(mixed.to_le_bytes())
}

/// What a room is opened with.
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

/// What a call gives that never waits, as none of the memory store does.
pub fn now<T>(call: impl Future<Output = T>) -> T {
    call.now_or_never().unwrap()
}

/// What a call gives that succeeds.
pub fn done<T>(call: impl Future<Output = Result<T, StoreError>>) -> T {
    now(call).unwrap()
}

fn next_epoch() -> NextEpoch {
    NextEpoch { member: hash(), door: hash(), group_info: sealed() }
}

fn hash() -> TokenHash {
    Token::new(Secret::new([7; 32])).hash()
}

/// The smallest sealed item, shared with nothing.
fn sealed() -> Payload {
    Payload::from(vec![7; 1_000])
}
