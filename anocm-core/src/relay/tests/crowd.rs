//! Rooms with more subscribers than one shard takes.

use super::{delivery::generous, *};
use crate::relay::Rate;

const MANY: usize = 150;

async fn crowd(world: &World) -> Vec<Guest> {
    let mut crowd = Vec::new();
    for _ in 0..MANY {
        crowd.push(world.member().await);
    }
    crowd
}

#[tokio::test(start_paused = true)]
async fn everyone_in_a_room_of_many_is_told_everything_in_order() {
    let world = World::with(generous());
    let mut alice = world.alice().await;
    let mut all = crowd(&world).await;
    assert_eq!(world.relay.shards.of_room(&ROOM).len(), 3);
    assert_eq!(world.relay.statistics().watched_rooms, 1);
    for place in 1..=100 {
        let retention = if place % 2 == 0 { Retention::Live } else { kept(MINUTE) };
        assert_eq!(alice.say(0, retention).await, Ok(place));
    }
    assert_eq!(alice.commit(0).await, Ok(101));
    for guest in &mut all {
        for place in 1..=101 {
            assert_eq!(guest.entry().await.seq.value(), place);
        }
    }
    alice.events.clear();
    assert_eq!(alice.ask(close(OWNER)).await, Ok(Reply::Done));
    for guest in &mut all {
        assert!(matches!(guest.event().await, Event::Closed { .. }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_detached_connection_frees_its_place_and_an_empty_shard_ends() {
    let world = World::with(generous());
    let mut alice = world.alice().await;
    let mut all = crowd(&world).await;
    // All subscribers of the second shard, which has those from the 64th on.
    for guest in &mut all[63..127] {
        assert_eq!(guest.ask(Request::Detach { address: ROOM }).await, Ok(Reply::Done));
    }
    tokio::time::sleep(SECOND).await;
    assert_eq!(world.relay.shards.of_room(&ROOM).len(), 2);
    for guest in &mut all[63..127] {
        assert!(guest.enter(0).await.is_ok());
    }
    assert_eq!(world.relay.shards.of_room(&ROOM).len(), 3);
    assert_eq!(alice.say(0, Retention::Live).await, Ok(1));
    for guest in &mut all {
        assert_eq!(guest.entry().await.seq.value(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_room_of_many_takes_no_more_than_another() {
    let room_entries = Rate { amount: 1, period: MINUTE, burst: 10 };
    let world = World::with(RelayConfig { room_entries, ..generous() });
    let _alice = world.alice().await;
    let mut accepted = 0;
    for guest in &mut crowd(&world).await {
        match guest.say(0, Retention::Live).await {
            Ok(_) => accepted += 1,
            Err(refusal) => assert!(matches!(refusal, Refusal::Busy { .. })),
        }
    }
    assert_eq!(accepted, 10);
}
