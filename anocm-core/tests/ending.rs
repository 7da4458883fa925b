//! When the owner closes the room, every guest is informed, whatever else is in progress.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::{sync::Arc, time::Duration};

use anocm_core::{
    Command,
    room::Ended,
    testing::network::Network,
    wire::{CloseReason, Event, Refusal, RelayFrame, Request},
};
use common::{Guest, Stage, scene::Scene, seconds};

const BY_OWNER: Ended = Ended::Closed(CloseReason::Owner);

#[tokio::test(start_paused = true)]
async fn everyone_learns_that_the_owner_ended_the_room_before_the_relay_stops() {
    let stage = Stage::new();
    let [mut alice, mut bob] = stage.with(&["Bob"]).await.try_into().unwrap();
    // Bob's message is in transit when the room ends.
    bob.says("too late", seconds(60));
    alice.does(Command::Close);
    assert_eq!(alice.ends().await, BY_OWNER);
    stage.relay.shutdown(true).await;
    assert_eq!(bob.ends().await, BY_OWNER);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everyone_learns_it_also_on_several_threads() {
    let rooms = (0..32).map(|_| tokio::spawn(one_room_ends()));
    for room in rooms.collect::<Vec<_>>() {
        // In real time, so that a guest that waits for ever fails soon.
        tokio::time::timeout(Duration::from_secs(30), room).await.unwrap().unwrap();
    }
}

/// All guests send messages while the owner closes the room and then the relay stops.
async fn one_room_ends() {
    let stage = Stage::new();
    let mut guests = stage.with(&["Bob", "Carol"]).await;
    let mut alice = guests.remove(0);
    let talking = guests.into_iter().map(|guest| tokio::spawn(talks_until_the_end(guest)));
    let talking: Vec<_> = talking.collect();
    alice.hears("on").await;
    alice.does(Command::Close);
    assert_eq!(alice.ends().await, BY_OWNER);
    stage.relay.shutdown(true).await;
    for ended in talking {
        assert_eq!(ended.await.unwrap(), BY_OWNER);
    }
}

async fn talks_until_the_end(mut guest: Guest) -> Ended {
    // Enough messages are queued that one is always in transit; the end may come sooner.
    for _ in 0..200 {
        let _ = guest.room.send("on");
    }
    guest.ends().await
}

#[tokio::test(start_paused = true)]
async fn last_words_on_their_way_are_heard_by_those_who_can_say_nothing_more() {
    for seed in 0..20 {
        let stage = Stage::new();
        let network = Network::new(seed, Duration::from_millis(50));
        let mut alice = stage.open("Alice").await;
        let reach = Arc::new(network.transport(0, stage.reach()));
        let mut bob = Guest::knocking(reach, &alice.invite(), "Bob");
        bob.entered().await;
        // By then he has proven his epoch, and is subscribed to the room.
        bob.meanwhile(Duration::from_secs(5)).await;
        alice.does(Command::Close);
        assert_eq!(alice.ends().await, BY_OWNER);
        stage.relay.shutdown(true).await;
        // The relay no longer accepts this, and the connection reports so at once, unless he
        // already knows of the end.
        let _ = bob.room.send("too late");
        assert_eq!(bob.ends().await, BY_OWNER, "seed {seed}");
    }
}

/// Two relays may share a store: the close may come from one and the refusal from the other.
#[tokio::test(start_paused = true)]
async fn a_refusal_that_is_faster_than_the_end_does_not_hide_who_ended_the_room() {
    let mut scene = Scene::new().await;
    let address = *scene.bob.invite().address();
    scene.relay.up(move |frame, replies| {
        if *frame.request.address() != address {
            return true;
        }
        if matches!(frame.request, Request::Enter { .. }) {
            let reason = CloseReason::Owner;
            replies.push(RelayFrame::Event(Event::Closed { address, reason }));
        }
        let (id, result) = (frame.id, Err(Refusal::NoSuchRoom));
        replies.push(RelayFrame::Reply { id, result });
        false
    });
    scene.bob.says("too late", seconds(60));
    scene.is_over(BY_OWNER).await;
}
