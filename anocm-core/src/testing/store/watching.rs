//! Contract 8: the live feed.

use super::{
    StoreFactory,
    kit::{Case, SECOND, kept, next, told, told_entry},
};
use crate::{
    id::{Epoch, Seq},
    retention::Retention,
    store::Watched,
    wire::EntryKind,
};

/// Contract 8.
pub async fn contract_08_a_watch_sees_everything_in_order(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let long = kept(30 * SECOND);
    case.say(0, long, 1).await;
    let mut watch = case.watch().await;
    case.say(0, long, 2).await;
    case.say(0, Retention::Live, 3).await;
    let committed = case.commit(0, long).await;
    case.say(1, long, 4).await;
    let voided = case.store.void(&case.address, committed, next(0)).await;
    assert_eq!(voided, Ok(()));
    let last = case.say(0, long, 5).await;

    let expected = [
        (EntryKind::Message, 2),
        (EntryKind::Message, 3),
        (EntryKind::Commit, 4),
        (EntryKind::Message, 5),
    ];
    for (kind, place) in expected {
        let item = told_entry(&mut watch).await;
        assert_eq!((item.entry.kind, item.seq), (kind, Seq::new(place)));
    }
    let back = Watched::Voided { seq: committed, epoch: Epoch::FIRST };
    assert_eq!(told(&mut watch).await, back);
    assert_eq!(told_entry(&mut watch).await.seq, last);
}

/// Contract 8.
pub async fn contract_08_a_watch_that_falls_behind_is_told(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let mut slow = case.watch().await;
    // More than any store should hold back for one reader.
    for _ in 0..3_000 {
        case.say(0, Retention::Live, 1).await;
    }
    // Some stores hold nothing back before the reader asks; so ask, and go on a little.
    let mut seen = Seq::START;
    let mut last = Seq::new(u64::MAX);
    let mut lagged = false;
    while seen < last {
        match told(&mut slow).await {
            Watched::Entry(item) => {
                assert!(item.seq > seen);
                assert!(lagged || item.seq == seen.next(), "lost without a word");
                seen = item.seq;
                lagged = false;
            }
            Watched::Lagged => lagged = true,
            other => panic!("nothing of the kind happened: {other:?}"),
        }
        if last.value() == u64::MAX && (lagged || seen.value() == 3_000) {
            last = case.say(0, Retention::Live, 2).await;
        }
    }
    assert_eq!(seen, last);
}
