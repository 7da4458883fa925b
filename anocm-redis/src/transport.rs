//! A transport for clients that connect directly to the servers.

use std::{fmt, sync::Arc};

use anocm_core::{
    RelayUrl, SettingError, TokioClock,
    relay::{Relay, RelayConfig},
    transport::{InProcess, Link, Transport, TransportError},
};
use async_trait::async_trait;

use crate::{ConnectError, RedisOptions, RedisStore};

/// A transport without a relay in between, for bots and back ends in the operator's own network:
/// the relay runs in this process, over the rooms that it shares with all other relays.
///
/// A program with this transport can reach the servers and so erase any room: it is not for guests.
///
/// # Examples
/// ```no_run
/// use anocm_core::{Invite, client::Client, relay::RelayConfig};
/// use anocm_redis::{RedisOptions, RedisTransport};
///
/// # async fn enter() -> Result<(), Box<dyn std::error::Error>> {
/// let options = RedisOptions::new(["redis://10.0.0.7:6379"])?;
/// let invite = Invite::parse("https://relay.example/#…")?;
/// let relay = invite.relay().clone();
/// let transport = RedisTransport::connect(relay, options, RelayConfig::default()).await?;
/// let (client, driver) = Client::new(transport);
/// tokio::spawn(driver);
/// let room = client.join(&invite, "Bot".parse()?)?;
/// # Ok(())
/// # }
/// ```
pub struct RedisTransport {
    relay: Arc<Relay>,
    transport: InProcess,
}

impl RedisTransport {
    /// Connects to the servers, whose rooms other clients reach through the relays at `known_as`.
    /// Must be called on a tokio runtime.
    ///
    /// # Errors
    /// Same as [`RedisStore::connect`].
    pub async fn connect(
        known_as: RelayUrl,
        options: RedisOptions,
        config: RelayConfig,
    ) -> Result<Self, ConnectError> {
        // Checked before the servers are contacted.
        config.check()?;
        Ok(Self::over(known_as, RedisStore::connect(options).await?, config)?)
    }

    /// Creates a transport over an existing store.
    ///
    /// # Errors
    /// [`SettingError`] when `config` is invalid.
    pub fn over(
        known_as: RelayUrl,
        store: Arc<RedisStore>,
        config: RelayConfig,
    ) -> Result<Self, SettingError> {
        let relay = Relay::new(store, Arc::new(TokioClock::new()), config)?;
        let transport = relay.transport().known_as(known_as);
        Ok(Self { relay, transport })
    }

    /// Ends all connections of this transport, and returns once its relay has stopped. The rooms
    /// stay open.
    pub async fn shutdown(&self) {
        self.relay.shutdown(false).await;
    }
}

#[async_trait]
impl Transport for RedisTransport {
    fn relay(&self) -> &RelayUrl {
        self.transport.relay()
    }

    async fn connect(&self) -> Result<Box<dyn Link>, TransportError> {
        self.transport.connect().await
    }
}

impl fmt::Debug for RedisTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisTransport(..)")
    }
}
