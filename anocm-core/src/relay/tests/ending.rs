//! How rooms and connections end.

use super::*;
use crate::wire::{CloseReason, Posture};

fn closed(reason: CloseReason) -> Event {
    Event::Closed { address: ROOM, reason }
}

#[tokio::test(start_paused = true)]
async fn a_room_lives_while_a_member_is_connected_and_its_linger_longer() {
    let world = World::new();
    let mut alice = world.alice().await;
    tokio::time::sleep(60 * MINUTE).await;
    assert_eq!(alice.say(0, kept(60 * MINUTE)).await, Ok(1));
    drop(alice);
    tokio::time::sleep(2 * MINUTE - SECOND).await;
    assert_eq!(world.kept().await, [1]);
    let mut alice = world.member().await;
    tokio::time::sleep(60 * MINUTE).await;
    assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(2));
    drop(alice);
    tokio::time::sleep(2 * MINUTE + SECOND).await;
    let mut bob = world.guest().await;
    assert_eq!(bob.ask(look(DOOR)).await, Err(Refusal::NoSuchRoom));
    assert!(world.relay.shards.rooms() == 0);
}

#[tokio::test(start_paused = true)]
async fn a_removed_guest_keeps_no_room_alive() {
    let world = World::new();
    let mut alice = world.alice().await;
    let mut bob = world.member().await;
    alice.commit(0).await.unwrap();
    drop(alice);
    tokio::time::sleep(3 * MINUTE).await;
    assert_eq!(bob.entry().await.seq, Seq::new(1));
    assert_eq!(bob.event().await, Event::Lapsed { address: ROOM });
    assert_eq!(world.store.door(&ROOM).await.err(), Some(crate::store::StoreError::NoSuchRoom));
}

#[tokio::test(start_paused = true)]
async fn a_room_ends_at_its_largest_age() {
    let world = World::new();
    let mut alice = world.guest().await;
    let young = Policy { max_age: 300_000, ..policy() };
    assert_eq!(alice.ask(create(ROOM, young)).await, Ok(Reply::Done));
    tokio::time::sleep(5 * MINUTE + Duration::from_millis(2)).await;
    assert_eq!(alice.event().await, closed(CloseReason::Age));
    assert_eq!(alice.say(0, kept(MINUTE)).await, Err(Refusal::NoSuchRoom));
}

#[tokio::test(start_paused = true)]
async fn the_owner_closes_the_room_for_everyone() {
    let world = World::new();
    let mut alice = world.alice().await;
    let mut bob = world.member().await;
    let mut carol = world.guest().await;
    assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(1));
    // The owner token is enough, from any connection.
    assert_eq!(carol.ask(close(OWNER)).await, Ok(Reply::Done));
    for guest in [&mut alice, &mut bob] {
        assert_eq!(guest.entry().await.seq, Seq::new(1));
        assert_eq!(guest.event().await, closed(CloseReason::Owner));
        assert_eq!(guest.read(0).await, Err(Refusal::NoSuchRoom));
        assert_eq!(guest.read(0).await, Err(Refusal::NotAdmitted));
    }
    carol.hears_nothing().await;
    // The connections stay open, and the address is free.
    assert_eq!(bob.ask(create(ROOM, policy())).await, Ok(Reply::Done));
    assert_eq!(alice.say(0, kept(MINUTE)).await, Err(Refusal::NotAdmitted));
    assert_eq!(bob.say(0, kept(MINUTE)).await, Ok(1));
    assert_eq!(bob.entry().await.seq, Seq::new(1));
}

#[tokio::test(start_paused = true)]
async fn a_room_created_where_one_just_ended_is_another() {
    let world = World::new();
    let mut alice = world.alice().await;
    for _ in 0..3 {
        alice.say(0, kept(MINUTE)).await.unwrap();
    }
    alice.events.clear();
    // Sent together, so that the old room's end is not delivered before the new one begins.
    alice.send(close(OWNER)).await;
    alice.send(create(ROOM, policy())).await;
    let again = entry(EntryKind::Message, 0, kept(MINUTE));
    let request = Request::Publish { address: ROOM, entry: again, next: None };
    assert_eq!(alice.send(request).await, 7);
    let mut heard = Vec::new();
    while let Ok(Some(frame)) = tokio::time::timeout(MOMENT, alice.frame()).await {
        match frame {
            RelayFrame::Event(Event::Entry { item, .. }) => heard.push(item.seq.value()),
            RelayFrame::Event(_) => {}
            RelayFrame::Reply { result, .. } => assert!(result.is_ok(), "{result:?}"),
        }
    }
    assert_eq!(heard.last(), Some(&1));
}

