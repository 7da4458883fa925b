//! Contract 11: taking back a commit.

use super::{
    StoreFactory,
    kit::{Case, SECOND, hash, kept, message, next, told, told_entry},
};
use crate::{
    id::{Epoch, Seq},
    retention::Retention,
    store::{StoreError, Watched},
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
    let voided = case.store.void(&case.address, second, restored).await;
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

    // The room goes on in the restored epoch, and only in that one.
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
    assert_eq!(case.store.void(&case.address, seq, next(0)).await, Ok(()));
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
    let void = |seq| case.store.void(&case.address, Seq::new(seq), next(0));
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
    // One after the other, each can be taken back while it is the last.
    assert_eq!(void(3).await, Ok(()));
    assert_eq!(void(3).await, stale(1));
    assert_eq!(void(2).await, Ok(()));
    assert_eq!(case.door().await.epoch(), Epoch::FIRST);
    assert_eq!(case.places().await, [1]);
}
