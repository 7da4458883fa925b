//! Limits of one connection and of the relay.

use super::*;
use crate::relay::Rate;

fn room(n: u8) -> RoomAddress {
    RoomAddress::new([n; 16])
}

#[tokio::test(start_paused = true)]
async fn too_many_rooms_in_one_connection_are_refused() {
    let world = World::with(RelayConfig { max_rooms_per_connection: 2, ..RelayConfig::default() });
    let mut alice = world.guest().await;
    for n in [1, 2] {
        assert_eq!(alice.ask(create(room(n), policy())).await, Ok(Reply::Done));
    }
    let third = alice.ask(create(room(3), policy())).await;
    assert_eq!(third, Err(Refusal::Full));
    let mut bob = world.guest().await;
    assert_eq!(bob.ask(create(ROOM, policy())).await, Ok(Reply::Done));
    assert_eq!(alice.enter(0).await, Err(Refusal::Full));
    // A room that is left, or ends, frees its slot.
    let detach = Request::Detach { address: room(1) };
    assert_eq!(alice.ask(detach).await, Ok(Reply::Done));
    assert!(alice.enter(0).await.is_ok());
    let (address, owner) = (room(2), token(OWNER));
    assert_eq!(alice.ask(Request::Close { address, owner }).await, Ok(Reply::Done));
    assert!(matches!(alice.event().await, Event::Closed { .. }));
    assert_eq!(alice.ask(create(room(3), policy())).await, Ok(Reply::Done));
}

/// Returns the head of the log of `ROOM`, and the room's epoch.
async fn state(world: &World) -> (u64, u64) {
    let door = world.store.door(&ROOM).await.unwrap();
    (door.head.value(), door.epoch().value())
}

#[tokio::test(start_paused = true)]
async fn a_join_to_a_room_that_could_not_be_entered_is_refused() {
    let world = World::with(RelayConfig { max_rooms_per_connection: 2, ..RelayConfig::default() });
    let _alice = world.alice().await;
    let mut bob = world.guest().await;
    for n in [1, 2] {
        assert_eq!(bob.ask(create(room(n), policy())).await, Ok(Reply::Done));
    }
    assert_eq!(bob.ask(join(DOOR, 0)).await, Err(Refusal::Full));
    assert_eq!(state(&world).await, (0, 0));
    let detach = Request::Detach { address: room(1) };
    assert_eq!(bob.ask(detach).await, Ok(Reply::Done));
    assert_eq!(accepted(bob.ask(join(DOOR, 0)).await), Ok(1));
    assert!(bob.enter(1).await.is_ok());
    // A member has a slot for the room, also to join again through the door.
    assert_eq!(accepted(bob.ask(join(DOOR, 1)).await), Ok(2));
    assert!(bob.enter(2).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_room_beyond_the_places_is_not_created() {
    let world = World::with(RelayConfig { max_rooms_per_connection: 1, ..RelayConfig::default() });
    let mut bob = world.guest().await;
    assert_eq!(bob.ask(create(room(1), policy())).await, Ok(Reply::Done));
    assert_eq!(bob.ask(create(ROOM, policy())).await, Err(Refusal::Full));
    assert!(world.store.door(&ROOM).await.is_err());
    // The address is still free for another client.
    let _alice = world.alice().await;
}

#[tokio::test(start_paused = true)]
async fn a_join_keeps_its_place_until_its_author_has_entered() {
    let world = World::with(RelayConfig { max_rooms_per_connection: 2, ..RelayConfig::default() });
    let _alice = world.alice().await;
    let mut bob = world.guest().await;
    assert_eq!(bob.ask(create(room(1), policy())).await, Ok(Reply::Done));
    assert_eq!(accepted(bob.ask(join(DOOR, 0)).await), Ok(1));
    // Another room on his connection does not take the slot.
    assert_eq!(bob.ask(create(room(2), policy())).await, Err(Refusal::Full));
    assert!(bob.enter(1).await.is_ok());
    // The slot is not kept forever: a client that does not enter gives it back by detaching.
    let detach = |address| Request::Detach { address };
    assert_eq!(bob.ask(detach(ROOM)).await, Ok(Reply::Done));
    assert_eq!(accepted(bob.ask(join(DOOR, 1)).await), Ok(2));
    assert_eq!(bob.ask(detach(ROOM)).await, Ok(Reply::Done));
    // Nor is it kept for a client that enters and is not admitted.
    assert_eq!(accepted(bob.ask(join(DOOR, 2)).await), Ok(3));
    assert_eq!(bob.ask(enter(3, 0x99)).await, Err(Refusal::NotAdmitted));
    assert_eq!(bob.ask(create(room(2), policy())).await, Ok(Reply::Done));
}

#[tokio::test(start_paused = true)]
async fn too_many_creations_and_joins_are_refused_for_a_while() {
    let world = World::new();
    let mut alice = world.alice().await;
    for n in 0..9 {
        assert_eq!(alice.ask(create(room(100 + n), policy())).await, Ok(Reply::Done));
    }
    let Err(Refusal::Busy { retry_after }) = alice.ask(create(room(9), policy())).await else {
        panic!("not busy");
    };
    assert!((1..=6_000).contains(&retry_after));
    tokio::time::sleep(Duration::from_millis(u64::from(retry_after))).await;
    assert_eq!(alice.ask(create(room(9), policy())).await, Ok(Reply::Done));

    let mut bob = world.guest().await;
    for epoch in 0..30 {
        assert!(bob.ask(join(DOOR, epoch)).await.is_ok());
    }
    let busy = bob.ask(join(DOOR, 30)).await;
    assert!(matches!(busy, Err(Refusal::Busy { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_asks_too_fast_is_slowed_down_and_never_refused() {
    let world = World::with(RelayConfig {
        requests: Rate { amount: 10, period: SECOND, burst: 5 },
        ..RelayConfig::default()
    });
    let started = tokio::time::Instant::now();
    let mut alice = world.alice().await;
    for place in 1..=44 {
        assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(place));
    }
    assert_eq!(started.elapsed().as_millis(), 4_000);
}

#[tokio::test(start_paused = true)]
async fn too_many_connections_are_closed_at_once() {
    let world = World::with(RelayConfig { max_connections: 2, ..RelayConfig::default() });
    let _alice = world.guest().await;
    let bob = world.guest().await;
    let carol = world.relay.transport().connect().await.unwrap();
    assert_eq!(carol.recv().await, Ok(None));
    drop(bob);
    tokio::time::sleep(MOMENT).await;
    let _carol = world.guest().await;
}

#[tokio::test(start_paused = true)]
async fn a_full_room_refuses_and_takes_again_when_something_expired() {
    let world = World::new();
    let mut alice = world.guest().await;
    let small = Policy { max_entries: 2, ..policy() };
    assert_eq!(alice.ask(create(ROOM, small)).await, Ok(Reply::Done));
    assert_eq!(alice.say(0, kept(SECOND)).await, Ok(1));
    assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(2));
    assert_eq!(alice.say(0, kept(MINUTE)).await, Err(Refusal::Full));
    assert_eq!(alice.say(0, Retention::Live).await, Ok(3));
    tokio::time::sleep(SECOND).await;
    assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(4));
}
