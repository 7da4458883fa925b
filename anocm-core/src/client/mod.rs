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

mod commands;
mod config;
mod driver;
mod error;
mod open;
mod randomness;
mod registry;
mod room;
mod suspension;
#[cfg(test)]
mod tests;
mod wire;

use std::{fmt, sync::Arc};

pub use config::ClientConfig;
pub use driver::Driver;
pub use error::ClientError;
pub use room::Room;

use self::{
    randomness::Randomness,
    registry::{Alive, Registry},
};
use crate::{
    invite::{Invite, RelayUrl},
    name::Nickname,
    room::{Machine, NewRoom},
    secret::Secret,
    setting::SettingError,
    transport::Transport,
};

/// A guest's connection to one relay: opens rooms and enters them. Cheap to clone.
///
/// # Examples
/// ```
/// # use std::sync::Arc;
/// # use anocm_core::{NewRoom, TokioClock};
/// # use anocm_core::client::Client;
/// # use anocm_core::relay::{Relay, RelayConfig};
/// # use anocm_core::store::{MemoryLimits, MemoryStore};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let clock = Arc::new(TokioClock::new());
/// # let store = MemoryStore::new(clock.clone(), MemoryLimits::default())?;
/// # let relay = Relay::new(store, clock, RelayConfig::default())?;
/// let (client, driver) = Client::new(relay.transport());
/// tokio::spawn(driver);
///
/// let room = client.create(&NewRoom::default())?;
/// room.entered().await?;
/// assert!(room.view().invite.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    relay: RelayUrl,
    config: ClientConfig,
    randomness: Randomness,
    registry: Arc<Registry>,
    alive: Arc<Alive>,
}

impl Client {
    /// Creates a client, with the default settings, of the relay that `transport` reaches (invites
    /// contain its URL), and the driver, which must be polled for anything to happen:
    /// `tokio::spawn(driver)`, or the same on another executor.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn new(transport: impl Transport) -> (Self, Driver) {
        Self::start(transport, ClientConfig::default(), Randomness::System)
    }

    /// Creates a client with these settings, of the relay that `transport` reaches, and its driver.
    ///
    /// # Errors
    /// [`SettingError`] names the first setting that is out of its range.
    pub fn with_config(
        transport: impl Transport,
        config: ClientConfig,
    ) -> Result<(Self, Driver), SettingError> {
        config.check()?;
        Ok(Self::start(transport, config, Randomness::System))
    }

    /// Like [`with_config`](Self::with_config), but all randomness is derived from `seed` instead
    /// of the system's: knowing the seed reveals every secret of every room. For simulations only.
    /// (The MLS library still draws its own randomness.)
    ///
    /// # Errors
    /// As for [`with_config`](Self::with_config).
    #[cfg(feature = "testing")]
    pub fn dangerous_with_seed(
        transport: impl Transport,
        config: ClientConfig,
        seed: [u8; 32],
    ) -> Result<(Self, Driver), SettingError> {
        config.check()?;
        Ok(Self::seeded(transport, config, seed))
    }

    /// The same with settings that were checked.
    #[cfg(feature = "testing")]
    pub(crate) fn seeded(
        transport: impl Transport,
        config: ClientConfig,
        seed: [u8; 32],
    ) -> (Self, Driver) {
        Self::start(transport, config, Randomness::seeded(seed))
    }

    fn start(
        transport: impl Transport,
        config: ClientConfig,
        randomness: Randomness,
    ) -> (Self, Driver) {
        let relay = transport.relay().clone();
        let registry = Arc::new(Registry::default());
        let jitter = randomness.seed();
        let driver = Driver::new(Arc::new(transport), config.clone(), jitter, registry.clone());
        let alive = Arc::new(Alive::new(registry.clone()));
        (Self { relay, config, randomness, registry, alive }, driver)
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
        self.randomness.seed().ok_or(ClientError::NoRandomness)
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
