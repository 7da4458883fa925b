//! Contract 10: at a bound the store refuses, and drops no entry.

use super::{
    StoreFactory,
    kit::{Case, SECOND, commit, kept, message, next, policy},
};
use crate::{id::Seq, retention::Retention, store::StoreError, wire::Policy};

/// Contract 10.
pub async fn contract_10_a_full_room_refuses_and_drops_nothing(factory: &dyn StoreFactory) {
    let long = kept(30 * SECOND);
    let few = Policy { max_entries: 3, ..policy() };
    let small = Policy { max_bytes: 3_500, ..policy() };
    for bounded in [few, small] {
        let case = Case::with(factory, bounded).await;
        for mark in 1..=3 {
            case.say(0, long, mark).await;
        }
        let before = case.door().await;
        let full = Err(StoreError::Full);
        assert_eq!(case.append(message(0, long, 4), None).await, full);
        assert_eq!(case.append(commit(0, long), Some(next(1))).await, full);
        assert_eq!(case.door().await, before);
        assert_eq!(case.places().await, [1, 2, 3]);
        // Live entries take no space.
        assert_eq!(case.say(0, Retention::Live, 5).await, Seq::new(4));
    }
}

/// Contract 10.
pub async fn contract_10_a_room_full_of_messages_takes_commits(factory: &dyn StoreFactory) {
    let long = kept(30 * SECOND);
    let few = Policy { max_entries: 10, ..policy() };
    let small = Policy { max_bytes: 10_000, ..policy() };
    for bounded in [few, small] {
        let case = Case::with(factory, bounded).await;
        for mark in 1..=9 {
            case.say(0, long, mark).await;
        }
        assert_eq!(case.append(message(0, long, 10), None).await, Err(StoreError::Full));
        let taken = case.append(commit(0, long), Some(next(1))).await;
        assert_eq!(taken, Ok(Seq::new(10)));
        let refused = case.append(commit(1, long), Some(next(2))).await;
        assert_eq!(refused, Err(StoreError::Full));
    }
}

/// Contract 10.
pub async fn contract_10_space_returns_on_a_void(factory: &dyn StoreFactory) {
    let long = kept(30 * SECOND);
    let few = Policy { max_entries: 4, ..policy() };
    let small = Policy { max_bytes: 4_500, ..policy() };
    for bounded in [few, small] {
        let case = Case::with(factory, bounded).await;
        case.say(0, long, 1).await;
        let seq = case.commit(0, long).await;
        case.say(1, long, 2).await;
        case.say(1, long, 3).await;
        assert_eq!(case.append(message(1, long, 4), None).await, Err(StoreError::Full));
        assert_eq!(case.void(seq, next(0)).await, Ok(()));
        for mark in 5..=7 {
            case.say(0, long, mark).await;
        }
        assert_eq!(case.append(message(0, long, 8), None).await, Err(StoreError::Full));
        assert_eq!(case.places().await, [1, 5, 6, 7]);
    }
}

/// Contract 10.
pub async fn contract_10_space_returns_on_expiry(factory: &dyn StoreFactory) {
    let few = Policy { max_entries: 2, max_bytes: 2_300, ..policy() };
    let case = Case::with(factory, few).await;
    let long = kept(30 * SECOND);
    case.say(0, kept(SECOND), 1).await;
    case.say(0, long, 2).await;
    let refused = case.append(message(0, long, 3), None).await;
    // A slow store may already have expired the first entry.
    assert!(refused == Err(StoreError::Full) || !factory.is_exact());
    factory.pass(SECOND).await;
    if refused.is_err() {
        assert_eq!(case.say(0, long, 3).await, Seq::new(3));
    }
    assert_eq!(case.places().await, [2, 3]);
    assert_eq!(case.append(message(0, long, 4), None).await, Err(StoreError::Full));
}
