//! Contract 9, 13 and 14: how a room ends.

use std::sync::Arc;

use super::{
    StoreFactory,
    kit::{
        Case, INSTANT, SECOND, assert_ended, commit, genesis, kept, message, next, policy, told,
    },
};
use crate::{
    id::Seq,
    retention::Retention,
    store::{StoreError, Watched},
    wire::{CloseReason, Policy},
};

/// Contract 9.
pub async fn contract_09_a_room_without_touches_is_erased(factory: &dyn StoreFactory) {
    let lonely = Policy { linger: 1_000, ..policy() };
    let case = Case::with(factory, lonely).await;
    let mut watch = case.watch().await;
    if factory.is_exact() {
        factory.pass(SECOND - INSTANT).await;
        assert_eq!(case.door().await.head, Seq::START);
        factory.pass(INSTANT).await;
    } else {
        factory.pass(SECOND).await;
    }
    // The watch receives the end although no store method is called.
    assert_eq!(told(&mut watch).await, Watched::Closed(CloseReason::Gone));
    assert_ended(&mut watch).await;
    case.assert_gone().await;
}

/// Contract 9.
pub async fn contract_09_a_touched_room_lives_on(factory: &dyn StoreFactory) {
    let lonely = Policy { linger: 1_500, ..policy() };
    let case = Case::with(factory, lonely).await;
    for _ in 0..4 {
        factory.pass(SECOND / 2).await;
        assert_eq!(case.store.touch(&case.address).await, Ok(()));
    }
    assert_eq!(case.door().await.head, Seq::START);
    if factory.is_exact() {
        factory.pass(1_500 * INSTANT - INSTANT).await;
        assert_eq!(case.door().await.head, Seq::START);
        factory.pass(INSTANT).await;
    } else {
        factory.pass(2 * SECOND).await;
    }
    case.assert_gone().await;
}

/// Contract 9.
pub async fn contract_09_a_room_ends_at_its_largest_age(factory: &dyn StoreFactory) {
    let old = Policy { max_age: 1_500, ..policy() };
    let case = Case::with(factory, old).await;
    case.say(0, kept(30 * SECOND), 1).await;
    let mut watch = case.watch().await;
    factory.pass(SECOND / 2).await;
    assert_eq!(case.store.touch(&case.address).await, Ok(()));
    if factory.is_exact() {
        factory.pass(SECOND - INSTANT).await;
        assert_eq!(case.places().await, [1]);
        factory.pass(INSTANT).await;
    } else {
        factory.pass(SECOND).await;
    }
    assert_eq!(told(&mut watch).await, Watched::Closed(CloseReason::Age));
    assert_ended(&mut watch).await;
    case.assert_gone().await;
}

/// Contract 9.
pub async fn contract_09_a_closed_room_is_gone(factory: &dyn StoreFactory) {
    for reason in [CloseReason::Owner, CloseReason::Age, CloseReason::Gone] {
        let case = Case::new(factory).await;
        case.say(0, kept(30 * SECOND), 1).await;
        let mut alice = case.watch().await;
        let mut bob = case.watch().await;
        let closed = case.store.close(&case.address, reason).await;
        assert_eq!(closed, Ok(()));
        for watch in [&mut alice, &mut bob] {
            assert_eq!(told(watch).await, Watched::Closed(reason));
            assert_ended(watch).await;
        }
        case.assert_gone().await;
    }
}

/// Contract 9: a new room at the same address contains nothing of the old one.
pub async fn contract_09_an_address_is_free_after_the_end(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    case.say(0, kept(30 * SECOND), 1).await;
    case.commit(0, kept(30 * SECOND)).await;
    let closed = case.store.close(&case.address, CloseReason::Owner).await;
    assert_eq!(closed, Ok(()));
    let created = case.store.create(&case.address, genesis(policy())).await;
    assert_eq!(created, Ok(()));
    let door = case.door().await;
    assert_eq!((door.head, door.epochs.len()), (Seq::START, 1));
    assert!(case.places().await.is_empty());
    assert_eq!(case.say(0, kept(30 * SECOND), 2).await, Seq::new(1));
}

