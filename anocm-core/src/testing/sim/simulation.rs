//! A relay, its network and virtual time, for actors of an embedder.

use std::{
    fmt, io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::{
    SettingError,
    client::{Client, ClientConfig},
    relay::{Relay, RelayConfig},
    store::{MemoryLimits, MemoryStore},
    testing::network::Network,
    time::{Clock, TokioClock},
};

/// Settings of a [`Simulation`].
#[derive(Clone, Debug)]
pub struct SimulationConfig {
    /// Determines the delay of each frame, and the clients' ids, invites and secrets. Default: 0.
    pub seed: u64,
    /// The maximum delay of a frame. Default: 80 ms.
    pub max_delay: Duration,
    /// The virtual time after which the simulation fails, so that an actor that waits in vain does
    /// not do so for ever. Default: a day.
    pub max_time: Duration,
    /// Settings of the relay.
    pub relay: RelayConfig,
    /// Settings of the relay's store.
    pub store: MemoryLimits,
}

impl Default for SimulationConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            max_delay: Duration::from_millis(80),
            max_time: Duration::from_secs(24 * 3_600),
            relay: RelayConfig::default(),
            store: MemoryLimits::default(),
        }
    }
}

/// Why a simulation did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulationError {
    /// A setting is out of range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The script was not over after [`SimulationConfig::max_time`].
    #[error("the script is not over after {0:?} of virtual time")]
    TimedOut(Duration),
    /// The system refuses what a runtime needs.
    #[error("no runtime can be started")]
    Runtime(#[source] io::Error),
}

/// A relay and its network in virtual time: an embedder runs a program's own logic on rooms there,
/// and asserts on what happens. Cheap to clone.
///
/// Everything runs on one thread, and time passes only when every task waits: then it jumps to the
/// next deadline, so that hours take milliseconds. Actors are tasks (`tokio::spawn`) and wait with
/// [`sleep`](Self::sleep), `tokio::time` or a room's events. They must not block, nor wait for
/// anything outside of the simulation.
///
/// # Examples
/// A bot is joined to a room, loses its connection, and answers nevertheless:
/// ```
/// use std::time::Duration;
/// use anocm_core::{NewRoom, RoomEvent, client::Room};
/// use anocm_core::testing::sim::{Simulation, SimulationConfig};
///
/// /// The program under test.
/// async fn bot(mut room: Room) {
///     while let Some(event) = room.next_event().await {
///         if let RoomEvent::Message(said) = event && !said.own {
///             room.send(format!("echo: {}", said.text)).expect("the room is open");
///         }
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// Simulation::run(SimulationConfig { seed: 7, ..Default::default() }, async |sim| {
///     let mut alice = sim.client().create(&NewRoom::default())?;
///     alice.entered().await?;
///     let invite = alice.view().invite.ok_or("no invite")?;
///     tokio::spawn(bot(sim.client().join(&invite, "Bot".parse()?)?));
///     while !matches!(alice.next_event().await, Some(RoomEvent::Joined { .. })) {}
///
///     // The bot's is the second client.
///     sim.network().cut(1);
///     alice.send("Hello.")?;
///     let answer = loop {
///         match alice.next_event().await {
///             Some(RoomEvent::Message(said)) if !said.own => break said.text,
///             Some(_) => {}
///             None => return Err("the room is over".into()),
///         }
///     };
///     assert_eq!(answer, "echo: Hello.");
///
///     // Messages are kept for five minutes, unless the sender says otherwise.
///     sim.sleep(Duration::from_secs(301)).await;
///     assert!(alice.history().is_empty());
///     Ok(())
/// })?
/// # }
/// ```
#[derive(Clone)]
pub struct Simulation(Arc<Shared>);

struct Shared {
    clock: Arc<TokioClock>,
    relay: Arc<Relay>,
    network: Network,
    /// Draws the clients' seeds. Locked for one draw.
    rng: Mutex<ChaCha20Rng>,
    clients: AtomicUsize,
}

impl Simulation {
    /// Runs `script` in a simulation of its own, and returns what it returns. Tasks that still run
    /// then are dropped.
    ///
    /// # Errors
    /// [`SimulationError`].
    ///
    /// # Panics
    /// Within a tokio runtime.
    pub fn run<T>(
        config: SimulationConfig,
        script: impl AsyncFnOnce(Self) -> T,
    ) -> Result<T, SimulationError> {
        let max_time = config.max_time;
        in_virtual_time(async {
            let simulation = Self::new(config)?;
            let script = tokio::time::timeout(max_time, script(simulation));
            script.await.map_err(|_| SimulationError::TimedOut(max_time))
        })
        .map_err(SimulationError::Runtime)?
    }

