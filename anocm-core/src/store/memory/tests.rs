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
    store::{Feeds, Level, Store, StoreError, UNJOINED_LINGER, Watched},
    testing::{ManualClock, store::StoreFactory},
    time::Timestamp,
    wire::{CloseReason, Entry, EntryKind, Genesis, NextEpoch, Policy},
};

mod full;

const PER_ENTRY: usize = MemoryLimits::PER_ENTRY;
const PER_ROOM: usize = MemoryLimits::PER_ROOM;

struct Memory(Arc<ManualClock>);

#[async_trait::async_trait]
impl StoreFactory for Memory {
    async fn store(&self) -> Arc<dyn Store> {
        MemoryStore::new(self.0.clone(), MemoryLimits::default()).unwrap()
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
            max_retention: kept(60_000),
            handshakes: kept(60_000),
            linger: 60_000,
            max_age: 300_000,
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

fn begins_epoch(kind: EntryKind, epoch: u64) -> Entry {
    Entry { kind, epoch: Epoch::new(epoch), ..message(kept(60_000)) }
}

fn address(n: u8) -> RoomAddress {
    RoomAddress::new([n; 16])
}

/// A message, and a handle that reports whether its payload is still held.
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
    let store = MemoryStore::new(clock.clone(), MemoryLimits::default()).unwrap();
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
    let store = MemoryStore::new(Arc::new(ManualClock::new()), MemoryLimits::default()).unwrap();
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
    let store = MemoryStore::new(clock.clone(), MemoryLimits::default()).unwrap();
    store.create(&address(1), genesis()).await.unwrap();
    let mut watch = store.watch(&address(1)).await.unwrap();
    janitor_had_its_turn().await;
    drop(store);
    assert_eq!(watch.next().await, Some(Watched::Closed(CloseReason::Gone)));
    drop(watch);
    janitor_had_its_turn().await;
    assert_eq!(Arc::strong_count(&clock), 1);
}

#[tokio::test]
async fn a_room_that_only_its_maker_entered_does_not_linger_for_long() {
    let clock = Arc::new(ManualClock::new());
    let store = MemoryStore::new(clock.clone(), MemoryLimits::default()).unwrap();
    let mut genesis = genesis();
    (genesis.policy.linger, genesis.policy.max_age) = (86_400_000, 600_000_000);
    for n in [1, 2, 3] {
        store.create(&address(n), genesis.clone()).await.unwrap();
    }
    let commit = begins_epoch(EntryKind::Commit, 0);
    store.append(&address(2), commit, Some(next(1_000))).await.unwrap();
    let join = begins_epoch(EntryKind::Join, 0);
    store.append(&address(3), join, Some(next(1_000))).await.unwrap();
    clock.advance(UNJOINED_LINGER - Duration::from_millis(1));
    store.touch(&address(2)).await.unwrap();
    assert!(store.door(&address(1)).await.is_ok());
    clock.advance(Duration::from_millis(1));
    assert_eq!(store.door(&address(1)).await, Err(StoreError::NoSuchRoom));
    clock.advance(UNJOINED_LINGER - Duration::from_millis(1));
    // A commit is no join.
    assert_eq!(store.door(&address(2)).await, Err(StoreError::NoSuchRoom));
    assert!(store.door(&address(3)).await.is_ok());
    clock.advance(Duration::from_secs(86_400) - 2 * UNJOINED_LINGER);
    assert!(store.door(&address(3)).await.is_ok());
    clock.advance(Duration::from_millis(1));
    assert_eq!(store.door(&address(3)).await, Err(StoreError::NoSuchRoom));
}

#[tokio::test]
async fn time_in_which_the_relay_did_not_run_is_no_absence_and_yet_entries_expire() {
    let clock = Arc::new(ManualClock::new());
    let store = MemoryStore::new(clock.clone(), MemoryLimits::default()).unwrap();
    store.create(&address(1), genesis()).await.unwrap();
    store.append(&address(1), message(kept(30_000)), None).await.unwrap();
    let second = Duration::from_secs(1);
    for _ in 0..10 {
        store.heartbeat();
        clock.advance(second);
    }
    // Stopped for two minutes, twice the linger. The first call still finds the room.
    clock.advance(120 * second);
    let page = store.read(&address(1), Seq::START, Seq::new(9)).await.unwrap();
    assert!(page.items.is_empty());
    // Ten seconds of the linger had passed.
    for _ in 0..50 {
        store.heartbeat();
        assert!(store.door(&address(1)).await.is_ok());
        clock.advance(second);
    }
    store.heartbeat();
    clock.advance(second);
    assert_eq!(store.door(&address(1)).await, Err(StoreError::NoSuchRoom));
}

#[tokio::test]
async fn without_a_relay_rooms_linger_out() {
    let clock = Arc::new(ManualClock::new());
    let store = MemoryStore::new(clock.clone(), MemoryLimits::default()).unwrap();
    store.create(&address(1), genesis()).await.unwrap();
    store.heartbeat();
    let linger = Duration::from_secs(120);
    clock.advance(linger);
    // The relay may have been stopped.
    assert!(store.door(&address(1)).await.is_ok());
    clock.advance(linger);
    assert_eq!(store.door(&address(1)).await, Err(StoreError::NoSuchRoom));
}

#[tokio::test]
async fn a_stopped_relay_does_not_keep_a_room_beyond_its_age() {
    let clock = Arc::new(ManualClock::new());
    let store = MemoryStore::new(clock.clone(), MemoryLimits::default()).unwrap();
    store.create(&address(1), genesis()).await.unwrap();
    store.heartbeat();
    clock.advance(Duration::from_millis(300_000));
    assert_eq!(store.door(&address(1)).await, Err(StoreError::NoSuchRoom));
}

#[tokio::test]
async fn an_entry_that_waited_in_a_watch_has_grown_older() {
    let clock = Arc::new(ManualClock::new());
    let store = MemoryStore::new(clock.clone(), MemoryLimits::default()).unwrap();
    store.create(&address(1), genesis()).await.unwrap();
    let mut watch = store.watch(&address(1)).await.unwrap();
    store.append(&address(1), message(kept(5_000)), None).await.unwrap();
    clock.advance(Duration::from_millis(4_999));
    let Some(Watched::Entry(item)) = watch.next().await else { panic!("no entry") };
    assert_eq!(item.age, 4_999);
}

#[tokio::test]
async fn the_store_tells_how_much_there_is_of_everything() {
    let limits = MemoryLimits { max_rooms: 7, max_bytes: 100_000 };
    let store = MemoryStore::new(Arc::new(ManualClock::new()), limits).unwrap();
    store.create(&address(1), genesis()).await.unwrap();
    store.append(&address(1), message(kept(5_000)), None).await.unwrap();
    store.append(&address(1), message(Retention::Live), None).await.unwrap();
    let status = store.status();
    let used = u64::try_from(PER_ROOM + 1_000 + PER_ENTRY + 1_000).unwrap();
    assert_eq!(status.memory, Some(Level { used, limit: 90_000 }));
    assert_eq!(status.rooms, Some(Level { used: 1, limit: 7 }));
    assert_eq!(status.entries, Some(1));
    store.close(&address(1), CloseReason::Owner).await.unwrap();
    let status = store.status();
    assert_eq!((status.memory.unwrap().used, status.entries), (0, Some(0)));
}

#[test]
fn a_store_without_a_runtime_still_forgets() {
    use futures_util::FutureExt;
    let clock = Arc::new(ManualClock::new());
    let store = MemoryStore::new(clock.clone(), MemoryLimits::default()).unwrap();
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

/// Applies one step and ignores its result.
fn apply(rooms: &mut Rooms, step: Step, now: Timestamp) {
    let _ = match step {
        Step::Create(n) => rooms.create(&address(n), genesis(), Feeds::default(), now),
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
        Step::Touch(n) => rooms.touch(&address(n), now),
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
                now = now.saturating_add(Duration::from_millis(millis));
            }
            apply(&mut rooms, step, now);
            rooms.sweep(now);
            prop_assert!(rooms.next_deadline().is_none_or(|due| due > now));

            let (mut counted, mut spare) = (0, 0);
            for n in 0..3 {
                let seen = rooms.with(&address(n), now, |room, _| {
                    Ok((room.read(Seq::START, Seq::new(u64::MAX), now), room.stored_door(now)))
                });
                let Ok((page, door)) = seen else { continue };
                counted += PER_ROOM + door.group_info.len();
                // No door is larger, and the size of a replaced one stays reserved.
                spare += 2_000 - door.group_info.len();
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
            prop_assert!((counted..=counted + spare).contains(&rooms.bytes()));
            prop_assert!(rooms.bytes() <= limits.max_bytes);
        }
    }
}
