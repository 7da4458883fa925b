//! Contract 11 and 17: voiding a commit.

use super::{
    StoreFactory,
    kit::{Case, SECOND, commit, entry, hash, kept, message, next, told, told_entry},
};
use crate::{
    id::{Epoch, Seq},
    retention::Retention,
    store::{StoreError, Watched},
    wire::EntryKind,
};

/// Contract 11.
pub async fn contract_11_void_takes_back_the_last_commit_and_what_followed(
    factory: &dyn StoreFactory,
) {
    let case = Case::new(factory).await;
    let long = kept(30 * SECOND);
    case.say(0, long, 1).await;
    let first = case.commit(0, long).await;
    case.say(1, long, 2).await;
    let second = case.commit(1, long).await;
    case.say(2, long, 3).await;
    case.say(2, Retention::Live, 4).await;

    let mut watch = case.watch().await;
    let mut restored = next(1);
    restored.group_info = next(0x41).group_info;
    let voided = case.void(second, restored).await;
    assert_eq!(voided, Ok(()));

    let epoch = Epoch::new(1);
    let back = Watched::Voided { seq: second, epoch };
    assert_eq!(told(&mut watch).await, back);
    let door = case.door().await;
    assert_eq!((door.epoch(), door.head), (epoch, Seq::new(6)));
    assert_eq!((door.door, door.group_info), (hash(0x81), next(0x41).group_info));
    let known: Vec<_> = door.epochs.iter().map(|record| (record.member, record.began)).collect();
    assert_eq!(known, [(hash(0), Seq::START), (hash(1), first)]);
    assert_eq!(case.places().await, [1, 2, 3]);

    // The room continues in the restored epoch, and only in that one.
    let stale = Err(StoreError::StaleEpoch { current: epoch });
    assert_eq!(case.append(message(2, long, 5), None).await, stale);
    let seq = case.say(1, long, 6).await;
    assert_eq!(told_entry(&mut watch).await.seq, seq);
    assert_eq!(case.commit(1, long).await, seq.next());
    assert_eq!(case.door().await.epoch(), Epoch::new(2));
}

/// Contract 11.
pub async fn contract_11_commits_on_a_voided_one_go_with_it(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let long = kept(30 * SECOND);
    case.say(0, long, 1).await;
    let seq = case.commit(0, long).await;
    case.commit(1, long).await;
    case.say(2, long, 2).await;
    case.commit(2, long).await;
    let mut watch = case.watch().await;
    assert_eq!(case.void(seq, next(0)).await, Ok(()));
    let back = Watched::Voided { seq, epoch: Epoch::FIRST };
    assert_eq!(told(&mut watch).await, back);
    assert_eq!(case.door().await.epochs.len(), 1);
    assert_eq!(case.door().await.epoch(), Epoch::FIRST);
    assert_eq!(case.places().await, [1]);
    assert_eq!(case.say(0, long, 3).await, Seq::new(6));
}

/// Contract 11.
pub async fn contract_11_only_entries_that_began_an_epoch_can_be_voided(
    factory: &dyn StoreFactory,
) {
    let case = Case::new(factory).await;
    let long = kept(30 * SECOND);
    let void = |seq| case.void(Seq::new(seq), next(0));
    let stale = |current| Err(StoreError::StaleEpoch { current: Epoch::new(current) });
    case.say(0, long, 1).await;
    for seq in [0, 1, 2] {
        assert_eq!(void(seq).await, stale(0));
    }
    case.commit(0, long).await;
    case.commit(1, long).await;
    case.say(2, long, 2).await;
    let before = case.door().await;
    for seq in [0, 1, 4, 5] {
        assert_eq!(void(seq).await, stale(2));
    }
    assert_eq!(case.door().await, before);
    assert_eq!(case.places().await, [1, 2, 3, 4]);
    // One after the other, each can be voided while it is the last.
    assert_eq!(void(3).await, Ok(()));
    assert_eq!(void(3).await, stale(1));
    assert_eq!(void(2).await, Ok(()));
    assert_eq!(case.door().await.epoch(), Epoch::FIRST);
    assert_eq!(case.places().await, [1]);
}

/// Contract 11.
pub async fn contract_11_a_join_can_be_voided(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let long = kept(30 * SECOND);
    let join = entry(EntryKind::Join, 0, long, 1);
    let Ok(seq) = case.append(join, Some(next(1))).await else {
        panic!("a join was refused");
    };
    case.say(1, long, 2).await;
    let mut watch = case.watch().await;
    assert_eq!(case.void(seq, next(0)).await, Ok(()));
    assert_eq!(told(&mut watch).await, Watched::Voided { seq, epoch: Epoch::FIRST });
    assert_eq!(case.known().await, [0]);
    assert!(case.places().await.is_empty());
}

/// Contract 11: an epoch can be restored as long as it is in the door's history, also when a later
/// one no longer is.
pub async fn contract_11_a_forgotten_epoch_is_not_restored(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let long = kept(60 * SECOND);
    let first = case.commit(0, long).await;
    let short = case.commit(1, kept(SECOND)).await;
    let live = case.append(commit(2, Retention::Live), Some(next(3))).await;
    let last = case.commit(3, long).await;
    let stale = StoreError::StaleEpoch { current: Epoch::new(4) };
    assert_eq!(case.void(live.unwrap_or_default(), next(2)).await, Err(stale.clone()));
    factory.pass(SECOND).await;
    assert_eq!(case.known().await, [0, 3, 4]);
    assert_eq!(case.void(short, next(1)).await, Err(stale));
    assert_eq!(case.places().await, [1, 4]);
    assert_eq!(case.void(last, next(3)).await, Ok(()));
    assert_eq!(case.known().await, [0, 3]);
    assert_eq!(case.void(first, next(0)).await, Ok(()));
    assert_eq!(case.known().await, [0]);
    assert!(case.places().await.is_empty());
    assert_eq!(case.say(0, long, 1).await, Seq::new(5));
}

/// Contract 17.
pub async fn contract_17_a_restored_epoch_has_what_the_void_says(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let long = kept(30 * SECOND);
    case.commit(0, long).await;
    let seq = case.commit(1, long).await;
    assert_eq!(case.void(seq, next(0x41)).await, Ok(()));
    let door = case.door().await;
    let current = door.epochs.last().map(|record| (record.epoch, record.member, record.began));
    assert_eq!(current, Some((Epoch::new(1), hash(0x41), Seq::new(1))));
    assert_eq!((door.door, door.group_info), (next(0x41).door, next(0x41).group_info));
    // After it has ended, the history lists it by that hash, too.
    case.commit(1, long).await;
    let known: Vec<_> = case.door().await.epochs.iter().map(|record| record.member).collect();
    assert_eq!(known, [hash(0), hash(0x41), hash(2)]);
}

/// Contract 17.
pub async fn contract_17_a_restored_epoch_outlives_the_voided_entry(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let long = kept(60 * SECOND);
    let seq = case.commit(0, kept(SECOND)).await;
    if case.void(seq, next(0)).await.is_err() {
        // A slow store may already have forgotten the first epoch.
        assert!(!factory.is_exact());
        return;
    }
    factory.pass(SECOND).await;
    assert_eq!(case.known().await, [0]);
    assert_eq!(case.say(0, long, 1).await, Seq::new(2));
    let again = case.commit(0, long).await;
    factory.pass(SECOND).await;
    assert_eq!(case.known().await, [0, 1]);
    // The entry that ended it the second time is the one that can be voided.
    assert_eq!(case.void(again, next(0)).await, Ok(()));
    assert_eq!(case.known().await, [0]);
}