/// Contract 13.
pub async fn contract_13_nothing_but_a_touch_defers_the_linger(factory: &dyn StoreFactory) {
    let lonely = Policy { linger: 1_500, ..policy() };
    let case = Case::with(factory, lonely).await;
    let mut watch = case.watch().await;
    for _ in 0..2 {
        factory.pass(SECOND / 2).await;
        // On a slow machine the room may have ended in the meantime.
        use_without_touch(&case).await.ok();
    }
    if factory.is_exact() {
        factory.pass(SECOND / 2 - INSTANT).await;
        case.door().await;
        factory.pass(INSTANT).await;
    } else {
        factory.pass(SECOND / 2).await;
    }
    case.assert_gone().await;
    loop {
        match told(&mut watch).await {
            Watched::Closed(reason) => break assert_eq!(reason, CloseReason::Gone),
            Watched::Entry(_) | Watched::Voided { .. } => {}
            Watched::Lagged => panic!("so little makes no watch lag"),
        }
    }
}

/// Uses every method on a room except `touch`.
async fn use_without_touch(case: &Case) -> Result<(), StoreError> {
    let (store, address) = (&case.store, &case.address);
    let long = kept(30 * SECOND);
    case.append(message(0, long, 1), None).await?;
    case.append(message(0, Retention::Live, 2), None).await?;
    let seq = case.append(commit(0, long), Some(next(1))).await?;
    store.void(address, seq, next(0)).await?;
    store.settle(address, seq).await?;
    store.read(address, Seq::START, Seq::new(u64::MAX)).await?;
    store.door(address).await?;
    drop(store.watch(address).await?);
    // A refused call does not count as a touch either.
    let refused = store.create(address, genesis(policy())).await;
    assert!(refused.is_err());
    Ok(())
}

/// Contract 14.
pub async fn contract_14_the_reason_that_came_first_is_told(factory: &dyn StoreFactory) {
    let store = factory.store().await;
    let mut rooms = Vec::new();
    for (linger, max_age, reason) in [
        (1_000, 1_500, CloseReason::Gone),
        (1_500, 1_000, CloseReason::Age),
        (1_000, 1_000, CloseReason::Age),
    ] {
        let case = Case::on(Arc::clone(&store), Policy { linger, max_age, ..policy() }).await;
        let watch = case.watch().await;
        rooms.push((case, watch, reason));
    }
    factory.pass(2 * SECOND).await;
    for (_, watch, reason) in &mut rooms {
        assert_eq!(told(watch).await, Watched::Closed(*reason));
        assert_ended(watch).await;
    }
}

/// Contract 14: a close after the room's end, before the store has noticed the end.
pub async fn contract_14_an_end_that_is_due_comes_before_a_close(factory: &dyn StoreFactory) {
    let lonely = Policy { linger: 1_000, ..policy() };
    let case = Case::with(factory, lonely).await;
    let mut watch = case.watch().await;
    factory.pass(SECOND).await;
    let late = case.store.close(&case.address, CloseReason::Owner).await;
    assert_eq!(late, Err(StoreError::NoSuchRoom));
    assert_eq!(told(&mut watch).await, Watched::Closed(CloseReason::Gone));
    assert_ended(&mut watch).await;
}

/// Contract 14: a create at the address of a room that is past its end.
pub async fn contract_14_an_end_that_is_due_comes_before_a_create(factory: &dyn StoreFactory) {
    let lonely = Policy { linger: 1_000, ..policy() };
    let case = Case::with(factory, lonely).await;
    let mut watch = case.watch().await;
    factory.pass(SECOND).await;
    let again = case.store.create(&case.address, genesis(policy())).await;
    assert_eq!(again, Ok(()));
    case.say(0, kept(30 * SECOND), 1).await;
    assert_eq!(told(&mut watch).await, Watched::Closed(CloseReason::Gone));
    assert_ended(&mut watch).await;
}
