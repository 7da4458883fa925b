//! Tests with a server whose clock is set while there are rooms.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test, helpers included, that measures"
)]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anocm_core::{
    Epoch, Retention, RoomAddress, Seq,
    store::{Store as _, StoreError, Watch, Watched},
    wire::{CloseReason, EntryKind, NextEpoch},
};
use anocm_redis::RedisStore;
use common::{
    Log, Server, WallClock,
    rooms::{SECOND, create, entry, kept, next, policy, say, store, told, told_entry},
};
use futures_util::future::join_all;
use tokio::task::JoinHandle;

const HERE: RoomAddress = RoomAddress::new([7; 16]);

/// A server whose clock can be set, and a relay with a guest in a room of it.
struct Stage {
    clock: WallClock,
    server: Server,
    store: Arc<RedisStore>,
    watch: Watch,
    stays: JoinHandle<()>,
    is_over: Arc<AtomicBool>,
}

impl Stage {
    async fn new() -> Option<Self> {
        let clock = WallClock::new()?;
        let server = Server::start_in(clock.environment(), &[]);
        let store = store(&server).await;
        create(&store, &HERE, policy(30 * SECOND)).await;
        let watch = store.watch(&HERE).await.unwrap();
        store.door(&HERE).await.unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let stays = tokio::spawn(stay(Arc::clone(&store), Arc::clone(&is_over)));
        Some(Self { clock, server, store, watch, stays, is_over })
    }

