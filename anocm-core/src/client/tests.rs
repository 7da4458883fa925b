//! Rooms, drivers and callers do not block each other.

mod interface;
mod settings;

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Wake, Waker},
    thread,
    time::Duration,
};

use async_trait::async_trait;

use super::{Client, ClientConfig, Room};
use crate::{
    id::RoomAddress,
    invite::{Invite, RelayUrl},
    relay::{Relay, RelayConfig},
    room::{Command, Connection, Ended, NewRoom, RoomEvent},
    secret::{Payload, Secret},
    store::{MemoryLimits, MemoryStore},
    time::TokioClock,
    transport::{Closing, Link, Transport, TransportError, TrySend},
    wire::{Hello, Posture, RelayHello, VERSION},
};

// For the test with real threads, in real time.
const THREADS: u8 = 8;
/// Rooms that each thread opens and ends.
const ROUNDS: u16 = 1_000;
/// Far longer than the whole test takes: a thread that is not done by then is deadlocked.
const PATIENCE: Duration = Duration::from_secs(10);

/// Never connects and never gives up: rooms need no relay to begin and to end.
struct Nowhere(RelayUrl);

#[async_trait]
impl Transport for Nowhere {
    fn relay(&self) -> &RelayUrl {
        &self.0
    }

    async fn connect(&self) -> Result<Box<dyn Link>, TransportError> {
        std::future::pending().await
    }
}

fn url() -> RelayUrl {
    RelayUrl::parse("http://localhost/").unwrap()
}

fn invite(thread: u8, round: u16) -> Invite {
    let mut address = [thread; 16];
    address[..2].copy_from_slice(&round.to_be_bytes());
    Invite::new(url(), RoomAddress::new(address), Secret::new([7; 32]))
}

/// Opens one room after the other, and ends each some rounds later.
fn come_and_go(client: &Client, thread: u8) {
    let mut open = VecDeque::new();
    for round in 0..ROUNDS {
        let room = if round % 100 == 0 {
            client.create(&NewRoom::default())
        } else {
            client.join(&invite(thread, round), "Bob".parse().unwrap())
        };
        open.push_back(room.unwrap());
        if open.len() > 16 {
            let room = open.pop_front().unwrap();
            room.wipe();
        }
    }
}

#[test]
fn ended_rooms_do_not_delay_new_rooms() {
    // In a single run the threads may finish without ever contending.
    for _ in 0..4 {
        a_crowd_comes_and_goes();
    }
}

fn a_crowd_comes_and_goes() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build();
    let runtime = runtime.unwrap();
    let config = ClientConfig { max_rooms: usize::MAX, ..ClientConfig::default() };
    let (client, driver) = Client::with_config(Nowhere(url()), config).unwrap();
    runtime.spawn(driver);
    let (done, finished) = mpsc::channel();
    for thread in 0..THREADS {
        let (client, done) = (client.clone(), done.clone());
        // Not scoped: a thread that hangs must not keep the test from failing.
        thread::spawn(move || {
            come_and_go(&client, thread);
            done.send(()).unwrap();
        });
    }
    let all_done = (0..THREADS).all(|_| finished.recv_timeout(PATIENCE).is_ok());
    let ended = all_done
        && runtime
            .block_on(async { tokio::time::timeout(PATIENCE, client.shutdown()).await })
            .is_ok();
    // Does not wait for tasks, since one of them may hang.
    runtime.shutdown_background();
    assert!(all_done, "the rooms and their driver wait for each other");
    assert!(ended, "the driver waits for ever");
}

/// Violates the protocol after its greeting, and never completes a close.
struct Rude(RelayUrl);

#[async_trait]
impl Transport for Rude {
    fn relay(&self) -> &RelayUrl {
        &self.0
    }

    async fn connect(&self) -> Result<Box<dyn Link>, TransportError> {
        Ok(Box::new(RudeLink(AtomicBool::new(false))))
    }
}

struct RudeLink(AtomicBool);

#[async_trait]
impl Link for RudeLink {
    async fn send(&self, _: &[Payload]) -> Result<(), TransportError> {
        Ok(())
    }

