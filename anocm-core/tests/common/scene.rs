//! Alice, whose relay is honest, and Bob, whose access to the same relay is tampered with.

use std::{sync::Arc, time::Duration};

use anocm_core::{
    NewRoom, RoomEvent,
    room::{Ended, Trouble},
};

use super::{Guest, Stage, seconds, tamper::Tamper};

/// Upper bound for the frames per minute of a client that is in no loop, whatever it receives.
const CALM: u64 = 300;

pub struct Scene {
    pub stage: Stage,
    pub alice: Guest,
    pub bob: Guest,
    /// A room of Bob's own, over the same connection.
    pub other: Guest,
    pub relay: Arc<Tamper>,
}

impl Scene {
    pub async fn new() -> Self {
        let stage = Stage::new();
        let mut alice = stage.open("Alice").await;
        let relay = Tamper::new(stage.reach());
        let mut bob = Guest::knocking(relay.clone(), &alice.invite(), "Bob");
        bob.entered().await;
        alice.sees_members(2).await;
        let room = bob.client.create(&NewRoom::default()).unwrap();
        let mut other = Guest { client: bob.client.clone(), room };
        other.entered().await;
        // After the first presence messages.
        bob.meanwhile(Duration::from_secs(5)).await;
        Self { stage, alice, bob, other, relay }
    }

    pub fn alice_says(&self, text: &str) {
        self.alice.says(text, seconds(3_600));
    }

    /// Returns Bob's events of one minute, in which his client must send few frames.
    pub async fn a_minute(&mut self) -> Vec<RoomEvent> {
        let before = self.relay.sent();
        let events = self.bob.meanwhile(Duration::from_secs(60)).await;
        let sent = self.relay.sent() - before;
        assert!(sent < CALM, "{sent} frames in a minute");
        events
    }

    /// Returns the troubles that Bob is told within a minute.
    pub async fn troubles(&mut self) -> Vec<Trouble> {
        troubles(&self.a_minute().await)
    }

    /// Bob is told within a minute that the relay is dishonest.
    pub async fn is_distrusted(&mut self) {
        let troubles = self.troubles().await;
        assert!(troubles.contains(&Trouble::DishonestRelay), "{troubles:?}");
    }

    /// The relay becomes honest, and the conversation continues in both directions, in Bob's other
    /// room as well.
    pub async fn goes_on(&mut self) {
        self.relay.honest();
        // A guest that rejoins through the door does not receive earlier messages.
        self.a_minute().await;
        self.alice_says("shall we go on?");
        self.bob.hears("shall we go on?").await;
        self.bob.says("why not", seconds(3_600));
        self.alice.hears("why not").await;
        self.bob.hears("why not").await;
        assert!(!self.bob.room.view().broken);
        self.other_room_is_unharmed().await;
    }

    /// Bob's room has ended, and he is told.
    pub async fn is_over(&mut self, ended: Ended) {
        let before = self.relay.sent();
        assert_eq!(self.bob.ends().await, ended);
        assert!(self.relay.sent() - before < CALM);
        self.relay.honest();
        self.other_room_is_unharmed().await;
    }

    async fn other_room_is_unharmed(&mut self) {
        self.other.says("to myself", seconds(60));
        self.other.hears("to myself").await;
    }
}

pub fn troubles(events: &[RoomEvent]) -> Vec<Trouble> {
    let troubles = events.iter().filter_map(|event| match event {
        RoomEvent::Trouble(trouble) => Some(*trouble),
        _ => None,
    });
    troubles.collect()
}
