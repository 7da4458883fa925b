//! Expired contents are nowhere in the memory of the process any more.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use anocm_core::{
    Command, NewRoom, RelayUrl, Retention, RoomEvent,
    client::{Client, Room},
    testing::network::{Direction, Network},
    transport::{Link, Transport, TransportError},
};
use anocm_guard::testing::{occurrences, was_run_as_root};
use anocm_ws::client::{WsOptions, WsTransport};
use async_trait::async_trait;
use common::{Server, redis};

const MESSAGES: usize = 1_000;
const MARKER: usize = 32;

/// Parts of sealed entries, as sent on the wire.
type Markers = Arc<Mutex<Vec<Vec<u8>>>>;

/// Waits for an event. Returns how many messages have expired meanwhile.
async fn until(room: &mut Room, expected: impl Fn(&RoomEvent) -> bool) -> usize {
    let mut expired = 0;
    loop {
        let event = room.next_event().await.unwrap();
        expired += usize::from(matches!(event, RoomEvent::Expired { .. }));
        if expected(&event) {
            return expired;
        }
    }
}

/// Connects to one of several relays that share one URL.
struct KnownAs<T>(RelayUrl, T);

#[async_trait]
impl<T: Transport> Transport for KnownAs<T> {
    fn relay(&self) -> &RelayUrl {
        &self.0
    }

    async fn connect(&self) -> Result<Box<dyn Link>, TransportError> {
        self.1.connect().await
    }
}

/// A guest connected to one of the relays that share one URL.
fn guest(network: &Network, line: usize, known_as: &RelayUrl, url: &RelayUrl) -> Client {
    let transport = Arc::new(WsTransport::new(url, WsOptions::default()).unwrap());
    let transport = Arc::new(KnownAs(known_as.clone(), network.transport(line, transport)));
    let (client, driver) = Client::new(transport);
    tokio::spawn(driver);
    client
}

/// Lets two guests talk, each at its own relay, until all messages have expired. Their sealed bytes
/// must then be gone from all of these processes within `within`.
async fn talk_and_search(urls: [&str; 2], pids: &[u32], within: Duration) {
    let urls = urls.map(|url| RelayUrl::parse(url).unwrap());
    let network = Network::new(1, Duration::ZERO);
    let markers = Markers::default();
    let into = markers.clone();
    network.inspect(Arc::new(move |direction, frame| {
        if direction == Direction::Up && (1_000..1_200).contains(&frame.len()) {
            let middle = frame.len() / 2;
            into.lock().unwrap().push(frame[middle..middle + MARKER].to_vec());
        }
    }));
    let mut hers = guest(&network, 0, &urls[0], &urls[0]).create(&NewRoom::default()).unwrap();
    until(&mut hers, |event| matches!(event, RoomEvent::Entered)).await;
    let invite = hers.view().invite.unwrap();
    let mut his =
        guest(&network, 1, &urls[0], &urls[1]).join(&invite, "Bob".parse().unwrap()).unwrap();
    until(&mut his, |event| matches!(event, RoomEvent::Entered)).await;

    let found = |markers: &[Vec<u8>]| -> Vec<_> {
        pids.iter().flat_map(|&pid| occurrences(pid, markers).unwrap()).collect()
    };
    // Kept entries can be found in memory.
    let taken = || std::mem::take(&mut *markers.lock().unwrap());
    taken();
    hers.send("kept for longer").unwrap();
    until(&mut his, |event| matches!(event, RoomEvent::Message(_))).await;
    assert!(!found(&taken()).is_empty());

    let short = Retention::keep(Duration::from_secs(2)).ok();
    let said = |event: &RoomEvent| matches!(event, RoomEvent::Message(_));
    let mut expired = 0;
    for n in 0..MESSAGES {
        hers.command(Command::Send { text: format!("number {n}"), retention: short }).unwrap();
        until(&mut hers, said).await;
        expired += until(&mut his, said).await;
    }
    let markers = taken();
    assert!(markers.len() >= MESSAGES);
    while expired < MESSAGES {
        expired += until(&mut his, |event| matches!(event, RoomEvent::Expired { .. })).await;
    }
    // It is another process: polling is the only way.
    let gone = async {
        while !found(&markers).is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    if tokio::time::timeout(within, gone).await.is_err() {
        assert_eq!(found(&markers), []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_sealed_outlives_its_time_in_the_relay() {
    if was_run_as_root("nothing_sealed_outlives_its_time_in_the_relay") {
        return;
    }
    let server = Server::start(&["--requests-per-second", "10000"]);
    let (url, pid) = (server.url.as_str(), server.pid());
    // The entry expires a moment later by the relay's clock than by Bob's.
    talk_and_search([url, url], &[pid], Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_sealed_outlives_its_time_in_two_relays_and_their_redis() {
    if was_run_as_root("nothing_sealed_outlives_its_time_in_two_relays_and_their_redis") {
        return;
    }
    let store = redis::Server::start(&[]);
    let relay = || Server::start(&["--requests-per-second=10000", "--store", &store.url()]);
    let (hers, his) = (relay(), relay());
    let pids = [hers.pid(), his.pid(), store.pid()];
    // Buffers are overwritten every few seconds.
    let within = Duration::from_secs(30);
    talk_and_search([&hers.url, &his.url], &pids, within).await;
}