    pub(super) fn new(config: SimulationConfig) -> Result<Self, SettingError> {
        let SimulationConfig { seed, max_delay, max_time: _, relay, store } = config;
        let clock = Arc::new(TokioClock::new());
        let store = MemoryStore::new(clock.clone(), store)?;
        let relay = Relay::new(store, clock.clone(), relay)?;
        Ok(Self(Arc::new(Shared {
            clock,
            relay,
            network: Network::new(seed, max_delay),
            rng: Mutex::new(ChaCha20Rng::seed_from_u64(seed ^ 0xa0c3)),
            clients: AtomicUsize::new(0),
        })))
    }

    /// Returns a new client of the relay with default settings. Its driver is spawned.
    #[must_use]
    pub fn client(&self) -> Client {
        self.spawn_client(ClientConfig::new(self.clock()))
    }

    /// Returns a new client with these settings, whose clock should be [`clock`](Self::clock).
    ///
    /// # Errors
    /// [`SettingError`] names the first setting that is out of its range.
    pub fn client_with(&self, config: ClientConfig) -> Result<Client, SettingError> {
        config.check()?;
        Ok(self.spawn_client(config))
    }

    fn spawn_client(&self, config: ClientConfig) -> Client {
        let mut seed = [0; 32];
        self.0.rng.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut seed);
        let line = self.0.clients.fetch_add(1, Ordering::Relaxed);
        let transport = self.0.network.transport(line, Arc::new(self.0.relay.transport()));
        let (client, driver) = Client::seeded(transport, config, seed);
        tokio::spawn(driver);
        client
    }

    /// Returns the network. Its lines are the clients, from 0 on in the order in which they were
    /// created: cut one, block one, or inspect all frames.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.0.network
    }

    /// Returns the relay.
    #[must_use]
    pub fn relay(&self) -> &Arc<Relay> {
        &self.0.relay
    }

    /// Returns the clock of the relay and of the clients.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.0.clock.clone()
    }

    /// Lets `duration` of virtual time pass.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Simulation(..)")
    }
}

/// Runs a future on a thread's own runtime, whose time jumps to the next deadline when all wait.
pub(super) fn in_virtual_time<T>(future: impl Future<Output = T>) -> io::Result<T> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    Ok(runtime.block_on(future))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::{NewRoom, RoomEvent};

    #[test]
    fn an_actor_that_waits_in_vain_ends_the_simulation() {
        let max_time = Duration::from_secs(3_600);
        let config = SimulationConfig { max_time, ..SimulationConfig::default() };
        let waited = Simulation::run(config, async |sim| {
            let mut room = sim.client().create(&NewRoom::default()).unwrap();
            while !matches!(room.next_event().await, Some(RoomEvent::Joined { .. })) {}
        });
        assert!(matches!(waited, Err(SimulationError::TimedOut(time)) if time == max_time));
    }

    #[test]
    fn a_setting_that_cannot_work_is_refused() {
        let store = MemoryLimits { max_rooms: 0, ..MemoryLimits::default() };
        let config = SimulationConfig { store, ..SimulationConfig::default() };
        let refused = Simulation::run(config, async |_| ());
        assert_eq!(refused.unwrap_err().to_string(), "max_rooms must be at least 1");
    }

    #[test]
    fn the_same_seed_gives_the_same_room_and_a_blocked_client_is_offline() {
        let play = |seed| {
            let config = SimulationConfig { seed, ..SimulationConfig::default() };
            let script = async |sim: Simulation| {
                sim.network().block(0, true);
                let client = sim.client();
                let room = client.create(&NewRoom::default()).unwrap();
                sim.sleep(Duration::from_secs(60)).await;
                assert!(room.view().me.is_none());
                sim.network().block(0, false);
                room.entered().await.unwrap();
                (room.view().invite.unwrap().to_link(), sim.clock().now(), sim.network().passed(0))
            };
            Simulation::run(config, script).unwrap()
        };
        assert_eq!(play(1), play(1));
        assert_ne!(play(1).0, play(2).0);
    }
}