    fn try_send(&self, frames: &[Payload]) -> TrySend {
        TrySend { accepted: frames.len(), pending: false }
    }

    async fn recv(&self) -> Result<Option<Payload>, TransportError> {
        let greeted = self.0.swap(true, Ordering::Relaxed);
        let (version, posture) = (VERSION, Posture::Unknown);
        let hello = RelayHello::Welcome { version, posture }.to_frame();
        Ok(Some(if greeted { Payload::from(vec![0xFF]) } else { hello }))
    }

    async fn close(&self, _: Closing) {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_never_closes_delays_no_shutdown() {
    let rude = Arc::new(Rude(url()));
    let (client, driver) = Client::new(rude);
    tokio::spawn(driver);
    let mut room = client.create(&NewRoom::default()).unwrap();
    let given_up = async {
        while let Some(event) = room.next_event().await {
            if matches!(event, RoomEvent::Connection(Connection::Waiting { .. })) {
                break;
            }
        }
        client.shutdown().await;
    };
    tokio::time::timeout(PATIENCE, given_up).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn everybody_who_waits_at_a_room_hears_that_it_is_over() {
    let (client, driver) = Client::new(Nowhere(url()));
    tokio::spawn(driver);
    let room = client.join(&invite(0, 0), "Bob".parse().unwrap()).unwrap();
    let all = async {
        tokio::join!(room.entered(), room.entered(), room.ended(), async {
            while room.ready().await {
                room.try_event();
            }
            room.ready().await
        })
    };
    let wiped = async {
        // After all of them have started to wait.
        tokio::task::yield_now().await;
        room.wipe();
    };
    let both = async { tokio::join!(all, wiped) };
    let (heard, ()) = tokio::time::timeout(PATIENCE, both).await.unwrap();
    assert_eq!(heard, (Err(Ended::Wiped), Err(Ended::Wiped), Ended::Wiped, false));
    assert_eq!(room.view().ended, Some(Ended::Wiped));
}

#[tokio::test]
async fn who_waits_to_be_in_hears_it_and_no_event_is_lost() {
    let clock = Arc::new(TokioClock::new());
    let store = MemoryStore::new(clock.clone(), MemoryLimits::default()).unwrap();
    let relay = Relay::new(store, clock, RelayConfig::default()).unwrap();
    let transport = Arc::new(relay.transport());
    let (client, driver) = Client::new(transport);
    tokio::spawn(driver);
    let mut room = client.create(&NewRoom::default()).unwrap();
    tokio::time::timeout(PATIENCE, room.entered()).await.unwrap().unwrap();
    assert!(room.view().me.is_some());
    let mut entered = 0;
    room.command(Command::Leave).unwrap();
    while let Some(event) = room.next_event().await {
        entered += u8::from(matches!(event, RoomEvent::Entered));
    }
    assert_eq!((entered, room.ended().await), (1, Ended::Left));
}

/// Counts connections; the first `failing` attempts fail.
struct Counting<T> {
    inner: T,
    failing: usize,
    connections: Arc<AtomicUsize>,
}

#[async_trait]
impl<T: Transport> Transport for Counting<T> {
    fn relay(&self) -> &RelayUrl {
        self.inner.relay()
    }

    async fn connect(&self) -> Result<Box<dyn Link>, TransportError> {
        if self.connections.fetch_add(1, Ordering::Relaxed) < self.failing {
            return Err(TransportError::Unreachable);
        }
        self.inner.connect().await
    }
}

/// A client at a relay, and a counter of its connections.
fn counted(failing: usize, config: ClientConfig) -> (Client, Arc<AtomicUsize>) {
    let clock = Arc::new(TokioClock::new());
    let store = MemoryStore::new(clock.clone(), MemoryLimits::default()).unwrap();
    let relay = Relay::new(store, clock, RelayConfig::default()).unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let inner = relay.transport();
    let transport = Counting { inner, failing, connections: connections.clone() };
    let (client, driver) = Client::with_config(transport, config).unwrap();
    tokio::spawn(driver);
    (client, connections)
}

async fn until(room: &mut Room, is_it: impl Fn(&RoomEvent) -> bool) {
    while !is_it(&room.next_event().await.expect("the room is over")) {}
}

#[tokio::test(start_paused = true)]
async fn an_open_connection_is_made_anew_when_asked() {
    let (client, connections) = counted(0, ClientConfig::default());
    let mut room = client.create(&NewRoom::default()).unwrap();
    let online = |event: &RoomEvent| matches!(event, RoomEvent::Connection(Connection::Online));
    until(&mut room, online).await;
    let before = tokio::time::Instant::now();
    client.reconnect();
    room.send("meanwhile").unwrap();
    until(&mut room, |event| matches!(event, RoomEvent::Connection(Connection::Connecting))).await;
    until(&mut room, |event| matches!(event, RoomEvent::Message(_))).await;
    assert_eq!(connections.load(Ordering::Relaxed), 2);
    assert!(before.elapsed() < Duration::from_secs(1));
    // Once, and not repeatedly.
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(connections.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn reconnect_skips_the_backoff() {
    let failing = 12;
    let (client, connections) = counted(failing, ClientConfig::default());
    let mut room = client.create(&NewRoom::default()).unwrap();
    let before = tokio::time::Instant::now();
    for _ in 0..failing {
        let waits =
            |event: &RoomEvent| matches!(event, RoomEvent::Connection(Connection::Waiting { .. }));
        until(&mut room, waits).await;
        client.reconnect();
    }
    room.entered().await.unwrap();
    assert_eq!(connections.load(Ordering::Relaxed), failing + 1);
    // All the delays together would take more than a minute.
    assert!(before.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_client_without_rooms_does_not_connect() {
    let (client, connections) = counted(0, ClientConfig::default());
    client.reconnect();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(connections.load(Ordering::Relaxed), 0);
}

/// A waker that polls its task inline, on the thread that wakes it.
struct Inline {
    program: Mutex<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// Number of wake-ups that are not handled yet.
    wakes: AtomicUsize,
}

impl Wake for Inline {
    fn wake(self: Arc<Self>) {
        if self.wakes.fetch_add(1, Ordering::AcqRel) > 0 {
            return;
        }
        let waker = self.clone().into();
        let mut wakes = 1;
        while wakes > 0 {
            let mut program = self.program.lock().unwrap();
            let _ = program.as_mut().poll(&mut Context::from_waker(&waker));
            drop(program);
            wakes = self.wakes.fetch_sub(wakes, Ordering::AcqRel) - wakes;
        }
    }
}

#[test]
fn a_waker_that_polls_at_once_finds_nothing_locked() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build();
    let runtime = runtime.unwrap();
    let inside = runtime.enter();
    let (client, _) = counted(0, ClientConfig::default());
    let mut room = client.create(&NewRoom::default()).unwrap();
    let (hears, heard) = mpsc::channel();
    let program = async move {
        while let Some(event) = room.next_event().await {
            // Uses the room after every event, sometimes when the room has already ended.
            let _ = (room.view(), room.send("x"));
            if matches!(event, RoomEvent::Message(_) | RoomEvent::Ended(_)) {
                hears.send(room.view().ended).unwrap();
            }
        }
    };
    let wakes = AtomicUsize::new(0);
    Waker::from(Arc::new(Inline { program: Mutex::new(Box::pin(program)), wakes })).wake();
    let talked = (0..20).all(|_| heard.recv_timeout(PATIENCE).is_ok());
    // Notified by the driver when it ends.
    let ends = client.clone();
    runtime.spawn(async move { ends.shutdown().await });
    let ended = talked
        && std::iter::from_fn(|| heard.recv_timeout(PATIENCE).ok())
            .any(|ended| ended == Some(Ended::Wiped));
    drop(inside);
    // Does not wait for tasks, since one of them may hang.
    runtime.shutdown_background();
    assert!(talked, "the driver waits for who goes on where it wakes them");
    assert!(ended, "the driver does not end");
}
