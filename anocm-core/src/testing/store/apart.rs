//! Contract 18: rooms are independent of each other.

use std::sync::Arc;

use super::{
    StoreFactory,
    kit::{Case, SECOND, assert_ended, kept, message, next, policy, told, told_entry},
};
use crate::{
    id::{Epoch, Seq},
    retention::Retention,
    store::{StoreError, Watched},
    wire::{CloseReason, Policy},
};

/// Contract 18.
pub async fn contract_18_what_is_done_to_a_room_shows_at_no_other(factory: &dyn StoreFactory) {
    let long = kept(30 * SECOND);
    let busy = Case::new(factory).await;
    let quiet = Case::on(Arc::clone(&busy.store), policy()).await;
    let before = quiet.door().await;
    let mut at_busy = busy.watch().await;
    let mut at_quiet = quiet.watch().await;

    busy.say(0, long, 1).await;
    let seq = busy.commit(0, long).await;
    busy.say(1, Retention::Live, 2).await;
    assert_eq!(busy.void(seq, next(3)).await, Ok(()));
    assert_eq!(quiet.door().await, before);
    assert!(quiet.places().await.is_empty());

    // Its sequence numbers, epochs and watches are its own.
    assert_eq!(quiet.commit(0, long).await, Seq::new(1));
    let stale = StoreError::StaleEpoch { current: Epoch::FIRST };
    assert_eq!(busy.append(message(1, long, 4), None).await, Err(stale));
    assert_eq!(told_entry(&mut at_quiet).await.entry.epoch, Epoch::FIRST);
    for place in 1..=3 {
        assert_eq!(told_entry(&mut at_busy).await.seq, Seq::new(place));
    }
    assert_eq!(told(&mut at_busy).await, Watched::Voided { seq, epoch: Epoch::FIRST });

    let closed = busy.store.close(&busy.address, CloseReason::Owner).await;
    assert_eq!(closed, Ok(()));
    assert_eq!(told(&mut at_busy).await, Watched::Closed(CloseReason::Owner));
    assert_ended(&mut at_busy).await;
    let said = quiet.say(1, long, 5).await;
    assert_eq!(told_entry(&mut at_quiet).await.seq, said);
    assert_eq!(quiet.places().await, [1, 2]);
}

/// Contract 18.
pub async fn contract_18_a_full_room_fills_no_other(factory: &dyn StoreFactory) {
    let long = kept(30 * SECOND);
    let few = Policy { max_entries: 2, ..policy() };
    let full = Case::with(factory, few).await;
    let other = Case::on(Arc::clone(&full.store), few).await;
    for mark in 1..=2 {
        full.say(0, long, mark).await;
    }
    assert_eq!(full.append(message(0, long, 3), None).await, Err(StoreError::Full));
    for place in 1..=2 {
        assert_eq!(other.say(0, long, 4).await, Seq::new(place));
    }
    assert_eq!(full.places().await, [1, 2]);
}
