//! Contract 20: joins that a member of the epoch before takes back.

use std::time::Duration;

use super::{
    StoreFactory,
    kit::{Case, INSTANT, SECOND, hash, kept, next, policy, told, told_entry},
};
use crate::{
    id::{Epoch, Seq},
    retention::Retention,
    store::{SETTLES, StoreError, Watched},
    testing::parallel::on_threads,
    wire::NextEpoch,
};

fn long() -> Retention {
    kept(60 * SECOND)
}

fn stale(current: u64) -> Result<(), StoreError> {
    Err(StoreError::StaleEpoch { current: Epoch::new(current) })
}

/// The epochs of the door's history, each with whether it is settled.
async fn settled(case: &Case) -> Vec<(u64, bool)> {
    let epochs = case.door().await.epochs;
    epochs.iter().map(|record| (record.epoch.value(), record.settled)).collect()
}

/// Contract 20: hashes come from the records, the group information from the member.
pub async fn contract_20_a_join_is_taken_back_with_what_followed(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let first = case.commit(0, long()).await;
    let join = case.join(1, long()).await;
    case.say(2, long(), 1).await;
    // Brings another door hash, which goes with it.
    let after = case.commit(2, long()).await;
    case.say(3, Retention::Live, 2).await;
    assert_eq!(case.door().await.door, hash(0x83));
    let mut watch = case.watch().await;
    factory.pass(SETTLES).await;
    assert_eq!(case.take_back(join, 1, 0x41).await, Ok(()));

    let epoch = Epoch::new(1);
    assert_eq!(told(&mut watch).await, Watched::Voided { seq: join, epoch });
    let door = case.door().await;
    assert_eq!((door.epoch(), door.head), (epoch, after.next()));
    assert_eq!((door.door, door.group_info), (hash(0x81), next(0x41).group_info));
    let known: Vec<_> =
        door.epochs.iter().map(|record| (record.member, record.door, record.began)).collect();
    assert_eq!(known, [(hash(0), hash(0x80), Seq::START), (hash(1), hash(0x81), first)]);
    assert_eq!(case.places().await, [first.value()]);

    // The room goes on in the restored epoch, and nothing of it can be taken back twice.
    assert_eq!(case.take_back(join, 1, 0x41).await, stale(1));
    let seq = case.say(1, long(), 3).await;
    assert_eq!(told_entry(&mut watch).await.seq, seq);
    assert_eq!(case.commit(1, long()).await, seq.next());
}

/// Contract 20.
pub async fn contract_20_a_join_is_not_taken_back_too_early(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let join = case.join(0, long()).await;
    let before = case.door().await;
    let Err(StoreError::TooEarly { mut wait }) = case.take_back(join, 0, 0x41).await else {
        // On a slow machine it may be old enough.
        assert!(!factory.is_exact(), "a join was taken back at once");
        return;
    };
    assert!(!wait.is_zero() && wait <= SETTLES, "to wait for {wait:?}");
    if factory.is_exact() {
        assert_eq!(wait, SETTLES);
        factory.pass(SETTLES - INSTANT).await;
        wait = INSTANT;
        assert_eq!(case.take_back(join, 0, 0x41).await, Err(StoreError::TooEarly { wait }));
        assert_eq!(case.door().await, before);
        assert_eq!(case.places().await, [join.value()]);
    }
    factory.pass(wait).await;
    assert_eq!(case.take_back(join, 0, 0x41).await, Ok(()));
    assert!(case.places().await.is_empty());
}

/// Contract 20: whatever its age.
pub async fn contract_20_a_settled_join_stays(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let join = case.join(0, long()).await;
    let before = case.door().await;
    let mut watch = case.watch().await;
    assert_eq!(settled(&case).await, [(0, true), (1, false)]);
    for _ in 0..2 {
        assert_eq!(case.settle(join).await, Ok(()));
        assert_eq!(settled(&case).await, [(0, true), (1, true)]);
        assert_eq!(case.take_back(join, 0, 0x41).await, Err(StoreError::Settled));
    }
    factory.pass(SETTLES).await;
    assert_eq!(case.take_back(join, 0, 0x41).await, Err(StoreError::Settled));
    // Nothing else has changed, and nothing was told.
    let mut door = case.door().await;
    for record in door.epochs.iter_mut().filter(|record| record.began == join) {
        record.settled = false;
    }
    assert_eq!(door, before);
    assert_eq!(case.places().await, [join.value()]);
    let seq = case.say(1, long(), 1).await;
    assert_eq!(told_entry(&mut watch).await.seq, seq);
    // The owner can take it back all the same.
    assert_eq!(case.void(join, next(0)).await, Ok(()));
    assert_eq!(settled(&case).await, [(0, true)]);
}

/// Contract 20.
pub async fn contract_20_only_joins_are_taken_back(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    case.say(0, long(), 1).await;
    let first = case.commit(0, long()).await;
    let last = case.commit(1, long()).await;
    assert_eq!(settled(&case).await, [(0, true), (1, true), (2, true)]);
    let before = case.door().await;
    factory.pass(SETTLES).await;
    assert_eq!(case.take_back(first, 0, 0x41).await, stale(2));
    assert_eq!(case.take_back(last, 1, 0x41).await, stale(2));
    for seq in [0, 1, 9] {
        assert_eq!(case.take_back(Seq::new(seq), 0, 0x41).await, stale(2));
    }
    // And where no join stands there is nothing to settle.
    for seq in [0, 1, 2, 3, 9] {
        assert_eq!(case.settle(Seq::new(seq)).await, Ok(()));
    }
    assert_eq!(case.door().await, before);
    assert_eq!(case.places().await, [1, 2, 3]);
}

