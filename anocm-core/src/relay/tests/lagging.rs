//! Entries that are published while a lagging client reads the log.

use super::{delivery::generous, held::Stage, *};

/// More than is queued for one connection, and not more than a page holds.
const SAID: u64 = 200;

/// Bob lags behind all that was published; returns the last sequence number that he received.
async fn lagging() -> (Stage, u64) {
    let config = RelayConfig { outbox_bytes: 32_000, ..generous() };
    let mut stage = Stage::new(config).await;
    for place in 1..=SAID {
        assert_eq!(stage.alice.say(0, kept(MINUTE)).await, Ok(place));
        stage.alice.events.clear();
    }
    let mut seen = 0;
    let lagging = loop {
        match stage.bob.event().await {
            Event::Entry { item, .. } => seen = item.seq.value(),
            other => break other,
        }
    };
    assert_eq!(lagging, Event::Lagging { address: ROOM, after: Seq::new(seen) });
    (stage, seen)
}

/// Bob reads the log after `after`; one more entry is broadcast after his page was read and before
/// the reply is sent.
async fn reads_while_alice_speaks(stage: &mut Stage, after: u64) -> Page {
    let Stage { store, alice, bob, .. } = stage;
    store.read.shut();
    bob.send(read(after)).await;
    store.read.reached().await;
    let said = alice.say(0, kept(MINUTE)).await.unwrap();
    // All subscribers receive it in one broadcast.
    while alice.entry().await.seq.value() < said {}
    store.read.open();
    match bob.frame().await {
        Some(RelayFrame::Reply { result: Ok(Reply::Page(page)), .. }) => page,
        other => panic!("no page but {other:?}"),
    }
}

/// Bob has caught up, and receives the next entry.
async fn flows_on(mut stage: Stage, next: u64) {
    assert_eq!(stage.alice.say(0, kept(MINUTE)).await, Ok(next));
    assert_eq!(stage.bob.entry().await.seq.value(), next);
    stage.bob.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_said_while_a_page_is_read_is_in_the_next_one() {
    let (mut stage, seen) = lagging().await;
    let page = reads_while_alice_speaks(&mut stage, seen).await;
    assert_eq!(places(&page), (seen + 1..=SAID).collect::<Vec<_>>());
    assert_eq!((page.reaches.value(), page.more), (SAID, true));
    let page = stage.bob.read(SAID).await.unwrap();
    assert_eq!((places(&page), page.more), (vec![SAID + 1], false));
    flows_on(stage, SAID + 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_page_that_would_get_no_further_is_read_again() {
    let (mut stage, _) = lagging().await;
    let page = reads_while_alice_speaks(&mut stage, SAID).await;
    assert_eq!(places(&page), [SAID + 1]);
    assert_eq!((page.reaches.value(), page.more), (SAID + 1, false));
    flows_on(stage, SAID + 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_member_who_does_not_lag_gets_entries_at_once_while_a_page_is_read() {
    let mut stage = Stage::new(generous()).await;
    assert_eq!(stage.alice.say(0, kept(MINUTE)).await, Ok(1));
    assert_eq!(stage.alice.entry().await.seq.value(), 1);
    assert_eq!(stage.bob.entry().await.seq.value(), 1);
    let Stage { store, alice, bob, .. } = &mut stage;
    store.read.shut();
    bob.send(read(0)).await;
    store.read.reached().await;
    assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(2));
    assert_eq!(bob.entry().await.seq.value(), 2);
    store.read.open();
    let Some(RelayFrame::Reply { result: Ok(Reply::Page(page)), .. }) = bob.frame().await else {
        panic!("no page");
    };
    assert_eq!((places(&page), page.reaches.value(), page.more), (vec![1], 1, false));
    flows_on(stage, 3).await;
}
