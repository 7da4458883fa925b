//! A program that does not fetch its events for a while, and the events that it gets afterwards.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::{sync::Arc, time::Duration};

use anocm_core::{RoomEvent, Timestamp, room::Message, testing::network::Network};
use common::{Guest, Stage, seconds};

/// The number of queued events at which a client stops reading.
const FULL: usize = 1_024;
/// How many messages of each kind follow: few enough to be buffered by the connection.
const MORE: usize = 15;
const SHORT: u64 = 20;
const LONG: u64 = 3_600;

struct Scene {
    network: Network,
    alice: Guest,
    bob: Guest,
    /// When the last message was accepted.
    said: Timestamp,
}

impl Scene {
    /// Alice sends so many messages that Bob, who fetches none, stops reading; and then,
    /// alternately, messages with a short and with a long retention.
    async fn new() -> Self {
        let stage = Stage::new();
        let network = Network::new(1, Duration::ZERO);
        let mut alice = stage.open("Alice").await;
        let reach = Arc::new(network.transport(0, stage.reach()));
        let mut bob = Guest::knocking(reach, &alice.invite(), "Bob");
        bob.entered().await;
        alice.sees_members(2).await;
        bob.meanwhile(Duration::from_secs(5)).await;
        for n in 0..FULL {
            alice.says(&long(n), seconds(LONG));
            if n % 100 == 99 {
                alice.hears(&long(n)).await;
            }
        }
        for n in FULL..FULL + MORE {
            alice.says(&format!("short {n}"), seconds(SHORT));
            alice.says(&long(n), seconds(LONG));
        }
        alice.hears(&long(FULL + MORE - 1)).await;
        let said = alice.room.now();
        Self { network, alice, bob, said }
    }

    /// Alice keeps fetching, Bob does not.
    async fn passes(&mut self, time: Duration) {
        self.alice.meanwhile(time).await;
    }

    /// Bob received all messages with the long retention, once and in order, and nothing else; and
    /// late fetching extended none of their deadlines.
    fn told(&self, messages: &[Message]) {
        let told = messages.iter().map(|message| message.text.as_str().to_owned());
        let mut both = told.zip((0..FULL + MORE).map(long));
        assert_eq!(both.find(|(told, expected)| told != expected), None);
        assert_eq!(messages.len(), FULL + MORE);
        let latest = self.said.saturating_add(Duration::from_secs(LONG));
        for message in messages {
            let expires = message.expires.unwrap();
            assert!(
                expires <= latest,
                "kept for {:?} too long",
                expires.saturating_duration_since(latest)
            );
        }
    }
}

fn long(n: usize) -> String {
    format!("long {n}")
}

fn messages(events: Vec<RoomEvent>) -> Vec<Message> {
    let messages = events.into_iter().filter_map(|event| match event {
        RoomEvent::Message(message) => Some(message),
        _ => None,
    });
    messages.collect()
}

#[tokio::test(start_paused = true)]
async fn late_fetches_return_what_is_still_valid_only() {
    let mut scene = Scene::new().await;
    scene.passes(Duration::from_secs(60)).await;
    let told = messages(scene.bob.meanwhile(Duration::from_secs(30)).await);
    scene.told(&told);
    // And the conversation continues.
    scene.alice.says("still there?", seconds(LONG));
    scene.bob.hears("still there?").await;
}

#[tokio::test(start_paused = true)]
async fn a_client_with_unfetched_events_does_not_reconnect() {
    let mut scene = Scene::new().await;
    // The connection is closed after ten seconds.
    scene.passes(Duration::from_secs(11)).await;
    let passed = scene.network.passed(0);
    scene.passes(Duration::from_secs(600)).await;
    assert_eq!(scene.network.passed(0), passed);
    let told = messages(scene.bob.meanwhile(Duration::from_secs(30)).await);
    scene.told(&told);
    assert!(scene.network.passed(0) > passed);
}

#[tokio::test(start_paused = true)]
async fn slow_fetches_report_true_ages() {
    let mut scene = Scene::new().await;
    let mut told = Vec::new();
    for _ in 0..8 {
        scene.passes(Duration::from_secs(5)).await;
        told.extend(scene.bob.room.next_event().await);
    }
    told.extend(scene.bob.meanwhile(Duration::from_secs(30)).await);
    scene.told(&messages(told));
}
