use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::StreamExt;
use proptest::prelude::*;

use super::{MemoryLimits, MemoryStore, rooms::Rooms};
use crate::{
    id::{Epoch, RoomAddress, Seq},
    retention::Retention,
    secret::{Payload, Secret, Token},
    store::{Store, StoreError, Watched},
    testing::{ManualClock, store::StoreFactory},
    time::Timestamp,
    wire::{CloseReason, Entry, EntryKind, Genesis, NextEpoch, Policy},
};

const PER_ENTRY: usize = MemoryLimits::PER_ENTRY;
const PER_ROOM: usize = MemoryLimits::PER_ROOM;

struct Memory(Arc<ManualClock>);

#[async_trait::async_trait]
impl StoreFactory for Memory {
    async fn store(&self) -> Arc<dyn Store> {
        MemoryStore::new(self.0.clone(), MemoryLimits::default())
    }

    async fn pass(&self, duration: Duration) {
        self.0.advance(duration);
    }

    fn is_exact(&self) -> bool {
        true
    }
}

mod conformance {
    use super::*;

    crate::store_conformance!(Memory(Arc::new(ManualClock::new())));
}

const MINUTE: Duration = Duration::from_secs(60);

fn kept(millis: u64) -> Retention {
    Retention::keep(Duration::from_millis(millis)).unwrap()
}

fn next(size: usize) -> NextEpoch {
    let hash = Token::new(Secret::new([1; 32])).hash();
    NextEpoch { member: hash, door: hash, group_info: Payload::from(vec![2; size]) }
}

fn genesis() -> Genesis {
    Genesis {
        policy: Policy {
            largest: kept(60_000),
            handshakes: kept(60_000),
            linger: 60_000,
            largest_age: 300_000,
            max_entries: 20,
            max_bytes: 20_000,
        },
        owner: next(0).member,
        first: next(1_000),
    }
}

fn message(retention: Retention) -> Entry {
    Entry {
        kind: EntryKind::Message,
        epoch: Epoch::FIRST,
        retention,
        sealed: Payload::from(vec![3; 1_000]),
    }
}

fn address(n: u8) -> RoomAddress {
    RoomAddress::new([n; 16])
}

/// A message, and what tells whether anybody still holds its payload.
fn witnessed(retention: Retention) -> (Entry, Weak<()>) {
    let (sealed, witness) = Payload::witnessed(vec![3; 1_000]);
    let entry = Entry { sealed, ..message(retention) };
    (entry, witness)
}

fn is_gone(witness: &Weak<()>) -> bool {
    witness.strong_count() == 0
}

async fn janitor_had_its_turn() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_idle_store_lets_go_of_an_entry_at_its_deadline() {
    let clock = Arc::new(ManualClock::new());
    let store = MemoryStore::new(clock.clone(), MemoryLimits::default());
    store.create(&address(1), genesis()).await.unwrap();
    janitor_had_its_turn().await;
    let (entry, sealed) = witnessed(kept(5_000));
    store.append(&address(1), entry, None).await.unwrap();
    clock.advance(Duration::from_millis(4_999));
    janitor_had_its_turn().await;
    assert!(!is_gone(&sealed));
    clock.advance(Duration::from_millis(1));
    janitor_had_its_turn().await;
    assert!(is_gone(&sealed));
}

#[tokio::test]
async fn a_closed_room_lets_go_of_everything() {
    let store = MemoryStore::new(Arc::new(ManualClock::new()), MemoryLimits::default());
    let mut genesis = genesis();
    let (group_info, door) = Payload::witnessed(vec![2; 1_000]);
    genesis.first.group_info = group_info;
    store.create(&address(1), genesis).await.unwrap();
    let (entry, sealed) = witnessed(kept(5_000));
    store.append(&address(1), entry, None).await.unwrap();
    let (live, passing) = witnessed(Retention::Live);
    store.append(&address(1), live, None).await.unwrap();
    assert!(is_gone(&passing));
    store.close(&address(1), CloseReason::Owner).await.unwrap();
    assert!(is_gone(&sealed));
    assert!(is_gone(&door));
}

#[tokio::test]
async fn the_janitor_leaves_with_the_store() {
    let clock = Arc::new(ManualClock::new());
    let store = MemoryStore::new(clock.clone(), MemoryLimits::default());
    store.create(&address(1), genesis()).await.unwrap();
    let mut watch = store.watch(&address(1)).await.unwrap();
    janitor_had_its_turn().await;
    drop(store);
    assert_eq!(watch.next().await, Some(Watched::Closed(CloseReason::Gone)));
    janitor_had_its_turn().await;
    assert_eq!(Arc::strong_count(&clock), 1);
}

