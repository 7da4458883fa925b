//! A relay, and guests who send it arbitrary frames.

pub(crate) mod case;
mod guest;
mod known;
mod requests;

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Weak},
    time::Duration,
};

use anocm_core::{
    relay::{Rate, Relay, RelayConfig},
    store::{MemoryLimits, MemoryStore, Store, StoreError},
    testing::ManualClock,
    transport::Transport,
    wire::Posture,
};

use self::{
    case::{Case, Step},
    guest::Guest,
    known::Known,
};
use crate::{runtime, seed::Seed};

/// More steps than this find nothing new.
const MAX_STEPS: usize = 64;
/// Seconds until every request must have a reply, however far a guest exceeds its rate limits.
const PATIENCE: u64 = 120;
const SECOND: Duration = Duration::from_secs(1);

/// Lets a few guests connect to a relay, send valid and invalid requests and malformed frames, and
/// hang up, while time passes. Each request gets its reply unless the connection is closed; no
/// guest receives anything of a room, or is admitted, without a proof; and after the end no state
/// is left.
pub fn relay_connection(bytes: &[u8]) {
    let case = Case::read(bytes);
    runtime::run(async {
        let mut world = World::new(case.tight);
        for step in case.steps.iter().take(MAX_STEPS) {
            world.step(step).await;
        }
        world.answer_all().await;
        world.end().await;
    });
}

struct World {
    clock: Arc<ManualClock>,
    store: Arc<MemoryStore>,
    relay: Arc<Relay>,
    guests: BTreeMap<u8, Guest>,
    known: Known,
}

impl World {
    fn new(tight: bool) -> Self {
        let clock = Arc::new(ManualClock::new());
        let (config, limits) = if tight { tight_limits() } else { Default::default() };
        let store = MemoryStore::new(clock.clone(), limits).expect("valid limits");
        let relay =
            Relay::new(store.clone(), clock.clone(), config).expect("a valid configuration");
        Self { clock, store, relay, guests: BTreeMap::new(), known: Known::default() }
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Connect { guest, greets, deaf } => {
                let link = self.relay.transport().connect().await.expect("within the process");
                let mut newcomer = Guest::new(link, *deaf);
                if *greets {
                    newcomer.greet(&mut self.known).await;
                }
                self.guests.insert(guest % 3, newcomer);
            }
            Step::Ask { guest, ask, soon } => {
                let request = requests::request(&*self.store, ask).await;
                if let Some(guest) = self.guests.get_mut(&(guest % 3)) {
                    let frame = guest.frame(request);
                    guest.send(&frame, &mut self.known).await;
                }
                if *soon {
                    return;
                }
            }
            Step::Harmed { guest, ask, at, bit } => {
                let request = requests::request(&*self.store, ask).await;
                if let Some(guest) = self.guests.get_mut(&(guest % 3)) {
                    let mut frame = guest.frame(request).to_vec();
                    let at = usize::from(*at) % frame.len();
                    frame[at] ^= 1 << (bit % 8);
                    guest.send(&frame, &mut self.known).await;
                }
            }
            Step::Raw { guest, bytes } => {
                if let Some(guest) = self.guests.get_mut(&(guest % 3)) {
                    guest.send(bytes, &mut self.known).await;
                }
            }
            Step::HangUp { guest } => drop(self.guests.remove(&(guest % 3))),
            Step::Advance { millis } => {
                self.clock.advance(Duration::from_millis(u64::from(*millis)));
            }
            Step::Posture { to } => self.store.state_posture(match to % 3 {
                0 => Posture::Kept,
                1 => Posture::Unknown,
                _ => Posture::Broken,
            }),
        }
        self.hear(false).await;
    }

    /// Runs the relay until it is idle, and receives its frames.
    async fn hear(&mut self, the_deaf_too: bool) {
        loop {
            runtime::settle().await;
            let mut heard = false;
            for guest in self.guests.values_mut().filter(|guest| the_deaf_too || !guest.deaf) {
                heard |= guest.hear(&self.known);
            }
            if !heard {
                return;
            }
        }
    }

    /// Checks that every request gets a reply in time.
    async fn answer_all(&mut self) {
        for _ in 0..PATIENCE {
            self.hear(true).await;
            if self.guests.values().all(Guest::is_served) {
                return;
            }
            self.clock.advance(SECOND);
        }
        panic!("something was not answered");
    }

    async fn shut_down(&self) {
        let mut shutdown = pin!(self.relay.shutdown(true));
        for _ in 0..PATIENCE {
            if tokio::time::timeout(Duration::from_millis(1), &mut shutdown).await.is_ok() {
                return;
            }
            self.clock.advance(SECOND);
        }
        panic!("the relay does not stop");
    }

    /// After a shutdown every connection is closed, and no task runs and no memory is held any
    /// more.
    async fn end(mut self) {
        self.shut_down().await;
        for guest in self.guests.values_mut() {
            guest.hear(&self.known);
            assert!(guest.is_closed(), "a relay that is gone has closed its connections");
        }
        self.guests.clear();
        let relay: Weak<Relay> = Arc::downgrade(&self.relay);
        drop(self.relay);
        assert!(relay.upgrade().is_none(), "nothing holds a relay that has stopped");

        // No guest is connected: every room's linger ends it, also if no request mentions it. The
        // store may take the first linger for time in which the relay was stopped, and not count
        // it.
        for _ in 0..2 {
            self.clock.advance(RelayConfig::default().policy.linger);
            runtime::settle().await;
        }
        for room in 0..3 {
            let door = self.store.door(&requests::address(room)).await;
            assert_eq!(door, Err(StoreError::NoSuchRoom));
        }
        drop(self.store);
        runtime::settle().await;
        assert_eq!(runtime::tasks(), 0, "no task is left");
    }
}

/// Limits so low that a few steps reach all of them.
fn tight_limits() -> (RelayConfig, MemoryLimits) {
    let few = |burst| Rate { amount: 5, period: SECOND, burst };
    let config = RelayConfig {
        max_rooms_per_connection: 2,
        outbox_bytes: 8_000,
        outbox_frames: 8,
        batch_bytes: 2_500,
        max_connections: 2,
        requests: few(8),
        creations: few(2),
        joins: few(2),
        epoch_grace: SECOND,
        ..RelayConfig::default()
    };
    let limits = MemoryLimits { max_rooms: 2, max_bytes: 60_000 };
    (config, limits)
}
