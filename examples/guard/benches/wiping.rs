//! How long it takes until nothing is left: ten rooms with a thousand messages each are wiped, in
//! a process whose freed memory is overwritten. `cargo bench -p anocm-guard`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark measures and tells"
)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anocm_core::{
    NewRoom, RelayUrl, RoomEvent, TokioClock,
    client::{Client, ClientConfig, Room},
    relay::{Rate, Relay, RelayConfig},
    store::{MemoryLimits, MemoryStore},
};
use anocm_guard as _;

const ROOMS: usize = 10;
const MESSAGES: usize = 1_000;
const RUNS: usize = 11;

/// What is done to have nothing left.
type Way = fn(Vec<Room>);

const WAYS: [(&str, Way); 2] = [
    ("wipe()", |rooms| {
        rooms.iter().for_each(Room::wipe);
        // Wiped before they are dropped.
        drop(rooms);
    }),
    ("drop", drop),
];

fn main() {
    for (name, way) in WAYS {
        let mut times: Vec<_> = (0..RUNS).map(|_| measure(way)).collect();
        times.sort();
        let median = times.get(RUNS / 2).unwrap();
        println!("{name}, {ROOMS} rooms of {MESSAGES} messages: {median:?}; all: {times:?}");
    }
}

/// From the call to the end of all tasks.
fn measure(way: Way) -> Duration {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.unwrap();
    let (client, rooms) = runtime.block_on(talk());
    let since = Instant::now();
    way(rooms);
    runtime.block_on(client.shutdown());
    drop(runtime);
    since.elapsed()
}

/// A guest in rooms in which everything is said.
async fn talk() -> (Client, Vec<Room>) {
    let clock = Arc::new(TokioClock::new());
    let store = MemoryStore::new(clock.clone(), MemoryLimits::default());
    let mut config = RelayConfig::default();
    let plenty = Rate { each: 1 << 30, per: Duration::from_secs(1), burst: 1 << 30 };
    (config.requests, config.bytes) = (plenty, plenty);
    let relay = Relay::new(store, clock, config);
    let url = RelayUrl::parse("http://localhost/").unwrap();
    let transport = Arc::new(relay.transport());
    let (client, driver) = Client::new(url, transport, ClientConfig::default());
    tokio::spawn(driver.run());
    let mut rooms = Vec::new();
    for _ in 0..ROOMS {
        let mut room = client.create(&NewRoom::default()).unwrap();
        heard(&mut room, |event| matches!(event, RoomEvent::Entered)).await;
        for number in 0..MESSAGES {
            room.say(&format!("message number {number}, {}", "and so on, ".repeat(20))).unwrap();
            heard(&mut room, |event| matches!(event, RoomEvent::Message(_))).await;
        }
        assert_eq!(room.history().len(), MESSAGES);
        rooms.push(room);
    }
    (client, rooms)
}

async fn heard(room: &mut Room, expected: impl Fn(&RoomEvent) -> bool) {
    while !expected(&room.event().await.unwrap()) {}
}
