//! Contract 1 to 3 and 12: room creation, the compare-and-set of commits, and what a new epoch
//! changes.

use std::sync::Arc;

use futures_util::future::join_all;

use super::{
    StoreFactory,
    kit::{
        Case, SECOND, commit, entry, genesis, hash, kept, message, next, policy, random_address,
    },
};
use crate::{
    id::{Epoch, Seq},
    retention::Retention,
    store::{MAX_EPOCHS, StoreError},
    testing::parallel::on_threads,
    wire::EntryKind,
};

/// Contract 1.
pub async fn contract_01_of_many_creators_one_succeeds(factory: &dyn StoreFactory) {
    let store = factory.store().await;
    let address = random_address();
    let attempts = (0..8).map(|_| store.create(&address, genesis(policy())));
    assert_one_created(&join_all(attempts).await);
}

/// Contract 1.
pub async fn contract_01_of_many_creators_on_threads_one_succeeds(factory: &dyn StoreFactory) {
    let store = factory.store().await;
    for _ in 0..20 {
        let address = random_address();
        let attempts = (0..8).map(|_| {
            let store = Arc::clone(&store);
            async move { store.create(&address, genesis(policy())).await }
        });
        assert_one_created(&on_threads(attempts).await);
    }
}

fn assert_one_created(outcomes: &[Result<(), StoreError>]) {
    let created = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let refused = outcomes.iter().filter(|&outcome| *outcome == Err(StoreError::AddressInUse));
    assert_eq!((created, refused.count()), (1, 7));
}

/// Contract 1.
pub async fn contract_01_an_address_in_use_is_refused_and_nothing_changes(
    factory: &dyn StoreFactory,
) {
    let case = Case::new(factory).await;
    case.say(0, kept(30 * SECOND), 1).await;
    let before = case.door().await;
    let mut other = genesis(policy());
    other.owner = hash(0xAA);
    other.first = next(9);
    let outcome = case.store.create(&case.address, other).await;
    assert_eq!(outcome, Err(StoreError::AddressInUse));
    assert_eq!(case.door().await, before);
    assert_eq!(case.places().await, [1]);
}

/// Contract 2.
pub async fn contract_02_of_many_commits_to_one_epoch_one_succeeds(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let attempts = (1..9).map(|mark| case.append(commit(0, kept(30 * SECOND)), Some(next(mark))));
    let outcomes = join_all(attempts).await;
    assert_one_committed(&case, &outcomes).await;
}

/// Contract 2.
pub async fn contract_02_of_many_commits_on_threads_one_succeeds(factory: &dyn StoreFactory) {
    let store = factory.store().await;
    for _ in 0..20 {
        let case = Case::on(Arc::clone(&store), policy()).await;
        let attempts = (1..9).map(|mark| {
            let case = case.clone();
            async move { case.append(commit(0, kept(30 * SECOND)), Some(next(mark))).await }
        });
        assert_one_committed(&case, &on_threads(attempts).await).await;
    }
}

async fn assert_one_committed(case: &Case, outcomes: &[Result<Seq, StoreError>]) {
    let won: Vec<usize> = (0..8).filter(|&i| matches!(outcomes.get(i), Some(Ok(_)))).collect();
    let stale = StoreError::StaleEpoch { current: Epoch::new(1) };
    let lost = outcomes.iter().filter(|&outcome| *outcome == Err(stale.clone()));
    assert_eq!((won.len(), lost.count()), (1, 7));
    let mark = won.first().map_or(0, |&i| u8::try_from(i + 1).unwrap_or(0));
    let door = case.door().await;
    assert_eq!(door.group_info, next(mark).group_info);
    assert_eq!(case.places().await, [1]);
}

/// Contract 2.
pub async fn contract_02_an_entry_for_another_epoch_is_stale_and_changes_nothing(
    factory: &dyn StoreFactory,
) {
    let case = Case::new(factory).await;
    case.commit(0, kept(30 * SECOND)).await;
    let before = case.door().await;
    let stale = Err(StoreError::StaleEpoch { current: Epoch::new(1) });
    let mut watch = case.watch().await;
    for epoch in [0, 2] {
        let old = message(epoch, kept(30 * SECOND), 1);
        assert_eq!(case.append(old, None).await, stale);
        let live = message(epoch, Retention::Live, 1);
        assert_eq!(case.append(live, None).await, stale);
        let old = commit(epoch, kept(30 * SECOND));
        assert_eq!(case.append(old, Some(next(7))).await, stale);
    }
    assert_eq!(case.door().await, before);
    assert_eq!(case.places().await, [1]);
    // It was not delivered either: the next delivered entry is the next accepted one.
    let accepted = message(1, kept(30 * SECOND), 2);
    let seq = case.append(accepted.clone(), None).await;
    let item = super::kit::told_entry(&mut watch).await;
    assert_eq!((Ok(item.seq), item.entry), (seq, accepted));
}

