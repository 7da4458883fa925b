//! Sequences of store operations, run next to a naive model.

pub(crate) mod case;
mod feeds;
mod model;
mod room;

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use anocm_core::{
    Payload, RoomAddress, Seq, fuzz,
    store::{MemoryLimits, MemoryStore, Store, StoreError, TakeBack},
    testing::ManualClock,
    wire::{CloseReason, Entry, Genesis, NextEpoch},
};

use self::{
    case::{Case, Step},
    feeds::Feeds,
    model::Model,
};
use crate::{marks::reached, runtime, seed::Seed};

/// More steps than this find nothing new.
const MAX_STEPS: usize = 200;

/// Runs the same steps on a [`MemoryStore`] and on a model: every result is equal, every watch
/// delivers the same items, and expired payloads are not held anywhere, even when no method is
/// called.
pub fn store_ops(bytes: &[u8]) {
    let case = Case::read(bytes);
    runtime::run(async {
        let mut play = Play::new(&case);
        for step in case.steps.iter().take(MAX_STEPS) {
            play.step(step).await;
            play.check_memory().await;
        }
        play.end().await;
    });
}

struct Play {
    clock: Arc<ManualClock>,
    store: Arc<MemoryStore>,
    model: Model,
    feeds: Feeds,
    /// For every payload that the store was given, whether it is still held.
    given: Vec<Weak<()>>,
}

impl Play {
    fn new(case: &Case) -> Self {
        let clock = Arc::new(ManualClock::new());
        let limits = MemoryLimits {
            max_rooms: usize::from(case.max_rooms).max(1),
            max_bytes: (case.max_bytes as usize).max(4_096),
        };
        let store = MemoryStore::new(clock.clone(), limits).expect("valid limits");
        let model = Model::new(limits);
        Self { clock, store, model, feeds: Feeds::default(), given: Vec::new() }
    }

    async fn door(&mut self, address: &RoomAddress) {
        let door = self.store.door(address).await;
        if door.as_ref().is_ok_and(|door| !door.shut.is_zero()) {
            reached("shut door");
        }
        same("door", door, self.model.door(address));
    }

    async fn create(&mut self, address: &RoomAddress, genesis: Genesis) {
        let mut given = genesis.clone();
        given.first = self.give_next(&given.first);
        let created = self.store.create(address, given).await;
        same("create", created, self.model.create(address, genesis));
    }

