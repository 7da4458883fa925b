//! Entries that are published while a connection already in the room proves an epoch.

use super::{delivery::generous, held::Stage, *};

#[tokio::test(start_paused = true)]
async fn an_entry_sent_meanwhile_is_within_the_end_of_the_log_that_is_stated() {
    let mut stage = Stage::new(generous()).await;
    let Stage { store, alice, bob, .. } = &mut stage;
    // The second read of the door is for the end of the log.
    store.door.shut_after(1);
    bob.send(enter(0, 0)).await;
    store.door.reached().await;
    assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(1));
    assert_eq!(bob.entry().await.seq.value(), 1);
    store.door.open();
    match bob.frame().await {
        Some(RelayFrame::Reply { result: Ok(Reply::Entered(entered)), .. }) => {
            assert_eq!(entered.head.value(), 1);
        }
        other => panic!("not an answer to enter: {other:?}"),
    }
}

/// Bob reads the log after `after` while a live entry is on its way to the subscribers.
async fn reads_ahead(stage: &mut Stage, after: u64) {
    let Stage { store, alice, bob, .. } = stage;
    store.told.shut();
    alice
        .send(Request::Publish {
            address: ROOM,
            entry: entry(EntryKind::Message, 0, Retention::Live),
            next: None,
        })
        .await;
    store.told.reached().await;
    bob.send(read(after)).await;
}

#[tokio::test(start_paused = true)]
async fn a_page_makes_no_hole_of_what_is_still_on_its_way() {
    let mut stage = Stage::new(generous()).await;
    reads_ahead(&mut stage, 0).await;
    stage.bob.hears_nothing().await;
    stage.store.told.open();
    assert_eq!(stage.bob.entry().await.seq.value(), 1);
    match stage.bob.frame().await {
        Some(RelayFrame::Reply { result: Ok(Reply::Page(page)), .. }) => {
            assert_eq!((places(&page), page.reaches.value()), (vec![], 1));
        }
        other => panic!("no page but {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_for_too_long_holds_up_no_page() {
    let mut stage = Stage::new(generous()).await;
    reads_ahead(&mut stage, 0).await;
    tokio::time::sleep(SECOND).await;
    match stage.bob.frame().await {
        Some(RelayFrame::Reply { result: Ok(Reply::Page(page)), .. }) => {
            assert_eq!((places(&page), page.reaches.value()), (vec![], 1));
        }
        other => panic!("no page but {other:?}"),
    }
}