/// Contract 3.
pub async fn contract_03_a_commit_moves_epoch_and_door_in_one_step(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let before = case.door().await;
    assert_eq!(before.epoch(), Epoch::FIRST);
    assert_eq!(before.head, Seq::START);
    assert_eq!((before.owner, before.policy), (hash(0xFF), policy()));
    for (kind, epoch) in [(EntryKind::Commit, 0), (EntryKind::Join, 1)] {
        let mark = epoch + 1;
        let moving = entry(kind, u64::from(epoch), kept(30 * SECOND), 5);
        let seq = case.append(moving, Some(next(mark))).await;
        let door = case.door().await;
        assert_eq!(seq, Ok(door.head));
        assert_eq!(door.epoch(), Epoch::new(u64::from(mark)));
        assert_eq!(door.door, next(mark).door);
        assert_eq!(door.group_info, next(mark).group_info);
        let current = door.epochs.last().copied();
        assert_eq!(current.map(|record| record.member), Some(next(mark).member));
        assert_eq!(current.map(|record| record.began), Some(door.head));
        assert_eq!((door.owner, door.policy), (before.owner, before.policy));
    }
}

/// Contract 3.
pub async fn contract_03_next_comes_with_commits_and_joins_only(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let before = case.door().await;
    for (kind, next) in
        [(EntryKind::Message, Some(next(1))), (EntryKind::Commit, None), (EntryKind::Join, None)]
    {
        let wrong = entry(kind, 0, kept(30 * SECOND), 1);
        assert_eq!(case.append(wrong, next).await, Err(StoreError::Mismatched));
    }
    assert_eq!(case.door().await, before);
    assert!(case.places().await.is_empty());
}

/// Contract 12.
pub async fn contract_12_past_epochs_are_known_as_long_as_their_end_is_kept(
    factory: &dyn StoreFactory,
) {
    let case = Case::new(factory).await;
    let first = case.commit(0, kept(SECOND)).await;
    let second = case.commit(1, kept(30 * SECOND)).await;
    let epochs = case.door().await.epochs;
    let known: Vec<_> =
        epochs.iter().map(|record| (record.epoch.value(), record.member, record.began)).collect();
    let expected = [(0, hash(0), Seq::START), (1, hash(1), first), (2, hash(2), second)];
    // A slow store may already have forgotten the first epoch.
    assert!(known == expected || (!factory.is_exact() && known == expected[1..]));
    if factory.is_exact() {
        factory.pass(SECOND - super::kit::INSTANT).await;
        assert_eq!(case.door().await.epochs.len(), 3);
        factory.pass(super::kit::INSTANT).await;
    } else {
        factory.pass(SECOND).await;
    }
    let known: Vec<_> = case.door().await.epochs;
    let known: Vec<_> = known.iter().map(|record| record.epoch.value()).collect();
    assert_eq!(known, [1, 2]);
}

/// Contract 12: also when the entry that began it has expired, or was never kept.
pub async fn contract_12_the_current_epoch_stays_known(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    case.commit(0, kept(SECOND)).await;
    factory.pass(2 * SECOND).await;
    let known = case.door().await.epochs;
    let known: Vec<_> = known.iter().map(|record| (record.epoch.value(), record.member)).collect();
    assert_eq!(known, [(1, hash(1))]);
    case.commit(1, Retention::Live).await;
    let known = case.door().await.epochs;
    let known: Vec<_> = known.iter().map(|record| (record.epoch.value(), record.member)).collect();
    assert_eq!(known, [(2, hash(2))]);
}

/// Contract 12.
pub async fn contract_12_the_last_epochs_are_known_and_no_more(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let long = kept(600 * SECOND);
    let last = u64::try_from(MAX_EPOCHS).unwrap_or(u64::MAX) + 1;
    for epoch in 0..last {
        case.commit(epoch, long).await;
    }
    assert_eq!(case.known().await, (2..=last).collect::<Vec<_>>());
    // A forgotten epoch cannot be restored; the earliest known one can.
    let stale = StoreError::StaleEpoch { current: Epoch::new(last) };
    assert_eq!(case.void(Seq::new(2), next(1)).await, Err(stale));
    assert_eq!(case.void(Seq::new(3), next(2)).await, Ok(()));
    assert_eq!(case.known().await, [2]);
}
