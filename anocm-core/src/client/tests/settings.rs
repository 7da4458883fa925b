//! The transport alone names the relay, and invalid settings are refused where they are set.

use std::{sync::Arc, time::Duration};

use super::{Nowhere, url};
use crate::{
    client::{Client, ClientConfig, ClientError},
    invite::RelayUrl,
    relay::{Relay, RelayConfig},
    room::{NewRoom, RoomEvent},
    store::{MemoryLimits, MemoryStore},
    time::TokioClock,
    transport::Transport,
    wire::Refusal,
};

/// A relay in this process that guests know as `url`.
fn known_as(url: &str) -> Arc<dyn Transport> {
    let clock = Arc::new(TokioClock::new());
    let store = MemoryStore::new(clock.clone(), MemoryLimits::default()).unwrap();
    let relay = Relay::new(store, clock, RelayConfig::default()).unwrap();
    Arc::new(relay.transport().known_as(RelayUrl::parse(url).unwrap()))
}

#[tokio::test]
async fn an_invite_names_the_relay_that_the_transport_reaches() {
    let transport = known_as("https://a.example/");
    let (client, driver) = Client::new(transport);
    tokio::spawn(driver);
    let room = client.create(&NewRoom::default()).unwrap();
    room.entered().await.unwrap();
    let invite = room.view().invite.unwrap();
    assert_eq!(invite.relay().to_string(), "https://a.example/");
    let (other, _driver) = Client::new(known_as("https://b.example/"));
    let refused = other.join(&invite, "Bob".parse().unwrap());
    assert_eq!(refused.err(), Some(ClientError::OtherRelay));
}

#[test]
fn a_client_that_cannot_work_is_refused_by_the_name_of_the_setting() {
    let refused = |change: fn(&mut ClientConfig)| {
        let mut config = ClientConfig::default();
        change(&mut config);
        Client::with_config(Nowhere(url()), config).err().unwrap().field
    };
    assert_eq!(refused(|config| config.greeting_timeout = Duration::ZERO), "greeting_timeout");
    assert_eq!(refused(|config| config.greeting_timeout = Duration::MAX), "greeting_timeout");
    assert_eq!(refused(|config| config.connect_timeout = Duration::ZERO), "connect_timeout");
    assert_eq!(refused(|config| config.answer_timeout = Duration::ZERO), "answer_timeout");
    assert_eq!(refused(|config| config.max_backoff = Duration::MAX), "max_backoff");
    assert_eq!(refused(|config| config.max_rooms = 0), "max_rooms");
    assert_eq!(refused(|config| config.rooms.max_history = 0), "rooms.max_history");
    assert_eq!(refused(|config| config.rooms.max_waiting = 0), "rooms.max_waiting");
}

#[test]
fn a_relay_or_a_store_that_cannot_work_is_refused_by_the_name_of_the_setting() {
    let clock = || Arc::new(TokioClock::new());
    let store = |limits| MemoryStore::new(clock(), limits);
    let error = store(MemoryLimits { max_rooms: 0, ..MemoryLimits::default() }).unwrap_err();
    assert_eq!(error.to_string(), "max_rooms must be at least 1");
    let error = store(MemoryLimits { max_bytes: 4_095, ..MemoryLimits::default() }).unwrap_err();
    assert_eq!(error.to_string(), "max_bytes must be at least 4096");
    let config = RelayConfig { max_connections: 0, ..RelayConfig::default() };
    let store = store(MemoryLimits::default()).unwrap();
    let error = Relay::new(store, clock(), config).unwrap_err();
    assert_eq!(error.field, "max_connections");
}

#[test]
fn a_room_that_cannot_be_is_refused_by_the_name_of_the_setting() {
    let (client, _driver) = Client::new(Nowhere(url()));
    let refused = |change: fn(&mut NewRoom)| {
        let mut new = NewRoom::default();
        change(&mut new);
        match client.create(&new) {
            Err(ClientError::Setting(error)) => error.field,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(|new| new.linger = Duration::ZERO), "linger");
    assert_eq!(refused(|new| new.linger = Duration::MAX), "linger");
    assert_eq!(refused(|new| new.max_age = Duration::ZERO), "max_age");
    assert_eq!(refused(|new| new.max_age = Duration::MAX), "max_age");
    assert_eq!(refused(|new| new.max_entries = 0), "max_entries");
    assert_eq!(refused(|new| new.max_entries = u32::MAX), "max_entries");
    assert_eq!(refused(|new| new.max_bytes = 0), "max_bytes");
    assert_eq!(refused(|new| new.max_bytes = u64::MAX), "max_bytes");
}

#[test]
fn a_room_too_many_is_refused_by_the_client_and_one_that_ended_makes_room() {
    let config = ClientConfig { max_rooms: 2, ..ClientConfig::default() };
    let (client, _driver) = Client::with_config(Nowhere(url()), config).unwrap();
    let open = || client.create(&NewRoom::default());
    let (first, _second) = (open().unwrap(), open().unwrap());
    assert_eq!(open().err(), Some(ClientError::TooManyRooms { limit: 2 }));
    first.wipe();
    assert!(open().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_room_that_has_to_wait_for_others_of_its_client_says_so() {
    let (client, driver) = Client::new(known_as("https://a.example/"));
    tokio::spawn(driver);
    let mut delayed = 0;
    for _ in 0..13 {
        let mut room = client.create(&NewRoom::default()).unwrap();
        while let Some(event) = room.next_event().await {
            match event {
                RoomEvent::Entered => break,
                RoomEvent::Delayed { why: Refusal::Busy { .. }, retry_in } => {
                    assert!(!retry_in.is_zero());
                    delayed += 1;
                }
                _ => {}
            }
        }
        // It stays open.
        std::mem::drop(tokio::spawn(async move { while room.next_event().await.is_some() {} }));
    }
    assert!(delayed >= 3, "{delayed}");
}