    async fn read(&mut self, address: &RoomAddress, after: Seq, until: Seq) {
        let read = self.store.read(address, after, until).await;
        if read.as_ref().is_ok_and(|page| page.more) {
            reached("long log");
        }
        same("read", read, self.model.read(address, after, until));
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Create { room, rules, door } => {
                self.create(&case::address(*room), case::genesis(rules, *door)).await;
            }
            Step::Append { room, entry, next } => self.append(*room, entry, *next).await,
            Step::Read { room, after, until } => {
                let (address, after) = (case::address(*room), Seq::new(u64::from(*after)));
                self.read(&address, after, Seq::new(until.map_or(u64::MAX, u64::from))).await;
            }
            Step::Door { room } => self.door(&case::address(*room)).await,
            Step::Watch { room, lazy } => {
                let address = case::address(*room);
                let watch = self.store.watch(&address).await;
                let number = self.model.watch(&address);
                same("watch", watch.as_ref().map(|_| ()).map_err(Clone::clone), number.map(|_| ()));
                self.feeds.add(watch.ok(), *lazy);
            }
            Step::Hear => self.feeds.hear(&self.model, true),
            Step::Touch { room } => {
                let address = case::address(*room);
                same("touch", self.store.touch(&address).await, self.model.touch(&address));
            }
            Step::Void { room, seq, door } => {
                let (address, seq) = (case::address(*room), Seq::new(u64::from(*seq)));
                let restored = case::next(*door, 0xee);
                let given = self.give_next(&restored);
                let voided = self.store.void(&address, seq, given).await;
                same("void", voided, self.model.void(&address, seq, restored));
            }
            Step::Settle { room, began } => {
                let (address, began) = (case::address(*room), Seq::new(u64::from(*began)));
                let settled = self.store.settle(&address, began).await;
                same("settle", settled, self.model.settle(&address, began));
            }
            Step::TakeBack { room, seq, member, door } => {
                let (address, seq) = (case::address(*room), Seq::new(u64::from(*seq)));
                let by = case::take_back(*member, *door);
                let given = TakeBack { group_info: self.give(&by.group_info), ..by.clone() };
                let taken = self.store.take_back(&address, seq, given).await;
                same("take back", taken, self.model.take_back(&address, seq, by));
            }
            Step::Close { room } => {
                let address = case::address(*room);
                let closed = self.store.close(&address, CloseReason::Owner).await;
                same("close", closed, self.model.close(&address, CloseReason::Owner));
            }
            Step::Advance { millis } => {
                let duration = Duration::from_millis(u64::from(*millis));
                self.clock.advance(duration);
                self.model.advance(duration);
                // Nothing is called: the store must expire entries by itself.
                runtime::settle().await;
            }
        }
        self.feeds.hear(&self.model, false);
    }

    async fn append(&mut self, room: u8, entry: &case::Sealed, next: Option<u16>) {
        let address = case::address(room);
        let current = self.model.epoch(&address);
        let next = next.map(|door| case::next(door, entry.mark));
        let entry = case::entry(entry, current);
        let given = Entry { sealed: self.give(&entry.sealed), ..entry.clone() };
        let brings = next.as_ref().map(|next| self.give_next(next));
        let appended = self.store.append(&address, given, brings).await;
        same("append", appended, self.model.append(&address, entry, next));
    }

    fn give_next(&mut self, next: &NextEpoch) -> NextEpoch {
        NextEpoch { group_info: self.give(&next.group_info), ..next.clone() }
    }

    /// The same payload, with a weak reference that detects its release.
    fn give(&mut self, payload: &Payload) -> Payload {
        let (given, weak) = fuzz::witnessed(payload.to_vec());
        self.given.push(weak);
        given
    }

    fn held(&self) -> usize {
        self.given.iter().filter(|weak| weak.strong_count() > 0).count()
    }

    /// The store holds exactly the payloads that it must.
    async fn check_memory(&self) {
        if self.feeds.some_wait() {
            return;
        }
        if self.held() > self.model.payloads() {
            // A room that was over before the call began.
            runtime::settle().await;
        }
        assert_eq!(self.held(), self.model.payloads(), "payloads that the store holds");
    }

    async fn end(self) {
        let Self { store, mut model, mut feeds, given, .. } = self;
        drop(store);
        model.end();
        feeds.hear(&model, true);
        let held = given.iter().filter(|weak| weak.strong_count() > 0).count();
        assert_eq!(held, 0, "a store that is gone holds nothing");
        runtime::settle().await;
        assert_eq!(runtime::tasks(), 0, "the janitor goes with the store");
    }
}

fn same<T: PartialEq + std::fmt::Debug>(
    what: &'static str,
    by_store: Result<T, StoreError>,
    by_model: Result<T, StoreError>,
) {
    assert_eq!(by_store, by_model, "{what}");
    reached(match by_store {
        Ok(_) => what,
        Err(StoreError::NoSuchRoom) => "no such room",
        Err(StoreError::AddressInUse) => "address in use",
        Err(StoreError::StaleEpoch { .. }) => "stale epoch",
        Err(StoreError::Full) => "full",
        Err(StoreError::TooEarly { .. }) => "too early",
        Err(StoreError::Settled) => "settled",
        Err(StoreError::Mismatched) => "mismatched",
        Err(error) => panic!("a store in memory does not fail so: {error}"),
    });
}
