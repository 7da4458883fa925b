//! Contract 15: the order in which several reasons to refuse are reported.

use super::{
    StoreFactory,
    kit::{Case, SECOND, commit, entry, kept, message, next, policy, random_address, told_entry},
};
use crate::{
    id::Epoch,
    retention::Retention,
    store::StoreError,
    wire::{Entry, EntryKind, NextEpoch, Policy},
};

/// Contract 15.
pub async fn contract_15_the_first_reason_to_refuse_is_given(factory: &dyn StoreFactory) {
    let long = kept(30 * SECOND);
    let few = Policy { max_entries: 2, ..policy() };
    let case = Case::with(factory, few).await;
    case.commit(0, long).await;
    case.say(1, long, 1).await;
    let before = case.door().await;
    let mut watch = case.watch().await;

    let stale = StoreError::StaleEpoch { current: Epoch::new(1) };
    let tries: [(Entry, Option<NextEpoch>, StoreError); 6] = [
        (commit(0, long), None, StoreError::Mismatched),
        (message(0, long, 1), Some(next(1)), StoreError::Mismatched),
        (message(0, long, 1), None, stale.clone()),
        (commit(2, long), Some(next(1)), stale),
        (message(1, long, 1), None, StoreError::Full),
        (entry(EntryKind::Join, 1, long, 1), Some(next(1)), StoreError::Full),
    ];
    for (entry, next, reason) in tries {
        assert_eq!(case.append(entry, next).await, Err(reason));
    }
    assert_eq!(case.door().await, before);
    // It was not delivered: the next delivered entry is the next accepted one.
    let live = message(1, Retention::Live, 2);
    let seq = case.append(live.clone(), None).await;
    let item = told_entry(&mut watch).await;
    assert_eq!((Ok(item.seq), item.entry), (seq, live));
}

/// Contract 15: an invalid call is reported before a missing room.
pub async fn contract_15_a_wrong_call_is_wrong_in_no_room_too(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let nowhere = Case { address: random_address(), ..case };
    let live = Retention::Live;
    assert_eq!(nowhere.append(commit(0, live), None).await, Err(StoreError::Mismatched));
    let mismatched = nowhere.append(message(0, live, 1), Some(next(1))).await;
    assert_eq!(mismatched, Err(StoreError::Mismatched));
    nowhere.assert_gone().await;
}
