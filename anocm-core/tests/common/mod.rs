//! An in-process relay, and guests who wait for the events that they expect.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends"
)]

pub mod mallory;
pub mod scene;
pub mod tamper;

use std::{sync::Arc, time::Duration};

use anocm_core::{
    Command, Invite, MemberId, NewRoom, Nickname, RelayUrl, Retention, RoomEvent, TokioClock,
    client::{Client, Room},
    relay::{Relay, RelayConfig},
    room::{Ended, Message},
    store::{MemoryLimits, MemoryStore},
    transport::Transport,
};

/// Far more (paused) time than any test takes.
pub const PATIENCE: Duration = Duration::from_secs(600);

pub fn url() -> RelayUrl {
    RelayUrl::parse("http://localhost/").unwrap()
}

pub fn seconds(n: u64) -> Retention {
    Retention::keep(Duration::from_secs(n)).unwrap()
}

pub struct Stage {
    pub relay: Arc<Relay>,
}

impl Stage {
    pub fn new() -> Self {
        Self::of(RelayConfig::default())
    }

    pub fn of(config: RelayConfig) -> Self {
        let clock = Arc::new(TokioClock::new());
        let store = MemoryStore::new(clock.clone(), MemoryLimits::default()).unwrap();
        Self { relay: Relay::new(store, clock, config).unwrap() }
    }

    pub fn reach(&self) -> Arc<dyn Transport> {
        Arc::new(self.relay.transport())
    }

    pub async fn open(&self, name: &str) -> Guest {
        self.open_with(name, NewRoom::default()).await
    }

    pub async fn open_with(&self, name: &str, new: NewRoom) -> Guest {
        let mut guest = Guest::opening(self.reach(), name, new);
        guest.entered().await;
        guest
    }

    pub async fn join(&self, invite: &Invite, name: &str) -> Guest {
        let mut guest = Guest::knocking(self.reach(), invite, name);
        guest.entered().await;
        guest
    }

    /// Alice, who opened the room, and other guests who all see each other in the roster.
    pub async fn with(&self, names: &[&str]) -> Vec<Guest> {
        let mut guests = vec![self.open("Alice").await];
        for name in names {
            let invite = guests[0].invite();
            let newcomer = self.join(&invite, name).await;
            guests.push(newcomer);
            let members = guests.len();
            for guest in &mut guests {
                guest.sees_members(members).await;
            }
        }
        guests
    }
}

#[derive(Debug)]
pub struct Guest {
    pub client: Client,
    pub room: Room,
}

impl Guest {
    pub fn opening(reach: Arc<dyn Transport>, name: &str, new: NewRoom) -> Self {
        let (client, driver) = Client::new(reach);
        tokio::spawn(driver);
        let nickname = name.parse().unwrap();
        let room = client.create(&NewRoom { nickname, ..new }).unwrap();
        Self { client, room }
    }

    pub fn knocking(reach: Arc<dyn Transport>, invite: &Invite, name: &str) -> Self {
        let (client, driver) = Client::new(reach);
        tokio::spawn(driver);
        let room = client.join(invite, name.parse::<Nickname>().unwrap()).unwrap();
        Self { client, room }
    }

    pub async fn until<T>(&mut self, mut expected: impl FnMut(&RoomEvent) -> Option<T>) -> T {
        let mut seen = Vec::new();
        let waiting = async {
            while let Some(event) = self.room.next_event().await {
                if let Some(found) = expected(&event) {
                    return Some(found);
                }
                seen.push(format!("{event:?}"));
            }
            None
        };
        let found = tokio::time::timeout(PATIENCE, waiting).await;
        match found {
            Ok(Some(found)) => found,
            Ok(None) => panic!("the room ended before what was expected; seen: {seen:#?}"),
            Err(_) => panic!("what was expected did not come; seen: {seen:#?}"),
        }
    }

    pub async fn entered(&mut self) {
        self.until(|event| matches!(event, RoomEvent::Entered).then_some(())).await;
    }

    pub async fn message(&mut self) -> Message {
        self.until(|event| match event {
            RoomEvent::Message(message) => Some(message.clone()),
            _ => None,
        })
        .await
    }

    pub async fn hears(&mut self, text: &str) -> Message {
        self.until(|event| match event {
            RoomEvent::Message(message) if message.text.as_str() == text => Some(message.clone()),
            _ => None,
        })
        .await
    }

    pub async fn ends(&mut self) -> Ended {
        self.until(|event| match event {
            RoomEvent::Ended(ended) => Some(*ended),
            _ => None,
        })
        .await
    }

    /// Waits until the roster has this many members.
    pub async fn sees_members(&mut self, members: usize) {
        while self.room.view().members.len() != members {
            self.until(|_| Some(())).await;
        }
    }

    /// Returns all events within `time`.
    pub async fn meanwhile(&mut self, time: Duration) -> Vec<RoomEvent> {
        let mut events = Vec::new();
        let collecting = async {
            while let Some(event) = self.room.next_event().await {
                events.push(event);
            }
        };
        let _ = tokio::time::timeout(time, collecting).await;
        events
    }

    pub fn invite(&self) -> Invite {
        self.room.view().invite.unwrap()
    }

    pub fn me(&self) -> MemberId {
        self.room.view().me.unwrap()
    }

    pub fn does(&self, command: Command) {
        self.room.command(command).unwrap();
    }

    pub fn says(&self, text: &str, retention: Retention) {
        self.does(Command::Send { text: text.to_owned(), retention: Some(retention) });
    }

    pub fn kept(&self) -> Vec<String> {
        self.room.history().iter().map(|message| message.text.as_str().to_owned()).collect()
    }
}
