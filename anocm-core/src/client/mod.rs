//! The client engine: connects, reconnects and resumes; several rooms over one connection.
//!
//! A [`Client`] belongs to one relay. Its [`Driver`] is a future that moves bytes between the
//! transport and the rooms. Nothing happens unless it is polled, usually in a task of its own.
//! Rooms are state machines behind a short lock: commands take effect immediately and do not wait.
//!
//! The rooms of one client share its connection, so the relay can tell that they belong to one
//! guest. To avoid that, use a separate client for every room.
//!
//! A relay limits what one connection may do, and therefore the rooms of one client together,
//! regardless of free capacity elsewhere. Default limits, which the operator may change: 64 rooms
//! at a time; a burst of ten room creations, then ten a minute; a burst of thirty joins, then
//! thirty a minute. A request that has to wait for a limit is reported by
//! [`RoomEvent::Delayed`](crate::RoomEvent::Delayed). Clients do not share these limits: a program
//! that opens many rooms spreads them over several clients.

mod driver;
mod open;
mod randomness;
mod registry;
mod room;
mod suspension;
#[cfg(test)]
mod tests;
mod wire;

use std::{fmt, sync::Arc, time::Duration};

pub use driver::Driver;
pub use room::Room;

use self::{
    randomness::Randomness,
    registry::{Alive, Registry},
};
#[cfg(not(target_arch = "wasm32"))]
use crate::time::ContinuousClock;
use crate::{
    invite::{Invite, RelayUrl},
    name::Nickname,
    room::{Machine, MachineConfig, NewRoom},
    secret::Secret,
    setting::SettingError,
    time::Clock,
    transport::Transport,
};

/// Settings of a client.
#[derive(Clone)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The clock. Default: tokio's clock plus the time for which the machine slept, for drivers on
    /// a tokio runtime; on another one see [`ContinuousClock::over`]. No default on wasm32, where
    /// the embedder provides one.
    pub clock: Arc<dyn Clock>,
    /// The maximum delay before a reconnect. Delays are random and their bound grows from a quarter
    /// of a second. From 10 ms to an hour. Default: 30 seconds.
    pub max_backoff: Duration,
    /// The timeout for the transport to reach the relay. From 10 ms to an hour. Default: two and a
    /// half minutes. It serves transports without a timeout of their own; that of `anocm-ws` has
    /// one: 30 seconds, and two minutes through a proxy.
    pub connect_timeout: Duration,
    /// The timeout for the relay's greeting, once the relay is reached. From 10 ms to an hour.
    /// Default: 30 seconds.
    pub greeting_timeout: Duration,
    /// The timeout for a reply; after it the connection is closed. From 10 ms to an hour. Default:
    /// two minutes, enough to carry the longest frame over a slow network.
    pub answer_timeout: Duration,
    /// The maximum number of rooms at one time, at least one; beyond it
    /// [`ClientError::TooManyRooms`]. Default: 64, the relay's default limit for one connection.
    /// For more rooms use another client, which has its own connection.
    pub max_rooms: usize,
    /// Settings of every room.
    pub rooms: MachineConfig,
    randomness: Randomness,
}

impl ClientConfig {
    /// Returns the default settings with this clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            max_backoff: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(150),
            greeting_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(120),
            max_rooms: 64,
            rooms: MachineConfig::default(),
            randomness: Randomness::System,
        }
    }

    /// Checks that a client can work with these settings.
    ///
    /// # Errors
    /// [`SettingError`] names the first field that is out of its range.
    pub fn check(&self) -> Result<(), SettingError> {
        let times = Duration::from_millis(10)..=Duration::from_secs(3_600);
        for (value, field) in [
            (self.max_backoff, "max_backoff"),
            (self.connect_timeout, "connect_timeout"),
            (self.greeting_timeout, "greeting_timeout"),
            (self.answer_timeout, "answer_timeout"),
        ] {
            SettingError::unless_in(&times, &value, field, "from 10ms to 1h")?;
        }
        SettingError::unless_in(&(1..=usize::MAX), &self.max_rooms, "max_rooms", "at least 1")?;
        self.rooms.check()
    }

    /// Settings that weaken security; for simulations only.
    #[cfg(feature = "testing")]
    pub fn dangerous(&mut self) -> Dangerous<'_> {
        Dangerous(self)
    }
}

/// Settings that weaken security.
#[cfg(feature = "testing")]
#[derive(Debug)]
pub struct Dangerous<'a>(&'a mut ClientConfig);

