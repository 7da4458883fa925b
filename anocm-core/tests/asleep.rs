//! A machine that was suspended, and a program that was stopped.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anocm_core::{
    Command, NewRoom, RelayUrl, Retention, RoomEvent, TokioClock,
    client::{Client, ClientConfig},
    relay::{Relay, RelayConfig},
    store::{MemoryLimits, MemoryStore},
    testing::ManualClock,
    transport::{Link, Transport, TransportError},
};
use async_trait::async_trait;
use common::{Guest, Stage, seconds};
use tokio::sync::watch;

#[tokio::test]
async fn what_fell_due_meanwhile_is_not_shown_even_before_it_is_wiped() {
    let clock = Arc::new(TokioClock::new());
    let store = MemoryStore::new(clock.clone(), MemoryLimits::default()).unwrap();
    let relay = Relay::new(store, clock, RelayConfig::default()).unwrap();
    let clock = Arc::new(ManualClock::new());
    let config = ClientConfig::new(clock.clone());
    let (client, driver) = Client::with_config(relay.transport(), config).unwrap();
    tokio::spawn(driver);

    let mut room = client.create(&NewRoom::default()).unwrap();
    room.entered().await.unwrap();
    let minutes = Duration::from_secs(300);
    let retention = Some(Retention::keep(minutes).unwrap());
    room.command(Command::Send { text: "soon gone".to_owned(), retention }).unwrap();
    while !matches!(room.next_event().await, Some(RoomEvent::Message(_))) {}
    assert_eq!(room.history().len(), 1);

    // No other task runs before the next await.
    clock.advance(minutes);
    assert!(room.history().is_empty());
    while !matches!(room.next_event().await, Some(RoomEvent::Expired { .. })) {}
}

/// Stops a program as a whole, as an app freezer or a debugger does: while it is stopped, its
/// future is not polled, and incoming frames wait.
struct Stoppable<F> {
    program: Pin<Box<F>>,
    stopped: watch::Receiver<bool>,
}

impl<F: Future<Output = ()>> Stoppable<F> {
    async fn run(mut self) {
        loop {
            let _ = self.stopped.wait_for(|stopped| !stopped).await;
            tokio::select! {
                biased;
                // Checked before the program is polled again.
                _ = self.stopped.wait_for(|stopped| *stopped) => {}
                () = &mut self.program => return,
            }
        }
    }
}

/// Bob's program, which can be stopped, in Alice's room.
struct Stopped {
    stage: Stage,
    alice: Guest,
    bob: Guest,
    stop: watch::Sender<bool>,
}

impl Stopped {
    async fn with(connects: &Arc<AtomicUsize>) -> Self {
        let stage = Stage::new();
        let mut alice = stage.open("Alice").await;
        let counting = Counting { inner: stage.reach(), connects: connects.clone() };
        let (client, driver) = Client::new(counting);
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(Stoppable { program: Box::pin(driver), stopped }.run());
        let room = client.join(&alice.invite(), "Bob".parse().unwrap()).unwrap();
        let mut bob = Guest { client, room };
        bob.sees_members(2).await;
        alice.sees_members(2).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        Self { stage, alice, bob, stop }
    }

    /// Returns what Bob is shown of Alice's messages if his program stops before she sends them and
    /// continues after `later`: each text, and its remaining retention in seconds.
    async fn shows(mut self, words: &[(&str, Retention)], later: Duration) -> Vec<(String, u64)> {
        self.stop.send_replace(true);
        for (text, retention) in words {
            let (text, retention) = ((*text).to_owned(), Some(*retention));
            self.alice.room.command(Command::Send { text, retention }).unwrap();
            self.alice.message().await;
        }
        tokio::time::sleep(later).await;
        self.stop.send_replace(false);
        self.alice.room.send("last").unwrap();
        let mut shown = Vec::new();
        loop {
            let message = self.bob.message().await;
            if message.text.as_str() == "last" {
                drop(self.stage);
                return shown;
            }
            let left = message.expires.unwrap().saturating_duration_since(self.bob.room.now());
            let seconds = (left + Duration::from_millis(500)).as_secs();
            shown.push((message.text.as_str().to_owned(), seconds));
        }
    }
}

/// Counts connections.
struct Counting {
    inner: Arc<dyn Transport>,
    connects: Arc<AtomicUsize>,
}

#[async_trait]
impl Transport for Counting {
    fn relay(&self) -> &RelayUrl {
        self.inner.relay()
    }

    async fn connect(&self) -> Result<Box<dyn Link>, TransportError> {
        self.connects.fetch_add(1, Ordering::Relaxed);
        self.inner.connect().await
    }
}

#[tokio::test(start_paused = true)]
async fn what_waited_for_a_stopped_program_is_not_taken_for_new() {
    let connects = Arc::new(AtomicUsize::new(0));
    let stopped = Stopped::with(&connects).await;
    let words = [("short", seconds(5)), ("live", Retention::Live), ("long", seconds(600))];
    let shown = stopped.shows(&words, Duration::from_secs(40)).await;
    assert_eq!(shown, [("long".to_owned(), 560)]);
    assert_eq!(connects.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stop_of_two_seconds_is_noticed() {
    let connects = Arc::new(AtomicUsize::new(0));
    let stopped = Stopped::with(&connects).await;
    let shown = stopped.shows(&[("short", seconds(2))], Duration::from_secs(2)).await;
    assert_eq!(shown, []);
    assert_eq!(connects.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_program_that_runs_keeps_its_connection() {
    let connects = Arc::new(AtomicUsize::new(0));
    let stopped = Stopped::with(&connects).await;
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    let Stopped { alice, mut bob, .. } = stopped;
    alice.says("live", Retention::Live);
    bob.hears("live").await;
    assert_eq!(connects.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_fell_due_before_it_was_fetched_is_not_shown() {
    let clock = Arc::new(TokioClock::new());
    let store = MemoryStore::new(clock.clone(), MemoryLimits::default()).unwrap();
    let relay = Relay::new(store, clock, RelayConfig::default()).unwrap();
    let clock = Arc::new(ManualClock::new());
    let config = ClientConfig::new(clock.clone());
    let (client, driver) = Client::with_config(relay.transport(), config).unwrap();
    tokio::spawn(driver);
    let room = client.create(&NewRoom::default()).unwrap();
    room.entered().await.unwrap();
    room.command(Command::Send { text: "soon gone".to_owned(), retention: Some(seconds(5)) })
        .unwrap();
    while room.history().is_empty() {
        tokio::task::yield_now().await;
    }
    // The driver does not run before the events are fetched.
    clock.advance(Duration::from_secs(5));
    let texts = std::iter::from_fn(|| room.try_event());
    assert_eq!(texts.filter(|event| matches!(event, RoomEvent::Message(_))).count(), 0);
}