    /// Sends an entry and receives it.
    async fn talks(&mut self, retention: Retention) -> Seq {
        let seq = say(&self.store, &HERE, retention, &[1; 1_000]).await.expect("not taken");
        loop {
            match told(&mut self.watch).await {
                Watched::Entry(item) if item.seq == seq => return seq,
                Watched::Entry(_) | Watched::Lagged => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn kept(&self) -> Vec<u64> {
        let page = self.store.read(&HERE, Seq::START, Seq::new(u64::MAX)).await.unwrap();
        page.items.iter().map(|item| item.seq.value()).collect()
    }

    fn has_key(&self, seq: Seq) -> bool {
        let end = format!(":{}", seq.value());
        self.server.keys().iter().any(|(key, _)| key.ends_with(&end))
    }

    /// Ends the guest's task and waits for it.
    async fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.stays.await.unwrap();
        self.store.close(&HERE, CloseReason::Owner).await.unwrap();
    }
}

/// Touches the room as a relay does.
async fn stay(store: Arc<RedisStore>, is_over: Arc<AtomicBool>) {
    while !is_over.load(Ordering::Relaxed) {
        store.touch(&HERE).await.expect("the room has ended");
        tokio::time::sleep(SECOND / 2).await;
    }
}

#[tokio::test]
async fn a_clock_step_in_either_direction_ends_no_room_with_members() {
    let log = Log::listen();
    let Some(mut stage) = Stage::new().await else { return };
    let day = 24 * 3_600;
    // Each offset is relative to the true clock. The room outlives its last guest by only 30 s.
    for seconds in [200, 0, day, -day, 0] {
        stage.clock.set(seconds);
        // Longer than the interval in which a relay checks a shard.
        for _ in 0..5 {
            stage.talks(kept(20 * SECOND)).await;
            tokio::time::sleep(SECOND / 2).await;
        }
        assert_eq!(stage.store.door(&HERE).await.unwrap().epoch().value(), 0);
    }
    let lines = log.lines("the clock of the store was set");
    // One line per step, although 256 shards have noticed it.
    assert_eq!(lines.len(), 5, "{lines:#?}");
    for (line, direction) in lines.iter().zip(["forward by ", "back by ", "forward by "]) {
        let (_, by) = line.split_once(direction).unwrap();
        let by: f64 = by.split_whitespace().next().unwrap().parse().unwrap();
        let near = |seconds: i32| (by - f64::from(seconds)).abs() < 0.5;
        assert!(near(200) || near(86_400), "{line}");
    }
    stage.end().await;
}

#[tokio::test]
async fn a_room_goes_on_in_its_epoch_after_a_step() {
    let Some(mut stage) = Stage::new().await else { return };
    // Joins were voided, and the door is shut to others for 40 s.
    for _ in 0..3 {
        let join = entry(EntryKind::Join, 0, kept(20 * SECOND), &[4; 1_000]);
        let seq = stage.store.append(&HERE, join, Some(next(1))).await.unwrap();
        assert_eq!(told_entry(&mut stage.watch).await.seq, seq);
        stage.store.void(&HERE, seq, next(0)).await.unwrap();
        assert_eq!(told(&mut stage.watch).await, Watched::Voided { seq, epoch: Epoch::FIRST });
    }
    let same_door = |mark| NextEpoch { door: next(0).door, ..next(mark) };
    let commit = entry(EntryKind::Commit, 0, kept(20 * SECOND), &[2; 1_000]);
    let began = stage.store.append(&HERE, commit, Some(same_door(1))).await.unwrap();
    assert_eq!(told_entry(&mut stage.watch).await.seq, began);
    // Fetches the door, as members do to prove their membership.
    let before = stage.store.door(&HERE).await.unwrap();
    stage.clock.set(3_600);
    tokio::time::sleep(3 * SECOND).await;
    let after = stage.store.door(&HERE).await.unwrap();
    assert_eq!((after.epoch(), after.head), (before.epoch(), before.head));
    assert_eq!((after.owner, after.door, after.policy), (before.owner, before.door, before.policy));
    assert_eq!(after.group_info, before.group_info);
    assert_eq!(after.epochs.last(), before.epochs.last());
    assert!(after.shut < before.shut && !after.shut.is_zero(), "shut for {:?}", after.shut);
    let said = entry(EntryKind::Message, 1, kept(20 * SECOND), &[3; 1_000]);
    let seq = stage.store.append(&HERE, said, None).await.unwrap();
    assert_eq!(seq, began.next());
    assert_eq!(told_entry(&mut stage.watch).await.seq, seq);
    // The next voided join counts as the fourth.
    let join = entry(EntryKind::Join, 1, kept(20 * SECOND), &[4; 1_000]);
    let seq = stage.store.append(&HERE, join, Some(next(2))).await.unwrap();
    stage.store.void(&HERE, seq, same_door(1)).await.unwrap();
    assert!(stage.store.door(&HERE).await.unwrap().shut > 40 * SECOND);
    stage.end().await;
}

#[tokio::test]
async fn nothing_is_kept_for_longer_because_the_clock_was_set_back() {
    const LIFE: Duration = Duration::from_secs(4);
    let Some(mut stage) = Stage::new().await else { return };
    let before = stage.talks(kept(LIFE)).await;
    let since = Instant::now();
    stage.clock.set(-3_600);
    let after = stage.talks(kept(LIFE)).await;
    assert_eq!(stage.kept().await, [before.value(), after.value()]);
    tokio::time::sleep(LIFE.saturating_sub(since.elapsed())).await;
    assert!(!stage.kept().await.contains(&before.value()));
    tokio::time::sleep(LIFE).await;
    assert!(stage.kept().await.is_empty());
    // Erased, although by the server's own clock their keys are far from expiring.
    assert!(!stage.has_key(before) && !stage.has_key(after), "{:?}", stage.server.keys());
    // New entries have a time to live by the clock as it is now.
    let last = stage.talks(kept(LIFE)).await;
    let keys = stage.server.keys();
    let (_, left) =
        keys.iter().find(|(key, _)| key.ends_with(&format!(":{}", last.value()))).unwrap();
    assert!((1..=7_000).contains(left), "{left}");
    stage.end().await;
}

#[tokio::test]
async fn nothing_is_kept_for_longer_because_the_clock_was_set_forward() {
    const LIFE: Duration = Duration::from_secs(4);
    let Some(mut stage) = Stage::new().await else { return };
    stage.clock.set(3_600);
    let since = Instant::now();
    let seq = stage.talks(kept(LIFE)).await;
    tokio::time::sleep(3 * SECOND).await;
    let later = stage.talks(kept(LIFE)).await;
    assert!(stage.kept().await.contains(&later.value()));
    tokio::time::sleep((LIFE + SECOND).saturating_sub(since.elapsed())).await;
    assert_eq!(stage.kept().await, [later.value()]);
    assert!(!stage.has_key(seq));
    stage.end().await;
}

#[tokio::test]
async fn a_relay_that_starts_after_a_step_has_the_same_time() {
    let Some(mut stage) = Stage::new().await else { return };
    for seconds in [-3_600, 3_600] {
        stage.clock.set(seconds);
        tokio::time::sleep(3 * SECOND).await;
        let other = store(&stage.server).await;
        let mut watch = other.watch(&HERE).await.unwrap();
        let seq = stage.talks(kept(3 * SECOND)).await;
        assert_eq!(told_entry(&mut watch).await.seq, seq);
        other.touch(&HERE).await.unwrap();
        let page = other.read(&HERE, Seq::START, Seq::new(u64::MAX)).await.unwrap();
        let item = page.items.iter().find(|item| item.seq == seq).unwrap();
        assert!(item.age < 3_000, "{}", item.age);
        // A relay's reading of the server's clock may be late by up to 50 ms.
        tokio::time::sleep(3 * SECOND + SECOND / 10).await;
        let page = other.read(&HERE, Seq::START, Seq::new(u64::MAX)).await.unwrap();
        assert!(page.items.iter().all(|item| item.seq != seq));
        let said = say(&other, &HERE, Retention::Live, &[2; 1_000]).await.unwrap();
        assert_eq!(told_entry(&mut watch).await.seq, said);
    }
    stage.end().await;
}

#[tokio::test]
async fn a_room_that_its_owner_closes_is_not_brought_back_by_a_step() {
    let Some(stage) = Stage::new().await else { return };
    let Stage { clock, server, store, mut watch, stays, is_over } = stage;
    is_over.store(true, Ordering::Relaxed);
    stays.await.unwrap();
    clock.set(3_600);
    // The server has already expired the room.
    store.close(&HERE, CloseReason::Owner).await.unwrap();
    assert_eq!(told(&mut watch).await, Watched::Closed(CloseReason::Owner));
    assert_eq!(store.touch(&HERE).await, Err(StoreError::NoSuchRoom));
    assert_eq!(server.keys_of_rooms(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_by_a_guest_who_asks_while_another_relay_closes_it() {
    let Some(clock) = WallClock::new() else { return };
    let server = Server::start_in(clock.environment(), &[]);
    let (here, there) = (store(&server).await, store(&server).await);
    let rooms: Vec<_> = (0..40).map(|mark| RoomAddress::new([mark; 16])).collect();
    let mut watches = Vec::new();
    for room in &rooms {
        create(&here, room, policy(30 * SECOND)).await;
        watches.push(here.watch(room).await.unwrap());
        here.door(room).await.unwrap();
    }
    // The step makes rooms expire, and they are revived.
    clock.set(60);
    for room in &rooms {
        here.door(room).await.unwrap();
    }
    for (room, watch) in rooms.iter().zip(&mut watches) {
        let asks = || async { while here.door(room).await.is_ok() {} };
        let guests = join_all((0..8).map(|_| asks()));
        let (closed, _) = tokio::join!(there.close(room, CloseReason::Owner), guests);
        assert_eq!(closed, Ok(()));
        assert_eq!(told(watch).await, Watched::Closed(CloseReason::Owner));
        assert_eq!(there.door(room).await.map(|_| ()), Err(StoreError::NoSuchRoom));
    }
    assert_eq!(server.keys_of_rooms(), [""; 0]);
}

#[tokio::test]
async fn a_room_comes_back_also_when_memory_is_full() {
    let Some(stage) = Stage::new().await else { return };
    // Makes the variation in buffer sizes negligible.
    let _: u64 = stage.server.ask(&["SETRANGE", "ballast", "16000000", "0"]);
    let used: String = stage.server.ask(&["INFO", "memory"]);
    let used = used.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    let most = used.trim().parse::<u64>().unwrap() * 100 / 105;
    let () = stage.server.ask(&["CONFIG", "SET", "maxmemory", &most.to_string()]);
    stage.clock.set(3_600);
    tokio::time::sleep(3 * SECOND).await;
    assert_eq!(stage.store.door(&HERE).await.unwrap().epoch(), Epoch::FIRST);
    stage.end().await;
}
