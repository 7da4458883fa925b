//! Contract 8: the live feed.

use super::{
    StoreFactory,
    kit::{Case, SECOND, entry, kept, next, told, told_entry},
};
use crate::{
    id::{Epoch, Seq},
    retention::Retention,
    store::{MIN_WATCH_ITEMS, Watched},
    wire::{EntryKind, LogItem},
};

/// Contract 8.
pub async fn contract_08_a_watch_sees_everything_in_order(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let long = kept(30 * SECOND);
    case.say(0, long, 1).await;
    let mut watch = case.watch().await;
    let mut told_first = Vec::new();
    for (kind, epoch, retention) in [
        (EntryKind::Message, 0, long),
        (EntryKind::Message, 0, Retention::Live),
        (EntryKind::Join, 0, long),
        (EntryKind::Message, 1, long),
        (EntryKind::Join, 1, Retention::Live),
        (EntryKind::Commit, 2, Retention::Live),
        (EntryKind::Commit, 3, long),
        (EntryKind::Message, 4, kept(2 * SECOND)),
    ] {
        let next = kind.begins_epoch().then(|| next(4));
        let mark = u8::try_from(told_first.len()).unwrap_or(u8::MAX);
        let entry = entry(kind, epoch, retention, mark);
        let Ok(seq) = case.append(entry.clone(), next).await else {
            panic!("an entry was refused");
        };
        told_first.push(LogItem { seq, age: 0, entry });
    }
    let committed = Seq::new(8);
    assert_eq!(case.void(committed, next(3)).await, Ok(()));
    let last = case.say(3, long, 9).await;

    for item in told_first {
        assert_eq!(told_entry(&mut watch).await, item);
    }
    let back = Watched::Voided { seq: committed, epoch: Epoch::new(3) };
    assert_eq!(told(&mut watch).await, back);
    assert_eq!(told_entry(&mut watch).await.seq, last);
}

/// Contract 8.
pub async fn contract_08_a_watch_holds_back_what_it_must(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let mut slow = case.watch().await;
    for _ in 0..MIN_WATCH_ITEMS {
        case.say(0, Retention::Live, 1).await;
    }
    for place in (1_u64..).take(MIN_WATCH_ITEMS) {
        assert_eq!(told_entry(&mut slow).await.seq, Seq::new(place));
    }
}

/// Contract 8.
pub async fn contract_08_a_watch_that_falls_behind_is_told(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let mut slow = case.watch().await;
    // More than any store should buffer for one reader.
    for _ in 0..3_000 {
        case.say(0, Retention::Live, 1).await;
    }
    // Some stores buffer nothing before the reader polls; so poll, and append one more entry.
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