#[cfg(feature = "testing")]
impl Dangerous<'_> {
    /// Replaces the system's randomness by numbers derived from `seed`: knowing the seed reveals
    /// every secret of every room. (The MLS library still draws its own randomness.)
    pub fn seed(self, seed: [u8; 32]) {
        self.0.randomness = Randomness::seeded(seed);
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl Default for ClientConfig {
    fn default() -> Self {
        Self::new(Arc::new(ContinuousClock::new()))
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig").field("rooms", &self.rooms).finish_non_exhaustive()
    }
}

/// Why a room cannot be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The operating system provides no randomness.
    #[error("the system gives no randomness")]
    NoRandomness,
    /// The client was shut down.
    #[error("the client was shut down")]
    ShutDown,
    /// The invite is for a room at another relay.
    #[error("the invite is for another relay")]
    OtherRelay,
    /// A setting of the room is out of range.
    #[error("the room's {0}")]
    Setting(#[source] SettingError),
    /// This client is in that room already.
    #[error("already in that room")]
    AlreadyThere,
    /// This client is in the maximum number of rooms: see [`ClientConfig::max_rooms`].
    #[error("a client can be in {limit} rooms at one time: use another client for more")]
    TooManyRooms {
        /// The maximum.
        limit: usize,
    },
}

/// A guest's connection to one relay: opens rooms and enters them. Cheap to clone.
///
/// # Examples
/// ```
/// # use std::sync::Arc;
/// # use anocm_core::{NewRoom, RoomEvent, TokioClock};
/// # use anocm_core::client::{Client, ClientConfig};
/// # use anocm_core::relay::{Relay, RelayConfig};
/// # use anocm_core::store::{MemoryLimits, MemoryStore};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let clock = Arc::new(TokioClock::new());
/// # let store = MemoryStore::new(clock.clone(), MemoryLimits::default())?;
/// # let relay = Relay::new(store, clock, RelayConfig::default())?;
/// let transport = Arc::new(relay.transport());
/// let (client, driver) = Client::new(transport, ClientConfig::default())?;
/// tokio::spawn(driver.run());
///
/// let mut room = client.create(&NewRoom::default())?;
/// while let Some(event) = room.next_event().await {
///     if matches!(event, RoomEvent::Entered) {
///         break;
///     }
/// }
/// assert!(room.view().invite.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    relay: RelayUrl,
    config: ClientConfig,
    registry: Arc<Registry>,
    alive: Arc<Alive>,
}

impl Client {
    /// Creates a client of the relay that `transport` reaches (invites contain its URL), and the
    /// driver, which must be polled for anything to happen.
    ///
    /// # Errors
    /// [`SettingError`] when `config` is out of range.
    pub fn new(
        transport: Arc<dyn Transport>,
        config: ClientConfig,
    ) -> Result<(Self, Driver), SettingError> {
        config.check()?;
        let relay = transport.relay().clone();
        let registry = Arc::new(Registry::default());
        let driver = Driver::new(transport, config.clone(), registry.clone());
        let alive = Arc::new(Alive::new(registry.clone()));
        Ok((Self { relay, config, registry, alive }, driver))
    }

    /// Opens a room. Returns immediately; [`RoomEvent::Entered`](crate::RoomEvent::Entered) reports
    /// that it is open.
    ///
    /// # Errors
    /// [`ClientError`]; a refusal by the relay is reported as
    /// [`RoomEvent::Ended`](crate::RoomEvent::Ended).
    pub fn create(&self, new: &NewRoom) -> Result<Room, ClientError> {
        new.check().map_err(ClientError::Setting)?;
        let seed = self.seed()?;
        // With valid settings only missing randomness can fail.
        let machine = Machine::create(self.relay.clone(), new, self.config.rooms, seed)
            .map_err(|_| ClientError::NoRandomness)?;
        self.host(machine)
    }

    /// Enters a room through its invite. Returns immediately;
    /// [`RoomEvent::Entered`](crate::RoomEvent::Entered) reports that the guest has entered.
    ///
    /// # Errors
    /// [`ClientError`]; a refusal by the relay is reported as
    /// [`RoomEvent::Ended`](crate::RoomEvent::Ended).
    pub fn join(&self, invite: &Invite, nickname: Nickname) -> Result<Room, ClientError> {
        if *invite.relay() != self.relay {
            return Err(ClientError::OtherRelay);
        }
        self.host(Machine::join(invite, nickname, self.config.rooms, self.seed()?))
    }

    fn seed(&self) -> Result<Secret<32>, ClientError> {
        self.config.randomness.seed().ok_or(ClientError::NoRandomness)
    }

    fn host(&self, machine: Machine) -> Result<Room, ClientError> {
        let hosted = self.registry.add(machine, self.config.max_rooms)?;
        let clock = self.config.clock.clone();
        Ok(Room::new(hosted, clock, self.registry.clone(), self.alive.clone()))
    }

    /// Drops the connection, if there is one, and reconnects at once, without back-off. For
    /// programs that learn before any timeout that the connection is dead: the network has changed,
    /// or the program slept. Nothing is lost.
    pub fn reconnect(&self) {
        self.registry.reconnect();
    }

    /// Sends what is still queued, for at most three seconds. Then wipes all rooms, closes the
    /// connection, and returns when the driver has ended. The driver must be polled for that, or
    /// must have been dropped. What was not sent by then is reported as
    /// [`RoomEvent::NotSent`](crate::RoomEvent::NotSent), before
    /// [`RoomEvent::Ended`](crate::RoomEvent::Ended).
    ///
    /// Rooms wiped earlier by [`Room::wipe`] have nothing left to send; in that case it takes at
    /// most a second.
    pub async fn shutdown(&self) {
        self.registry.close();
        self.registry.ended().await;
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client(..)")
    }
}
