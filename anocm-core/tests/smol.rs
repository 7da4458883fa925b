//! Clients on a runtime that is not tokio's: the executor and the timers that smol is made of.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anocm_core::{
    Clock, Command, ContinuousClock, NewRoom, RelayUrl, Retention, RoomEvent, Timestamp,
    TokioClock,
    client::{Client, ClientConfig, Room},
    relay::{Relay, RelayConfig},
    store::{MemoryLimits, MemoryStore},
    transport::{InProcess, Link, Transport, TransportError},
};
use async_executor::{Executor, Task};
use async_io::Timer;
use async_trait::async_trait;
use tokio::runtime::{Builder, Handle, Runtime};

/// The longest that a test may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// The clock of async-io's timers.
struct AsyncIoClock {
    origin: Instant,
}

impl AsyncIoClock {
    #[expect(clippy::disallowed_methods, reason = "this is a clock that drivers ask")]
    fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

#[async_trait]
impl Clock for AsyncIoClock {
    fn now(&self) -> Timestamp {
        Timestamp::ZERO.saturating_add(self.origin.elapsed())
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        Timer::after(deadline.saturating_duration_since(self.now())).await;
    }
}

/// A relay in threads of its own, with the tokio runtime that it needs.
struct TokioRelay {
    relay: Arc<Relay>,
    runtime: Runtime,
}

impl TokioRelay {
    fn start() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        let clock = Arc::new(TokioClock::new());
        let store = MemoryStore::new(clock.clone(), MemoryLimits::default()).unwrap();
        let relay = Relay::new(store, clock, RelayConfig::default()).unwrap();
        Self { relay, runtime }
    }

    /// A transport to it that any thread may use, and whose first attempt fails.
    fn transport(&self) -> Arc<dyn Transport> {
        let (relay, runtime) = (self.relay.clone(), self.runtime.handle().clone());
        let accept = move |link: Box<dyn Link>| {
            let relay = relay.clone();
            drop(runtime.spawn(async move { relay.serve(link).await }));
        };
        Arc::new(SecondTry { inner: InProcess::new(accept), tried: AtomicBool::new(false) })
    }
}

struct SecondTry {
    inner: InProcess,
    tried: AtomicBool,
}

#[async_trait]
impl Transport for SecondTry {
    fn relay(&self) -> &RelayUrl {
        self.inner.relay()
    }

    async fn connect(&self) -> Result<Box<dyn Link>, TransportError> {
        if self.tried.swap(true, Ordering::Relaxed) {
            self.inner.connect().await
        } else {
            Err(TransportError::Unreachable)
        }
    }
}

/// A client, and its driver as a task.
fn client(relay: &TokioRelay, executor: &Executor<'_>) -> (Client, Task<()>) {
    let clock = ContinuousClock::over(AsyncIoClock::new());
    let config = ClientConfig::new(Arc::new(clock));
    let (client, driver) = Client::with_config(relay.transport(), config).unwrap();
    (client, executor.spawn(driver))
}

/// Waits for an event for which `is_it` holds.
async fn wait_for(room: &mut Room, is_it: impl Fn(&RoomEvent) -> bool) {
    while !is_it(&room.next_event().await.unwrap()) {}
}

#[test]
fn two_members_talk_without_a_tokio_runtime() {
    let relay = TokioRelay::start();
    let executor = Executor::new();
    let talk = async {
        assert!(Handle::try_current().is_err(), "not within a tokio runtime");
        // Each connects at the second attempt, after a back-off on this runtime's timer.
        let (alice, alices) = client(&relay, &executor);
        let mut hers = alice.create(&NewRoom::default()).unwrap();
        hers.entered().await.unwrap();
        let (bob, bobs) = client(&relay, &executor);
        let mut his = bob.join(&hers.view().invite.unwrap(), "Bob".parse().unwrap()).unwrap();
        his.entered().await.unwrap();

        // What arrives expires, on this runtime's timer as well.
        let retention = Some(Retention::keep(Duration::from_secs(1)).unwrap());
        hers.command(Command::Send { text: "soon gone".to_owned(), retention }).unwrap();
        wait_for(&mut his, |event| matches!(event, RoomEvent::Message(_))).await;
        wait_for(&mut his, |event| matches!(event, RoomEvent::Expired { .. })).await;
        assert!(his.history().is_empty());

        his.send("And I answer.").unwrap();
        wait_for(
            &mut hers,
            |event| matches!(event, RoomEvent::Message(message) if message.text.as_str() == "And I answer."),
        )
        .await;

        // Drivers end on any executor.
        alice.shutdown().await;
        bob.shutdown().await;
        alices.await;
        bobs.await;
    };
    async_io::block_on(executor.run(async {
        tokio::select! {
            biased;
            () = talk => {}
            _ = Timer::after(PATIENCE) => panic!("took longer than {PATIENCE:?}"),
        }
    }));
}