/// Contract 20: by the member hash of the epoch before and by no other, and that is asked first.
pub async fn contract_20_only_by_the_epoch_before_it(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let first = case.commit(0, long()).await;
    let join = case.join(1, long()).await;
    let another = case.join(2, long()).await;
    let before = case.door().await;
    for age in [Duration::ZERO, SETTLES] {
        factory.pass(age).await;
        for mark in [0, 2, 3, 0x81, 0xFF] {
            assert_eq!(case.take_back(join, mark, 0x41).await, stale(3));
        }
        assert_eq!(case.take_back(another, 1, 0x41).await, stale(3));
        assert_eq!(case.take_back(first, 0, 0x41).await, stale(3));
    }
    assert_eq!(case.door().await, before);
    assert_eq!(case.take_back(join, 1, 0x41).await, Ok(()));
    assert_eq!(case.places().await, [first.value()]);
}

/// Contract 20.
pub async fn contract_20_each_join_is_settled_by_itself(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let first = case.join(0, long()).await;
    let second = case.join(1, long()).await;
    let third = case.join(2, long()).await;
    assert_eq!(settled(&case).await, [(0, true), (1, false), (2, false), (3, false)]);
    // Also of an epoch that has ended.
    assert_eq!(case.settle(first).await, Ok(()));
    assert_eq!(case.settle(third).await, Ok(()));
    assert_eq!(settled(&case).await, [(0, true), (1, true), (2, false), (3, true)]);
    factory.pass(SETTLES).await;
    assert_eq!(case.take_back(first, 0, 0x41).await, Err(StoreError::Settled));
    assert_eq!(case.take_back(third, 2, 0x41).await, Err(StoreError::Settled));
    // A later one that is settled goes with it, and an earlier one is as settled as it was.
    assert_eq!(case.take_back(second, 1, 0x41).await, Ok(()));
    assert_eq!(settled(&case).await, [(0, true), (1, true)]);
    assert_eq!(case.take_back(first, 0, 0x41).await, Err(StoreError::Settled));
    assert_eq!(case.places().await, [first.value()]);
}

/// Contract 20: beside what the owner takes back.
pub async fn contract_20_a_restored_epoch_is_as_settled_as_before(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let join = case.join(0, long()).await;
    let commit = case.commit(1, long()).await;
    assert_eq!(case.void(commit, next(1)).await, Ok(()));
    assert_eq!(settled(&case).await, [(0, true), (1, false)]);
    // What the owner has restored is what the next one finds recorded.
    let again = case.join(1, long()).await;
    assert_eq!(case.void(again, next(0x42)).await, Ok(()));
    let again = case.join(1, long()).await;
    factory.pass(SETTLES).await;
    assert_eq!(case.take_back(again, 1, 0x43).await, stale(2));
    assert_eq!(case.take_back(again, 0x42, 0x43).await, Ok(()));
    let NextEpoch { member, door, .. } = next(0x42);
    let restored = case.door().await;
    let current = restored.epochs.last().map(|record| (record.member, record.door));
    assert_eq!((current, restored.door), (Some((member, door)), door));
    assert_eq!(restored.group_info, next(0x43).group_info);
    assert_eq!(case.take_back(join, 0, 0x41).await, Ok(()));
    assert_eq!(settled(&case).await, [(0, true)]);
    assert!(case.places().await.is_empty());
}

/// Contract 20: as long as the entry is kept, and not longer.
pub async fn contract_20_a_join_that_is_over_is_not_taken_back(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    case.join(0, kept(SETTLES)).await;
    let live = case.join(1, Retention::Live).await;
    factory.pass(SETTLES).await;
    assert_eq!(case.take_back(Seq::new(1), 0, 0x41).await, stale(2));
    assert_eq!(case.take_back(live, 1, 0x41).await, stale(2));
    assert_eq!(case.known().await, [2]);
    assert_eq!(settled(&case).await, [(2, false)]);
    assert_eq!(case.settle(live).await, Ok(()));
    assert_eq!(settled(&case).await, [(2, true)]);
}

/// Contract 20: as long as the epoch that it began is in the door's history.
pub async fn contract_20_a_forgotten_epoch_counts_as_settled(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let join = case.join(0, long()).await;
    case.commit(1, kept(SECOND)).await;
    case.commit(2, long()).await;
    factory.pass(SETTLES).await;
    assert_eq!(settled(&case).await, [(0, true), (2, true), (3, true)]);
    assert_eq!(case.take_back(join, 0, 0x41).await, Err(StoreError::Settled));
    assert_eq!(case.places().await, [1, 3]);
}

/// Contract 20 and 16.
pub async fn contract_20_of_many_that_take_a_join_back_one_does(factory: &dyn StoreFactory) {
    let store = factory.store().await;
    let mut rooms = Vec::new();
    for _ in 0..20 {
        let case = Case::on(store.clone(), policy()).await;
        let join = case.join(0, long()).await;
        rooms.push((case, join));
    }
    factory.pass(SETTLES).await;
    for (case, join) in rooms {
        let attempts = (0..8).map(|_| {
            let case = case.clone();
            async move { case.take_back(join, 0, 0x41).await }
        });
        let outcomes = on_threads(attempts).await;
        let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        let lost = outcomes.iter().filter(|&outcome| *outcome == stale(0)).count();
        assert_eq!((won, lost), (1, 7));
        assert_eq!(case.known().await, [0]);
    }
}
