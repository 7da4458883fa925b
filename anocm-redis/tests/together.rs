//! Tests of two relays that share rooms.

mod common;

use std::sync::Arc;

use anocm_core::{
    Epoch, RoomAddress, Seq,
    store::{SETTLES, Store as _, StoreError, TakeBack, Watch, Watched},
    wire::{CloseReason, EntryKind},
};
use anocm_redis::RedisStore;
use common::{
    Server,
    rooms::{SECOND, address, create, entry, kept, next, policy, store, told, told_entry},
};
use futures_util::future::join_all;

async fn pair() -> (Server, [Arc<RedisStore>; 2], RoomAddress) {
    let server = Server::start(&[]);
    let stores = [store(&server).await, store(&server).await];
    let here = address(7);
    create(&stores[0], &here, policy(60 * SECOND)).await;
    (server, stores, here)
}

/// Receives `count` entries in order, each as its number and the start of its bytes. A watch that lags
/// on a busy machine is notified, and the log is read.
#[expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]
async fn hears_all(
    store: Arc<RedisStore>,
    here: RoomAddress,
    mut watch: Watch,
    count: u64,
) -> Vec<(Seq, Vec<u8>)> {
    let mut heard = Vec::new();
    let mut last = Seq::START;
    while last < Seq::new(count) {
        let mut items = Vec::new();
        match told(&mut watch).await {
            Watched::Entry(item) => items.push(item),
            Watched::Lagged => {
                let (mut reaches, mut more) = (last, true);
                while more {
                    let page = store.read(&here, reaches, Seq::new(u64::MAX)).await.unwrap();
                    (reaches, more) = (page.reaches, page.more);
                    items.extend(page.items);
                }
            }
            other => panic!("nothing of the kind happened: {other:?}"),
        }
        items.retain(|item| item.seq > last);
        for item in items {
            assert_eq!(item.seq, last.next(), "missed without a word");
            last = item.seq;
            heard.push((item.seq, item.entry.sealed[..9].to_vec()));
        }
    }
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_both_say_at_full_speed_has_one_order() {
    const EACH: u64 = 3_000;
    let (_server, stores, here) = pair().await;
    let watches = [stores[0].watch(&here).await.unwrap(), stores[1].watch(&here).await.unwrap()];
    let says = stores.iter().enumerate().map(|(who, store)| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let mut places = Vec::new();
            for n in (0..EACH).step_by(20) {
                let said = (n..n + 20).map(|n| {
                    let mut sealed = vec![0; 1_000];
                    sealed[0] = u8::try_from(who).unwrap();
                    sealed[1..9].copy_from_slice(&n.to_be_bytes());
                    let said = entry(EntryKind::Message, 0, kept(60 * SECOND), &sealed);
                    store.append(&here, said, None)
                });
                places.extend(join_all(said).await.into_iter().map(|place| place.unwrap()));
            }
            places
        })
    });
    let says: Vec<_> = says.collect();
    let hears = stores
        .iter()
        .zip(watches)
        .map(|(store, watch)| tokio::spawn(hears_all(Arc::clone(store), here, watch, 2 * EACH)));
    let hears: Vec<_> = hears.collect();
    let mut places = Vec::new();
    for said in says {
        places.extend(said.await.unwrap());
    }
    places.sort_unstable();
    assert_eq!(places, (1..=2 * EACH).map(Seq::new).collect::<Vec<_>>());
    let mut all = Vec::new();
    for heard in hears {
        all.push(heard.await.unwrap());
    }
    let [first, second] = all.try_into().unwrap();
    assert_eq!(first, second);
    assert!(first.iter().map(|(seq, _)| *seq).eq(places));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_commits_to_one_epoch_exactly_one_wins() {
    let (_server, stores, here) = pair().await;
    let mut watch = stores[1].watch(&here).await.unwrap();
    for epoch in 0..200_u64 {
        let attempts = stores.iter().cycle().take(6).enumerate().map(|(who, store)| {
            let (store, mark) = (Arc::clone(store), u8::try_from(who).unwrap());
            tokio::spawn(async move {
                let commit = entry(EntryKind::Commit, epoch, kept(60 * SECOND), &[mark; 1_000]);
                store.append(&here, commit, Some(next(mark))).await
            })
        });
        let attempts: Vec<_> = attempts.collect();
        let mut outcomes = Vec::new();
        for attempt in attempts {
            outcomes.push(attempt.await.unwrap());
        }
        let won: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
        assert_eq!(won, [&Seq::new(epoch + 1)]);
        let current = Epoch::new(epoch + 1);
        let stale = Err(StoreError::StaleEpoch { current });
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == stale).count(), 5);
        // Every relay returns the door of the winning commit.
        let item = told_entry(&mut watch).await;
        for store in &stores {
            let door = store.door(&here).await.unwrap();
            assert_eq!((door.epoch(), door.group_info[0]), (current, item.entry.sealed[0]));
        }
    }
}

