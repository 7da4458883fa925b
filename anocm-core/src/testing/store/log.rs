//! Contract 4 to 7: sequence numbers, live entries, reading, expiry.

use super::{
    StoreFactory,
    kit::{Case, INSTANT, SECOND, entry, kept, next, told_entry},
};
use crate::{
    id::{Epoch, Seq},
    retention::Retention,
    secret::Payload,
    store::PAGE_BYTES,
    wire::{Entry, EntryKind, MAX_SEALED},
};

/// Contract 4.
pub async fn contract_04_places_have_no_gap(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let long = kept(30 * SECOND);
    let mut places = vec![
        case.say(0, long, 1).await,
        case.say(0, Retention::Live, 2).await,
        case.commit(0, long).await,
        case.say(1, long, 3).await,
    ];
    let voided = case.store.void(&case.address, Seq::new(3), next(0)).await;
    assert_eq!(voided, Ok(()));
    places.push(case.say(0, long, 4).await);
    places.push(case.commit(0, long).await);
    places.push(case.say(1, Retention::Live, 5).await);
    let numbers: Vec<u64> = places.iter().map(|seq| seq.value()).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(case.door().await.head, Seq::new(7));
}

/// Contract 5.
pub async fn contract_05_a_live_entry_is_told_and_never_read(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let mut alice = case.watch().await;
    let mut bob = case.watch().await;
    let before = case.say(0, kept(30 * SECOND), 1).await;
    let live = case.say(0, Retention::Live, 2).await;
    for watch in [&mut alice, &mut bob] {
        assert_eq!(told_entry(watch).await.seq, before);
        let item = told_entry(watch).await;
        assert_eq!(item.seq, live);
        assert_eq!(item.entry.sealed, Payload::from(vec![2; 1_000]));
    }
    let page = case.read(0, u64::MAX).await;
    assert_eq!(page.items.len(), 1);
    assert_eq!((page.reaches, page.more), (live, false));
}

/// Contract 6.
pub async fn contract_06_read_starts_after_the_cursor_and_ends_where_told(
    factory: &dyn StoreFactory,
) {
    let case = Case::new(factory).await;
    let long = kept(30 * SECOND);
    for mark in 1..=6 {
        case.say(0, long, mark).await;
    }
    if factory.is_exact() {
        factory.pass(5 * INSTANT).await;
    }
    let page = case.read(2, 5).await;
    let read: Vec<_> = page.items.iter().map(|item| item.seq.value()).collect();
    assert_eq!(read, [3, 4, 5]);
    assert_eq!((page.reaches, page.more), (Seq::new(5), false));
    for (item, mark) in page.items.iter().zip(3..) {
        let written = entry(EntryKind::Message, 0, long, mark);
        assert_eq!(item.entry, written);
        if factory.is_exact() {
            assert_eq!(item.age, 5);
        }
    }
    for (after, until, reaches) in [(6, u64::MAX, 6), (5, 5, 5), (0, 0, 0)] {
        let page = case.read(after, until).await;
        assert!(page.items.is_empty() && !page.more);
        assert_eq!(page.reaches, Seq::new(reaches));
    }
    assert_eq!(case.read(0, u64::MAX).await.reaches, Seq::new(6));
}

/// Contract 6.
pub async fn contract_06_a_page_reaches_the_head_whatever_is_kept(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let reaches = async |after, until, items: &[u64], reaches| {
        let page = case.read(after, until).await;
        let read: Vec<_> = page.items.iter().map(|item| item.seq.value()).collect();
        assert_eq!(read, items);
        assert_eq!((page.reaches, page.more), (Seq::new(reaches), false));
    };
    reaches(0, u64::MAX, &[], 0).await;
    let long = kept(30 * SECOND);
    case.say(0, long, 1).await;
    case.say(0, Retention::Live, 2).await;
    reaches(0, u64::MAX, &[1], 2).await;
    reaches(0, 1, &[1], 1).await;
    reaches(1, 9, &[], 2).await;
    reaches(2, 2, &[], 2).await;
    // A cursor beyond the head returns to the head.
    reaches(7, 9, &[], 2).await;
    let seq = case.commit(0, long).await;
    case.say(1, long, 3).await;
    assert_eq!(case.void(seq, next(0)).await, Ok(()));
    reaches(0, u64::MAX, &[1], 4).await;
    reaches(2, 3, &[], 3).await;
}

