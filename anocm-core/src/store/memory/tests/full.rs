//! A store that is out of memory.

use super::*;
use crate::store::{SETTLES, TakeBack};

#[tokio::test]
async fn a_full_store_refuses_rooms_and_entries_until_space_returns() {
    let clock = Arc::new(ManualClock::new());
    let limits = MemoryLimits { max_rooms: 3, max_bytes: 20_000 };
    let store = MemoryStore::new(clock.clone(), limits).unwrap();
    store.create(&address(1), genesis()).await.unwrap();
    let here = address(1);
    let append = || store.append(&here, message(kept(1_000)), None);
    // Nine tenths are for messages, and a single room gets half of those.
    let taken = 9_000 - (PER_ROOM + 1_000);
    for n in 1..=taken / (PER_ENTRY + 1_000) + 1 {
        assert_eq!(append().await, Ok(Seq::new(n.try_into().unwrap())));
    }
    assert_eq!(append().await, Err(StoreError::Full));
    let create = |n, size| {
        let first = next(size);
        let store = &store;
        async move { store.create(&address(n), Genesis { first, ..genesis() }).await }
    };
    let full = Err(StoreError::Full);
    assert_eq!(create(2, 16_000).await, full);
    assert_eq!(create(2, 4_000).await, Ok(()));
    assert_eq!(create(3, 4_000).await, full);
    let commit = Entry { kind: EntryKind::Commit, ..message(Retention::Live) };
    let grown = store.append(&address(1), commit, Some(next(16_000))).await;
    assert_eq!(grown, Err(StoreError::Full));

    clock.advance(Duration::from_secs(1));
    assert!(append().await.is_ok());
    assert_eq!(create(3, 4_000).await, Ok(()));
    assert_eq!(create(4, 1_000).await, full);
}

#[tokio::test]
async fn a_member_can_be_removed_while_the_store_is_full() {
    let limits = MemoryLimits { max_rooms: 9, max_bytes: 400_000 };
    let store = MemoryStore::new(Arc::new(ManualClock::new()), limits).unwrap();
    for n in [1, 2] {
        store.create(&address(n), genesis()).await.unwrap();
    }
    // Nearly all of the 360,000 bytes outside the reserve.
    let hoard = Genesis { first: next(354_000), ..genesis() };
    store.create(&address(3), hoard).await.unwrap();
    assert_eq!(store.create(&address(4), genesis()).await, Err(StoreError::Full));
    let said = store.append(&address(1), message(kept(60_000)), None).await;
    assert_eq!(said, Err(StoreError::Full));
    assert_eq!(store.append(&address(1), message(Retention::Live), None).await, Ok(Seq::new(1)));

    // The room that fills the store may draw no more than its share of the reserve.
    let mut epoch = 0;
    while let commit = begins_epoch(EntryKind::Commit, epoch)
        && store.append(&address(3), commit, Some(next(354_000))).await.is_ok()
    {
        epoch += 1;
    }
    assert_eq!(epoch, 13);
    for n in [1, 2] {
        let commit = begins_epoch(EntryKind::Commit, 0);
        let seq = store.append(&address(n), commit, Some(next(4_000))).await.unwrap();
        assert_eq!(store.void(&address(n), seq, next(4_000)).await, Ok(()));
    }
    assert_eq!(
        store.append(&address(2), begins_epoch(EntryKind::Join, 0), Some(next(1_000))).await,
        Ok(Seq::new(2))
    );
}

#[tokio::test]
async fn what_was_before_a_join_is_restored_also_when_the_reserve_is_taken() {
    let clock = Arc::new(ManualClock::new());
    let limits = MemoryLimits { max_rooms: 9, max_bytes: 400_000 };
    let store = MemoryStore::new(clock.clone(), limits).unwrap();
    let here = address(1);
    store.create(&here, Genesis { first: next(60_000), ..genesis() }).await.unwrap();
    let before = store.status().memory.unwrap().used;
    // The door is made smaller twice, which would leave space for other rooms.
    for (kind, epoch, size) in [(EntryKind::Join, 0, 1_000), (EntryKind::Commit, 1, 2_000)] {
        store.append(&here, begins_epoch(kind, epoch), Some(next(size))).await.unwrap();
    }
    store.create(&address(3), Genesis { first: next(290_000), ..genesis() }).await.unwrap();
    for epoch in 0..13 {
        let _ = store
            .append(&address(3), begins_epoch(EntryKind::Commit, epoch), Some(next(290_000)))
            .await;
    }
    clock.advance(SETTLES);
    let take_back = |size| {
        let group_info = next(size).group_info;
        store.take_back(&here, Seq::new(1), TakeBack { member: next(0).member, group_info })
    };
    assert_eq!(take_back(120_000).await, Err(StoreError::Full));
    assert_eq!(take_back(60_000).await, Ok(()));
    let restored = store.door(&here).await.unwrap();
    assert_eq!((restored.epoch(), restored.group_info.len()), (Epoch::FIRST, 60_000));

    // The reserved space is released with time.
    store.close(&address(3), CloseReason::Owner).await.unwrap();
    assert_eq!(store.status().memory.unwrap().used, before);
    store.append(&here, begins_epoch(EntryKind::Commit, 0), Some(next(1_000))).await.unwrap();
    assert!(store.status().memory.unwrap().used > before);
    store.touch(&here).await.unwrap();
    for _ in 0..2 {
        assert!(store.status().memory.unwrap().used >= before);
        clock.advance(MINUTE - Duration::from_millis(1));
        store.touch(&here).await.unwrap();
    }
    clock.advance(Duration::from_millis(2));
    store.touch(&here).await.unwrap();
    assert_eq!(store.status().memory.unwrap().used, before - 59_000);
}

#[tokio::test]
async fn what_was_replaced_pays_for_no_entry() {
    let limits = MemoryLimits { max_rooms: 9, max_bytes: 100_000 };
    let store = MemoryStore::new(Arc::new(ManualClock::new()), limits).unwrap();
    let genesis = genesis();
    let policy = Policy { max_entries: 1_000, max_bytes: 10_000_000, ..genesis.policy };
    let large = Genesis { policy, first: next(60_000), ..genesis };
    store.create(&address(1), large).await.unwrap();
    let mut epochs = 0..1_000;
    let refused = loop {
        let commit = begins_epoch(EntryKind::Commit, epochs.next().unwrap());
        let appended = store.append(&address(1), commit, Some(next(1_000))).await;
        let memory = store.status().memory.unwrap();
        assert!(memory.used <= 100_000, "{memory:?}");
        if let Err(error) = appended {
            break error;
        }
    };
    assert_eq!(refused, StoreError::Full);
}