#[tokio::test]
async fn what_one_closes_ends_for_the_other() {
    let (_server, stores, here) = pair().await;
    let mut watch = stores[1].watch(&here).await.unwrap();
    stores[0].close(&here, CloseReason::Owner).await.unwrap();
    assert_eq!(told(&mut watch).await, Watched::Closed(CloseReason::Owner));
    assert!(matches!(stores[1].watch(&here).await, Err(StoreError::NoSuchRoom)));
    // The address is free for a new room, which contains nothing of the old one.
    create(&stores[1], &here, policy(60 * SECOND)).await;
    let mut watch = stores[0].watch(&here).await.unwrap();
    let said = entry(EntryKind::Message, 0, kept(60 * SECOND), &[1; 1_000]);
    stores[1].append(&here, said, None).await.unwrap();
    assert_eq!(told_entry(&mut watch).await.seq, Seq::new(1));
}

#[tokio::test]
async fn a_room_that_was_deleted_by_hand_ends_when_it_is_touched() {
    let (server, stores, here) = pair().await;
    let mut watch = stores[1].watch(&here).await.unwrap();
    let () = server.ask(&["FLUSHALL"]);
    assert_eq!(stores[1].touch(&here).await, Err(StoreError::NoSuchRoom));
    assert_eq!(told(&mut watch).await, Watched::Closed(CloseReason::Gone));
}

#[tokio::test]
async fn cursors_beyond_everything_are_answered_calmly() {
    let (_server, stores, here) = pair().await;
    for after in [1, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
        let page = stores[0].read(&here, Seq::new(after), Seq::new(u64::MAX)).await.unwrap();
        assert!(page.items.is_empty() && !page.more && page.reaches == Seq::START, "{after}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_settles_or_shuts_the_other_sees() {
    let (_server, stores, here) = pair().await;
    let [one, other] = &stores;
    let mut watches = [one.watch(&here).await.unwrap(), other.watch(&here).await.unwrap()];
    let join = |epoch| entry(EntryKind::Join, epoch, kept(60 * SECOND), &[1; 1_000]);
    let first = one.append(&here, join(0), Some(next(1))).await.unwrap();
    // Each relay caches the door from now on.
    for store in &stores {
        assert!(!store.door(&here).await.unwrap().epochs.last().unwrap().settled);
    }
    other.settle(&here, first).await.unwrap();
    assert!(one.door(&here).await.unwrap().epochs.last().unwrap().settled);

    let second = one.append(&here, join(1), Some(next(2))).await.unwrap();
    let by = |mark: u8| TakeBack { member: next(mark).member, group_info: next(9).group_info };
    tokio::time::sleep(SETTLES + SECOND).await;
    assert_eq!(one.take_back(&here, first, by(0)).await, Err(StoreError::Settled));
    other.take_back(&here, second, by(1)).await.unwrap();
    let door = one.door(&here).await.unwrap();
    assert_eq!((door.epoch(), door.group_info), (Epoch::new(1), next(9).group_info));
    assert!(!door.shut.is_zero() && door.epochs.last().unwrap().settled);
    // The settle is not announced, and no watch sees a gap because of it.
    for watch in &mut watches {
        assert_eq!(told_entry(watch).await.seq, first);
        assert_eq!(told_entry(watch).await.seq, second);
        assert_eq!(told(watch).await, Watched::Voided { seq: second, epoch: Epoch::new(1) });
    }
}