/// Contract 6: sealed bytes are returned unchanged, whatever their content and length.
pub async fn contract_06_what_is_sealed_comes_back_as_it_was(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let mut watch = case.watch().await;
    let every: Vec<u8> = (0..=u8::MAX).chain((0..=u8::MAX).rev()).collect();
    let sealed = [Vec::new(), vec![0], b"0\r\n$-1\r\n".to_vec(), every, vec![0xFF; MAX_SEALED]];
    let mut entries = Vec::new();
    for (n, sealed) in (1..).zip(sealed) {
        let sealed = Payload::from(sealed);
        let retention = kept(30 * SECOND + n * INSTANT);
        let entry = Entry { sealed, ..entry(EntryKind::Message, 0, retention, 1) };
        assert_eq!(case.append(entry.clone(), None).await, Ok(Seq::new(u64::from(n))));
        entries.push(entry);
    }
    let read = case.read(0, u64::MAX).await.items;
    assert_eq!(read.len(), entries.len());
    for (entry, item) in entries.iter().zip(read) {
        // No `assert_eq`, which would print all of the bytes.
        assert!(item.entry == *entry, "an entry was changed");
        assert!(told_entry(&mut watch).await.entry == *entry, "an entry was told changed");
    }
}

/// Contract 6.
pub async fn contract_06_a_long_log_comes_in_pages(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    for mark in 0..10 {
        let large = Entry {
            kind: EntryKind::Message,
            epoch: Epoch::FIRST,
            retention: kept(30 * SECOND),
            sealed: Payload::from(vec![mark; 64_000]),
        };
        let place = Seq::new(u64::from(mark) + 1);
        assert_eq!(case.append(large, None).await, Ok(place));
    }
    let mut read = Vec::new();
    let mut after = 0;
    loop {
        let page = case.read(after, 9).await;
        let bytes: usize = page.items.iter().map(|item| item.entry.sealed.len()).sum();
        assert!(bytes <= PAGE_BYTES && !page.items.is_empty());
        read.extend(page.items.iter().map(|item| item.seq.value()));
        after = page.reaches.value();
        if !page.more {
            break;
        }
    }
    assert_eq!(read, (1..=9).collect::<Vec<_>>());
    assert_eq!(after, 9);
}

/// Contract 7.
pub async fn contract_07_an_entry_is_gone_at_its_deadline(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    case.say(0, kept(SECOND + 500 * INSTANT), 1).await;
    let short = case.say(0, kept(SECOND), 2).await;
    let long = case.say(0, kept(30 * SECOND), 3).await;
    if factory.is_exact() {
        factory.pass(SECOND - INSTANT).await;
        let page = case.read(0, u64::MAX).await;
        let ages: Vec<u64> = page.items.iter().map(|item| item.age).collect();
        assert_eq!(ages, [999, 999, 999]);
        factory.pass(INSTANT).await;
        assert_eq!(case.places().await, [1, 3]);
        factory.pass(500 * INSTANT).await;
    } else {
        // At any time, no returned entry is past its deadline by the store's own clock.
        let mut seen = case.read(0, u64::MAX).await;
        while seen.items.iter().any(|item| item.seq <= short) {
            for item in &seen.items {
                assert!(item.age < u64::from(item.entry.retention.as_millis()));
            }
            factory.pass(INSTANT).await;
            seen = case.read(0, u64::MAX).await;
        }
        factory.pass(SECOND).await;
    }
    let page = case.read(0, u64::MAX).await;
    assert_eq!(page.items.len(), 1);
    assert_eq!((page.reaches, page.more), (long, false));
    // Sequence numbers are not reused, even when the last entries are no longer kept.
    let next = long.next();
    assert_eq!(case.say(0, kept(SECOND), 4).await, next);
    factory.pass(SECOND).await;
    assert_eq!(case.read(0, u64::MAX).await.reaches, next);
    assert_eq!(case.say(0, kept(SECOND), 5).await, next.next());
}
