//! The client engine: connects, reconnects and resumes; several rooms over one connection.
//!
//! A [`Client`] belongs to one relay. Its [`Driver`] is a future that moves bytes between the
//! transport and the rooms; nothing happens unless it is polled, usually in a task of its own.
//! Rooms are state machines behind a short lock, so that commands take effect at once and need no
//! waiting.
//!
//! Rooms of one client share its connection, which tells the relay that they belong to one guest.
//! Who does not want that gives every room a client of its own.
//!
//! A relay bounds what one connection may do, and so the rooms of one client, whatever room there
//! is elsewhere. Unless its operator says otherwise: 64 rooms at a time; ten rooms opened at once
//! and then ten a minute; thirty rooms entered at once and then thirty a minute. What has to wait
//! for that says so by [`RoomEvent::Delayed`](crate::RoomEvent::Delayed). Clients do not share
//! these bounds: a program that opens many rooms spreads them over several.

mod driver;
mod open;
mod randomness;
mod registry;
mod room;
mod stall;
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

/// What an embedder may set.
#[derive(Clone)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The clock. Default: tokio's, and the time that the machine slept; none on wasm32, where the
    /// embedder brings one.
    pub clock: Arc<dyn Clock>,
    /// The longest wait before connecting again; waits grow from a quarter of a second and are
    /// random. From 10 ms to an hour. Default: 30 seconds.
    pub longest_wait: Duration,
    /// How long the transport may take to reach the relay. From 10 ms to an hour. Default: two
    /// and a half minutes, for those that do not give up by themselves, as that of `anocm-ws` does:
    /// after 30 seconds, and through a proxy after two minutes.
    pub connect_timeout: Duration,
    /// How long the relay, once reached, may take to greet. From 10 ms to an hour. Default: 30
    /// seconds.
    pub greeting_timeout: Duration,
    /// How long the relay may owe an answer before the connection is given up. From 10 ms to an
    /// hour. Default: two minutes, in which a slow line carries the longest frame.
    pub answer_timeout: Duration,
    /// The most rooms at one time, at least one; [`ClientError::TooManyRooms`] beyond it. Default:
    /// 64, as many as a relay lets one connection be in unless its operator says otherwise: for
    /// more, have another client, which connects by itself.
    pub max_rooms: usize,
    /// Of every room.
    pub rooms: MachineConfig,
    randomness: Randomness,
}

impl ClientConfig {
    /// Defaults on this clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            longest_wait: Duration::from_secs(30),
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
            (self.longest_wait, "longest_wait"),
            (self.connect_timeout, "connect_timeout"),
            (self.greeting_timeout, "greeting_timeout"),
            (self.answer_timeout, "answer_timeout"),
        ] {
            SettingError::unless_in(&times, &value, field, "from 10ms to 1h")?;
        }
        SettingError::unless_in(&(1..=usize::MAX), &self.max_rooms, "max_rooms", "at least 1")?;
        self.rooms.check()
    }

    /// Settings that take protection away; for simulations only.
    #[cfg(feature = "testing")]
    pub fn dangerous(&mut self) -> Dangerous<'_> {
        Dangerous(self)
    }
}

/// Settings that take protection away.
#[cfg(feature = "testing")]
#[derive(Debug)]
pub struct Dangerous<'a>(&'a mut ClientConfig);

#[cfg(feature = "testing")]
impl Dangerous<'_> {
    /// Replaces the system's randomness by numbers that follow from `seed`: whoever knows it
    /// knows every secret of every room. (The MLS library goes on drawing its own.)
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

/// Why a room cannot even be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The operating system gives no randomness.
    #[error("the system gives no randomness")]
    NoRandomness,
    /// The client was shut down.
    #[error("the client was shut down")]
    ShutDown,
    /// The invite is for a room at another relay.
    #[error("the invite is for another relay")]
    OtherRelay,
    /// A setting of the room cannot be.
    #[error("the room's {0}")]
    Setting(#[source] SettingError),
    /// This client is in that room already.
    #[error("already in that room")]
    AlreadyThere,
    /// This client is in as many rooms as it may be: see [`ClientConfig::max_rooms`].
    #[error("a client can be in {limit} rooms at one time: use another client for more")]
    TooManyRooms {
        /// As many.
        limit: usize,
    },
}

/// A guest's side of one relay: opens rooms and enters them. Cheap to clone.
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
/// while let Some(event) = room.event().await {
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
    /// A client of the relay that `transport` reaches (invites name it), and the driver that must
    /// be polled for anything to happen.
    ///
    /// # Errors
    /// [`SettingError`] when the client could not work with `config`.
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

    /// Opens a room. Returns at once; [`RoomEvent::Entered`](crate::RoomEvent::Entered) tells
    /// when it is open.
    ///
    /// # Errors
    /// [`ClientError`]; whatever the relay has against it comes as
    /// [`RoomEvent::Ended`](crate::RoomEvent::Ended).
    pub fn create(&self, new: &NewRoom) -> Result<Room, ClientError> {
        new.check().map_err(ClientError::Setting)?;
        let seed = self.seed()?;
        // Lawful settings fail for nothing but randomness.
        let machine = Machine::create(self.relay.clone(), new, self.config.rooms, seed)
            .map_err(|_| ClientError::NoRandomness)?;
        self.host(machine)
    }

    /// Enters a room through its invite. Returns at once;
    /// [`RoomEvent::Entered`](crate::RoomEvent::Entered) tells when the guest is in.
    ///
    /// # Errors
    /// [`ClientError`]; whatever the relay has against it comes as
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

    /// Gives up the connection, if there is one, and connects at once. For programs that know
    /// before any timeout does that it is of no use any more: the network is another one, or the
    /// program slept. Nothing is lost.
    pub fn reconnect(&self) {
        self.registry.reconnect();
    }

    /// Sends what is still to be sent, for at most three seconds; then wipes all rooms, closes the
    /// connection, and returns when the driver has ended: so it must be polled, or have been
    /// dropped. What was not sent by then comes as [`RoomEvent::NotSent`](crate::RoomEvent::NotSent),
    /// before [`RoomEvent::Ended`](crate::RoomEvent::Ended).
    ///
    /// Rooms that were wiped before, by [`Room::wipe`], have nothing left to say: then it takes a
    /// second at most.
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
