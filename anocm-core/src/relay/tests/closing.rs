//! All subscribers of a room are sent the reason for its end, before any other frame can show that
//! it is gone.

use super::{held::Stage, *};
use crate::wire::CloseReason;

const CLOSED: Event = Event::Closed { address: ROOM, reason: CloseReason::Owner };

#[tokio::test(start_paused = true)]
async fn a_relay_that_stops_right_after_has_told_who_ended_the_room() {
    let Stage { store, relay, mut alice, mut bob } = Stage::new(RelayConfig::default()).await;
    // The store's feed is slower than the owner's request.
    store.end.shut();
    assert_eq!(alice.ask(close(OWNER)).await, Ok(Reply::Done));
    relay.shutdown(true).await;
    let leaving = Event::GoingAway { rooms_end: true };
    for guest in [&mut alice, &mut bob] {
        assert_eq!(guest.last_words().await, [CLOSED, leaving.clone()]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_reason_of_the_end_comes_before_refusals() {
    let say = Request::Publish {
        address: ROOM,
        entry: entry(EntryKind::Message, 0, kept(MINUTE)),
        next: None,
    };
    for request in [say, read(0), enter(0, 0), look(DOOR)] {
        let Stage { store, mut alice, mut bob, .. } = Stage::new(RelayConfig::default()).await;
        // The room is gone, but no event was sent yet: neither by the owner's request nor by the
        // feed.
        store.end.shut();
        store.closed.shut();
        alice.send(close(OWNER)).await;
        store.closed.reached().await;
        let asked = bob.send(request).await;
        bob.hears_nothing().await;
        store.closed.open();
        assert_eq!(bob.event().await, CLOSED);
        let refused = RelayFrame::Reply { id: asked, result: Err(Refusal::NoSuchRoom) };
        assert_eq!(bob.frame().await, Some(refused));
    }
}

#[tokio::test(start_paused = true)]
async fn requests_are_refused_even_if_the_reason_of_the_end_never_comes() {
    let Stage { store, mut alice, mut bob, .. } = Stage::new(RelayConfig::default()).await;
    store.end.shut();
    store.closed.shut();
    alice.send(close(OWNER)).await;
    store.closed.reached().await;
    assert_eq!(bob.say(0, kept(MINUTE)).await, Err(Refusal::NoSuchRoom));
    assert_eq!(bob.enter(0).await, Err(Refusal::NoSuchRoom));
}
