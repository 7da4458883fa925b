//! A machine that slept.

use std::{sync::Arc, time::Duration};

use anocm_core::{
    Command, NewRoom, RelayUrl, Retention, RoomEvent, TokioClock,
    client::{Client, ClientConfig},
    relay::{Relay, RelayConfig},
    store::{MemoryLimits, MemoryStore},
    testing::ManualClock,
};

#[tokio::test]
async fn what_fell_due_meanwhile_is_not_shown_even_before_it_is_wiped() {
    let clock = Arc::new(TokioClock::new());
    let store = MemoryStore::new(clock.clone(), MemoryLimits::default());
    let relay = Relay::new(store, clock, RelayConfig::default());
    let url = RelayUrl::parse("http://localhost/").unwrap();
    let clock = Arc::new(ManualClock::new());
    let config = ClientConfig::new(clock.clone());
    let (client, driver) = Client::new(url, Arc::new(relay.transport()), config);
    tokio::spawn(driver.run());

    let mut room = client.create(&NewRoom::default()).unwrap();
    room.entered().await.unwrap();
    let minutes = Duration::from_secs(300);
    let retention = Some(Retention::keep(minutes).unwrap());
    room.command(Command::Say { text: "soon gone".to_owned(), retention }).unwrap();
    while !matches!(room.event().await, Some(RoomEvent::Message(_))) {}
    assert_eq!(room.history().len(), 1);

    // Nothing else runs before the next wait.
    clock.advance(minutes);
    assert!(room.history().is_empty());
    while !matches!(room.event().await, Some(RoomEvent::Expired { .. })) {}
}
