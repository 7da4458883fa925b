//! The last messages before a shutdown are sent, or their guest is told that they were not.

mod common;

use std::{sync::Arc, time::Duration};

use anocm_core::{Command, RoomEvent, room::Ended, testing::network::Network};
use common::{Guest, Stage, seconds};
use tokio::time::Instant;

/// Longer than any shutdown takes.
const BOUND: Duration = Duration::from_secs(6);

/// Alice, and Bob over his own network with some delay.
async fn scene() -> (Stage, Network, Guest, Guest) {
    let stage = Stage::new();
    let network = Network::new(1, Duration::from_millis(100));
    let mut alice = stage.open("Alice").await;
    let reach = Arc::new(network.transport(0, stage.reach()));
    let mut bob = Guest::knocking(reach, &alice.invite(), "Bob");
    bob.entered().await;
    alice.sees_members(2).await;
    bob.sees_members(2).await;
    bob.meanwhile(Duration::from_secs(5)).await;
    (stage, network, alice, bob)
}

/// Returns the events that are left to be fetched, up to the end.
async fn rest(guest: &mut Guest) -> Vec<RoomEvent> {
    let mut events = Vec::new();
    while let Some(event) = guest.room.next_event().await {
        events.push(event);
    }
    events
}

#[tokio::test(start_paused = true)]
async fn what_was_said_before_a_shutdown_is_heard() {
    let (_stage, _network, mut alice, mut bob) = scene().await;
    for n in 0..10 {
        bob.says(&format!("last words {n}"), seconds(60));
    }
    bob.client.shutdown().await;
    for n in 0..10 {
        alice.hears(&format!("last words {n}")).await;
    }
    let events = rest(&mut bob).await;
    assert!(!events.iter().any(|event| matches!(event, RoomEvent::NotSent { .. })));
    assert!(matches!(events.last(), Some(RoomEvent::Ended(Ended::Wiped))));
}

#[tokio::test(start_paused = true)]
async fn what_a_shutdown_could_not_send_is_reported() {
    let (_stage, network, _alice, mut bob) = scene().await;
    network.block(0, true);
    bob.meanwhile(Duration::from_secs(1)).await;
    let id = bob.room.send("unheard").unwrap();
    let before = Instant::now();
    bob.client.shutdown().await;
    assert!(before.elapsed() < BOUND, "{:?}", before.elapsed());
    let events = rest(&mut bob).await;
    let unsent =
        |event: &RoomEvent| matches!(event, RoomEvent::NotSent { id: of, .. } if *of == id);
    assert!(events.iter().any(unsent), "{events:?}");
    assert!(matches!(events.last(), Some(RoomEvent::Ended(Ended::Wiped))));
}

#[tokio::test(start_paused = true)]
async fn a_leave_followed_by_shutdown_is_seen() {
    let (_stage, _network, mut alice, bob) = scene().await;
    bob.says("good bye", seconds(60));
    bob.room.command(Command::Leave).unwrap();
    bob.client.shutdown().await;
    alice.hears("good bye").await;
    alice.sees_members(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_with_nothing_to_say_waits_for_nothing() {
    let (_stage, network, _alice, bob) = scene().await;
    network.block(0, true);
    let before = Instant::now();
    bob.client.shutdown().await;
    assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
}
