//! Contract 20 and 21: joins that members of the previous epoch take back, and the door afterwards.

use std::time::Duration;

use super::{
    StoreFactory,
    kit::{Case, INSTANT, SECOND, entry, hash, kept, next, policy, soon, told},
};
use crate::{
    id::{Epoch, Seq},
    store::{MAX_EPOCHS, SETTLES, SHUT_FIRST, StoreError, TakeBack, Watched},
    wire::{EntryKind, NextEpoch},
};

/// Appends a join that must be accepted.
async fn join(case: &Case, epoch: u64, next: NextEpoch) -> Seq {
    match case.append(entry(EntryKind::Join, epoch, kept(60 * SECOND), 1), Some(next)).await {
        Ok(seq) => seq,
        Err(error) => panic!("a join was refused: {error}"),
    }
}

/// Takes a join back as a member that has presented the token whose hash has this mark.
async fn take_back(case: &Case, seq: Seq, mark: u8) -> Result<(), StoreError> {
    let by = TakeBack { member: hash(mark), group_info: next(0x41).group_info };
    soon(case.store.take_back(&case.address, seq, by)).await
}

/// Contract 20.
pub async fn contract_20_an_unsettled_join_is_taken_back_when_it_is_old_enough(
    factory: &dyn StoreFactory,
) {
    let case = Case::new(factory).await;
    let seq = join(&case, 0, next(1)).await;
    let said = case.say(1, kept(60 * SECOND), 2).await;
    let committed = case.commit(1, kept(60 * SECOND)).await;
    let mut watch = case.watch().await;
    let settled: Vec<_> = case.door().await.epochs.iter().map(|record| record.settled).collect();
    assert_eq!(settled, [true, false, true]);

    match take_back(&case, seq, 0).await {
        Err(StoreError::TooEarly { wait }) => assert!(!wait.is_zero() && wait <= SETTLES),
        // A slow store may have taken that long before.
        outcome => return assert!(outcome == Ok(()) && !factory.is_exact(), "taken back at once"),
    }
    if factory.is_exact() {
        factory.pass(SETTLES - INSTANT).await;
        let early = Err(StoreError::TooEarly { wait: INSTANT });
        assert_eq!(take_back(&case, seq, 0).await, early);
        factory.pass(INSTANT).await;
    } else {
        factory.pass(SETTLES).await;
    }
    // Not with another member's hash, and no other entry than the join.
    let stale = Err(StoreError::StaleEpoch { current: Epoch::new(2) });
    for (seq, mark) in [(seq, 1), (seq, 2), (said, 0), (said, 1), (committed, 1), (committed, 0)] {
        assert_eq!(take_back(&case, seq, mark).await, stale);
    }
    assert_eq!(take_back(&case, seq, 0).await, Ok(()));
    assert_eq!(told(&mut watch).await, Watched::Voided { seq, epoch: Epoch::FIRST });
    let door = case.door().await;
    let current = door.epochs.first().map(|record| (record.member, record.door, record.settled));
    assert_eq!(current, Some((hash(0), next(0).door, true)));
    assert_eq!((door.epochs.len(), door.door), (1, next(0).door));
    assert_eq!(door.group_info, next(0x41).group_info);
    assert!(!door.shut.is_zero(), "the door is open");
    assert!(case.places().await.is_empty());
}

/// Contract 12.
pub async fn contract_12_an_unsettled_join_is_not_displaced(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let seq = join(&case, 0, next(1)).await;
    let last = u64::try_from(MAX_EPOCHS).unwrap_or(u64::MAX) + 2;
    for epoch in 1..last {
        case.commit(epoch, kept(60 * SECOND)).await;
    }
    let known: Vec<_> = (0..last - 4).chain(last - 1..=last).collect();
    assert_eq!(case.known().await, known);
    factory.pass(SETTLES).await;
    assert_eq!(take_back(&case, seq, 0).await, Ok(()));
    assert_eq!(case.known().await, [0]);
}

/// Contract 20.
pub async fn contract_20_a_settled_join_is_not_taken_back(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let seq = join(&case, 0, next(1)).await;
    for began in [Seq::START, seq.next(), seq, seq] {
        assert_eq!(soon(case.store.settle(&case.address, began)).await, Ok(()));
    }
    assert!(case.door().await.epochs.iter().all(|record| record.settled));
    factory.pass(SETTLES).await;
    let before = case.door().await;
    assert_eq!(take_back(&case, seq, 0).await, Err(StoreError::Settled));
    assert_eq!(case.door().await, before);
    // The owner can void any join.
    assert_eq!(case.void(seq, next(0)).await, Ok(()));
}

/// Contract 21.
pub async fn contract_21_each_voided_join_shuts_the_door_for_longer(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let committed = case.commit(0, kept(60 * SECOND)).await;
    assert_eq!(case.void(committed, next(0)).await, Ok(()));
    assert_eq!(case.door().await.shut, Duration::ZERO);
    for times in [1, 2, 4] {
        let seq = join(&case, 0, next(1)).await;
        assert_eq!(case.void(seq, next(0)).await, Ok(()));
        let shut = case.door().await.shut;
        assert!(shut <= SHUT_FIRST * times && !shut.is_zero());
        assert!(shut == SHUT_FIRST * times || !factory.is_exact());
        // On a slow store, the remaining time is still longer than the first shut.
        assert!(times < 4 || shut > SHUT_FIRST, "not for longer");
    }
    if factory.is_exact() {
        factory.pass(SHUT_FIRST * 4 - INSTANT).await;
        assert_eq!(case.door().await.shut, INSTANT);
        factory.pass(INSTANT).await;
        assert_eq!(case.door().await.shut, Duration::ZERO);
    }
}

/// Contract 21.
pub async fn contract_21_another_door_is_not_shut(factory: &dyn StoreFactory) {
    let case = Case::with(factory, policy()).await;
    for _ in 0..2 {
        let seq = join(&case, 0, next(1)).await;
        assert_eq!(case.void(seq, next(0)).await, Ok(()));
    }
    assert!(!case.door().await.shut.is_zero());
    // A commit replaces the invite.
    let replaced = case.commit(0, kept(60 * SECOND)).await;
    assert_eq!(case.door().await.shut, Duration::ZERO);
    let seq = join(&case, 1, next(2)).await;
    assert_eq!(case.void(seq, next(1)).await, Ok(()));
    assert!(seq > replaced);
    assert!(case.door().await.shut <= SHUT_FIRST, "another door begins anew");
}
