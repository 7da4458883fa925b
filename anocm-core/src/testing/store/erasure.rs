//! Contract 9: how a room ends.

use super::{
    StoreFactory,
    kit::{Case, INSTANT, SECOND, assert_ended, genesis, kept, policy, told},
};
use crate::{
    id::Seq,
    store::Watched,
    wire::{CloseReason, Policy},
};

/// Contract 9.
pub async fn contract_09_a_room_that_nobody_touches_is_erased(factory: &dyn StoreFactory) {
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
    // The watch is told although nobody asks the store anything.
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
    factory.pass(2 * SECOND).await;
    case.assert_gone().await;
}

/// Contract 9.
pub async fn contract_09_a_room_ends_at_its_largest_age(factory: &dyn StoreFactory) {
    let old = Policy { largest_age: 1_500, ..policy() };
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
    let case = Case::new(factory).await;
    case.say(0, kept(30 * SECOND), 1).await;
    let mut alice = case.watch().await;
    let mut bob = case.watch().await;
    let closed = case.store.close(&case.address, CloseReason::Owner).await;
    assert_eq!(closed, Ok(()));
    for watch in [&mut alice, &mut bob] {
        assert_eq!(told(watch).await, Watched::Closed(CloseReason::Owner));
        assert_ended(watch).await;
    }
    case.assert_gone().await;
}

/// Contract 9: nothing of the old room is left in a new one at its address.
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