#[tokio::test]
async fn a_full_store_refuses_rooms_and_entries_until_space_returns() {
    let clock = Arc::new(ManualClock::new());
    let max_bytes = PER_ROOM + 1_000 + 3 * (PER_ENTRY + 1_000);
    let limits = MemoryLimits { max_rooms: 2, max_bytes };
    let store = MemoryStore::new(clock.clone(), limits);
    for n in [1, 2] {
        store.create(&address(n), genesis()).await.unwrap();
    }
    let full = Err(StoreError::Full);
    assert_eq!(store.create(&address(3), genesis()).await, full);
    store.close(&address(2), CloseReason::Owner).await.unwrap();

    let first = address(1);
    let append = || store.append(&first, message(kept(1_000)), None);
    for n in 1..=3 {
        assert_eq!(append().await, Ok(Seq::new(n)));
    }
    assert_eq!(append().await, Err(StoreError::Full));
    assert_eq!(store.create(&address(2), genesis()).await, full);
    let commit = Entry { kind: EntryKind::Commit, ..message(Retention::Live) };
    let grown = store.append(&address(1), commit, Some(next(1_001))).await;
    assert_eq!(grown, Err(StoreError::Full));

    clock.advance(Duration::from_secs(1));
    assert_eq!(append().await, Ok(Seq::new(4)));
    assert_eq!(store.create(&address(2), genesis()).await, Ok(()));
}

#[test]
fn a_store_without_a_runtime_still_forgets() {
    use futures_util::FutureExt;
    let clock = Arc::new(ManualClock::new());
    let store = MemoryStore::new(clock.clone(), MemoryLimits::default());
    let created = store.create(&address(1), genesis()).now_or_never();
    assert_eq!(created, Some(Ok(())));
    clock.advance(MINUTE);
    let door = store.door(&address(1)).now_or_never();
    assert_eq!(door, Some(Err(StoreError::NoSuchRoom)));
}

#[derive(Clone, Debug)]
enum Step {
    Create(u8),
    Say(u8, u64),
    Commit(u8, u64, usize),
    Void(u8),
    Touch(u8),
    Close(u8),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let room = 0_u8..3;
    prop_oneof![
        room.clone().prop_map(Step::Create),
        (room.clone(), 0_u64..4).prop_map(|(room, seconds)| Step::Say(room, seconds * 1_000)),
        (room.clone(), 0_u64..4, 1_usize..3).prop_map(|(room, seconds, size)| Step::Commit(
            room,
            seconds * 1_000,
            size * 1_000
        )),
        room.clone().prop_map(Step::Void),
        room.clone().prop_map(Step::Touch),
        room.prop_map(Step::Close),
        (1_u64..40_000).prop_map(Step::Pass),
    ]
}

/// Does one step, whatever the store says to it.
fn apply(rooms: &mut Rooms, step: Step, now: Timestamp) {
    let _ = match step {
        Step::Create(n) => rooms.create(&address(n), genesis(), now),
        Step::Say(n, life) => rooms.with(&address(n), now, |room, spare| {
            let mut entry = message(kept(life));
            entry.epoch = room.stored_door(now).epoch();
            room.append(entry, None, now, spare).map(drop)
        }),
        Step::Commit(n, life, size) => rooms.with(&address(n), now, |room, spare| {
            let mut entry = message(kept(life));
            entry.epoch = room.stored_door(now).epoch();
            entry.kind = EntryKind::Commit;
            room.append(entry, Some(next(size)), now, spare).map(drop)
        }),
        Step::Void(n) => rooms.with(&address(n), now, |room, spare| {
            let began = room.stored_door(now).epochs.last().unwrap().began;
            room.void(began, next(1_000), now, spare)
        }),
        Step::Touch(n) => rooms.with(&address(n), now, |room, _| {
            room.touch(now);
            Ok(())
        }),
        Step::Close(n) => rooms.close(&address(n), CloseReason::Owner, now),
        Step::Pass(_) => Ok(()),
    };
}

proptest! {
    #[test]
    fn the_books_balance_and_nothing_outlives_its_time(steps in prop::collection::vec(step(), 1..80)) {
        let limits = MemoryLimits { max_rooms: 3, max_bytes: 30_000 };
        let mut rooms = Rooms::new(limits);
        let mut now = Timestamp::ZERO;
        for step in steps {
            if let Step::Pass(millis) = step {
                now = now.after(Duration::from_millis(millis));
            }
            apply(&mut rooms, step, now);
            rooms.sweep(now);
            prop_assert!(rooms.next_deadline().is_none_or(|due| due > now));

            let mut counted = 0;
            for n in 0..3 {
                let seen = rooms.with(&address(n), now, |room, _| {
                    Ok((room.read(Seq::START, Seq::new(u64::MAX), now), room.stored_door(now)))
                });
                let Ok((page, door)) = seen else { continue };
                counted += PER_ROOM + door.group_info.len();
                let sealed = page.items.iter().map(|item| item.entry.sealed.len());
                counted += sealed.map(|sealed| sealed + PER_ENTRY).sum::<usize>();
                for item in &page.items {
                    prop_assert!(item.age < u64::from(item.entry.retention.as_millis()));
                }
                // A past epoch is known exactly as long as the entry that ended it is kept.
                let ends: Vec<_> = page.items.iter()
                    .filter(|item| item.entry.kind.begins_epoch())
                    .map(|item| item.entry.epoch)
                    .chain([door.epoch()])
                    .collect();
                let known: Vec<_> = door.epochs.iter().map(|record| record.epoch).collect();
                prop_assert_eq!(known, ends);
            }
            prop_assert_eq!(rooms.bytes(), counted);
            prop_assert!(counted <= limits.max_bytes);
        }
    }
}