#[tokio::test(start_paused = true)]
async fn a_detached_connection_receives_nothing_and_has_proven_nothing() {
    let world = World::new();
    let mut alice = world.alice().await;
    let mut bob = world.member().await;
    let detach = Request::Detach { address: ROOM };
    assert_eq!(bob.ask(detach).await, Ok(Reply::Done));
    assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(1));
    bob.hears_nothing().await;
    assert_eq!(bob.say(0, kept(MINUTE)).await, Err(Refusal::NotAdmitted));
    assert_eq!(bob.enter(0).await.unwrap().head, Seq::new(1));
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_closed() {
    let world = World::new();
    let link = world.relay.transport().connect().await.unwrap();
    let started = tokio::time::Instant::now();
    assert_eq!(link.recv().await, Ok(None));
    assert_eq!(started.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_connection_in_no_room_is_closed() {
    let world = World::new();
    let _alice = world.alice().await;
    let mut bob = world.guest().await;
    let started = tokio::time::Instant::now();
    tokio::time::sleep(50 * SECOND).await;
    // A door query does not count as being in the room.
    assert!(bob.ask(look(DOOR)).await.is_ok());
    assert!(bob.last_words().await.is_empty());
    assert_eq!(started.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_connection_in_a_room_may_be_silent() {
    let world = World::new();
    let mut alice = world.alice().await;
    tokio::time::sleep(24 * 60 * MINUTE).await;
    assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_rooms_all_ended_is_closed() {
    let world = World::new();
    let mut alice = world.alice().await;
    assert_eq!(alice.ask(close(OWNER)).await, Ok(Reply::Done));
    let started = tokio::time::Instant::now();
    assert_eq!(alice.last_words().await, [closed(CloseReason::Owner)]);
    assert!((60..=120).contains(&started.elapsed().as_secs()));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_tells_everyone_and_leaves_nothing_running() {
    let world = World::new();
    let mut alice = world.alice().await;
    let mut bob = world.guest().await;
    let silent = world.relay.transport().connect().await.unwrap();
    assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(1));
    world.relay.shutdown(true).await;
    let leaving = Event::GoingAway { rooms_end: true };
    let words = alice.last_words().await;
    assert_eq!(words.last(), Some(&leaving));
    assert_eq!(words.len(), 2);
    assert_eq!(bob.last_words().await, [leaving]);
    assert_eq!(silent.recv().await, Ok(None));
    assert!(world.relay.shards.rooms() == 0 && world.relay.connections().is_empty());
    assert_eq!(world.relay.tasks.len(), 0);

    let late = world.relay.transport().connect().await.unwrap();
    assert_eq!(late.recv().await, Ok(None));
    world.relay.shutdown(false).await;
    // The store is left as it is, until the linger is over.
    assert_eq!(world.kept().await, [1]);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_a_peer_that_does_not_read() {
    let world = World::new();
    let mut alice = world.alice().await;
    let bob = world.member().await;
    for _ in 0..200 {
        alice.say(0, kept(MINUTE)).await.unwrap();
    }
    let started = tokio::time::Instant::now();
    world.relay.shutdown(false).await;
    assert!(started.elapsed() <= 5 * SECOND);
    assert_eq!(world.relay.tasks.len(), 0);
    drop(bob);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_posture_is_told() {
    let world = World::new();
    let mut alice = world.alice().await;
    tokio::time::sleep(2 * MINUTE).await;
    alice.hears_nothing().await;
    world.store.state_posture(Posture::Broken);
    tokio::time::sleep(MINUTE).await;
    assert_eq!(alice.event().await, Event::Posture(Posture::Broken));
    tokio::time::sleep(5 * MINUTE).await;
    alice.hears_nothing().await;
}
