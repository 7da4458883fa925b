//! What is said while somebody who is there already proves an epoch.

use super::{delivery::generous, held::Stage, *};

#[tokio::test(start_paused = true)]
async fn whoever_is_told_something_meanwhile_is_not_told_that_the_log_ends_before_it() {
    let mut stage = Stage::new(generous()).await;
    let Stage { store, alice, bob, .. } = &mut stage;
    // The second look is for where the log ends.
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
