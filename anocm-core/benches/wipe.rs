//! Wiping everything at once: ten rooms of a thousand messages each. A relay in this process
//! carries the messages; filling the rooms is not timed.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

mod common;

use std::{sync::Arc, time::Duration};

use anocm_core::{
    NewRoom, RelayUrl, RoomEvent, TokioClock,
    client::{Client, ClientConfig, Room},
    relay::{Rate, Relay, RelayConfig},
    store::{MemoryLimits, MemoryStore},
};
use common::{letters, timed};
use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use tokio::runtime::Runtime;

const ROOMS: usize = 10;
const MESSAGES: usize = 1_000;
/// As many as may wait to be sent.
const AT_ONCE: usize = 200;

/// Rooms of one guest, each with its messages.
async fn filled() -> Vec<Room> {
    let clock = Arc::new(TokioClock::new());
    let store = MemoryStore::new(clock.clone(), MemoryLimits::default());
    let mut config = RelayConfig::default();
    let any = Rate { each: 1 << 40, per: Duration::from_secs(1), burst: 1 << 40 };
    (config.requests, config.bytes, config.creations) = (any, any, any);
    let relay = Relay::new(store, clock, config);
    let url = RelayUrl::parse("http://localhost/").unwrap();
    let (client, driver) = Client::new(url, Arc::new(relay.transport()), ClientConfig::default());
    tokio::spawn(driver.run());
    let mut rooms = Vec::new();
    for _ in 0..ROOMS {
        let mut room = client.create(&NewRoom::default()).unwrap();
        while !matches!(room.event().await, Some(RoomEvent::Entered)) {}
        talk(&mut room).await;
        rooms.push(room);
    }
    rooms
}

/// Says so many things that all stay in the history.
async fn talk(room: &mut Room) {
    let text = letters(100);
    for said in 0..MESSAGES {
        room.say(&text).unwrap();
        if said % AT_ONCE == AT_ONCE - 1 {
            for _ in 0..AT_ONCE {
                while !matches!(room.event().await, Some(RoomEvent::Message(_))) {}
            }
        }
    }
    assert_eq!(room.history().len(), MESSAGES);
}

fn wiping(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = c.benchmark_group("10 rooms of 1,000 messages");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(1)).measurement_time(Duration::from_millis(1));
    group.bench_function("wipe", |b| {
        b.iter_custom(|iters| {
            (0..iters)
                .map(|_| {
                    let rooms = runtime.block_on(filled());
                    timed(|| rooms.iter().for_each(Room::wipe)).0
                })
                .sum()
        });
    });
    group.bench_function("drop", |b| {
        b.iter_custom(|iters| {
            (0..iters)
                .map(|_| {
                    let rooms = runtime.block_on(filled());
                    timed(|| drop(rooms)).0
                })
                .sum()
        });
    });
    group.finish();
}

criterion_group!(wipe, wiping);
criterion_main!(wipe);
