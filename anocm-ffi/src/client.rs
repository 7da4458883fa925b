//! The client of one relay.

use std::{process, sync::Arc, time::Duration};

use anocm_core::{
    Invite, Nickname, RelayUrl,
    client::{Client as Core, ClientConfig},
    transport::Transport,
};
use anocm_ws::client::{WsOptions, WsTransport};
use tokio::{sync::Mutex, task::JoinHandle};

use crate::{AnocmError, HostTransport, NewRoom, Room, runtime::Lease};

/// How much longer the client's timeout is than that of its transport, so that the transport can
/// report the reason.
const SPARE: Duration = Duration::from_secs(30);

/// How to connect to a relay, and settings of its rooms. Omitted values have the library's
/// defaults.
#[derive(Clone, uniffi::Record)]
#[uniffi::export(Debug, Display)]
pub struct ClientOptions {
    /// A SOCKS5 proxy as `HOST:PORT`, Tor's for example. All connections then go through it, and it
    /// resolves the relay's name. Without a proxy, `.onion` relays cannot be reached.
    #[uniffi(default = None)]
    pub socks5: Option<String>,
    /// The timeout of one connection attempt in seconds, 1 to 3,000. When absent: 30, or 120
    /// through a proxy, since building a Tor circuit may take more than a minute.
    #[uniffi(default = None)]
    pub connect_within_seconds: Option<u32>,
    /// Certificates to trust in addition to the public authorities: each in DER, or any number of
    /// them in PEM.
    #[uniffi(default = [])]
    pub extra_roots: Vec<Vec<u8>>,
    /// Send presence to the other members regularly: one live entry a minute.
    #[uniffi(default = true)]
    pub presence: bool,
    /// The maximum number of messages kept in a room's history, at least one; the oldest expire
    /// early, including those that were not fetched yet.
    #[uniffi(default = 10_000)]
    pub max_history: u32,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            socks5: None,
            connect_within_seconds: None,
            extra_roots: Vec::new(),
            presence: true,
            max_history: 10_000,
        }
    }
}

shown_as_name!(ClientOptions);

/// A guest's client of one relay: it opens and joins rooms. It connects when it has a room, and
/// reconnects when the connection is lost.
///
/// The rooms of one client share its connection, which reveals to the relay that they belong to one
/// guest. To avoid this, use a separate client for every room.
///
/// Dropping a client leaves its rooms open; `shutdown` ends them.
#[derive(uniffi::Object)]
pub struct Client {
    core: Core,
    /// The process in which the driver runs: in a forked child it does not run.
    process: u32,
    /// The driver's task; it returns the lease when it has ended.
    driver: Mutex<Option<JoinHandle<Lease>>>,
}

shown_as_name!(Client);

#[uniffi::export]
impl Client {
    /// Creates a client of the relay at `relay`, such as `https://relay.example/`, over a
    /// WebSocket. Does not connect yet.
    ///
    /// # Errors
    /// When `relay` is not a relay URL, or the options are invalid for it.
    #[uniffi::constructor(default(options = None))]
    pub fn new(relay: &str, options: Option<ClientOptions>) -> Result<Arc<Self>, AnocmError> {
        Self::dialing(RelayUrl::parse(relay)?, options.unwrap_or_default())
    }

    /// Creates a client of the relay that a link names.
    ///
    /// # Errors
    /// When the link is invalid or damaged, or the options are invalid for its relay.
    #[uniffi::constructor(default(options = None))]
    pub fn for_link(link: &str, options: Option<ClientOptions>) -> Result<Arc<Self>, AnocmError> {
        Self::dialing(Invite::parse(link)?.relay().clone(), options.unwrap_or_default())
    }

    /// Creates a client that reaches its relay through the program's own transport. `relay` is the
    /// URL that appears in its links. The WebSocket options are ignored.
    ///
    /// # Errors
    /// When `relay` is not a relay URL, or the transport has a client already.
    #[uniffi::constructor(default(options = None))]
    pub fn over(
        relay: &str,
        transport: &HostTransport,
        options: Option<ClientOptions>,
    ) -> Result<Arc<Self>, AnocmError> {
        let relay = RelayUrl::parse(relay)?;
        let dialer = transport.dialer(relay).ok_or(AnocmError::TransportInUse)?;
        Self::start(dialer, &options.unwrap_or_default())
    }

    /// Opens a room. Returns at once; the room's `entered` waits until it is open.
    ///
    /// # Errors
    /// When the nickname or the settings are invalid, or the client was shut down.
    pub fn create(&self, room: NewRoom) -> Result<Arc<Room>, AnocmError> {
        Ok(Room::new(self.core.create(&room.try_into()?)?))
    }

    /// Joins a room through its link. Returns at once; the room's `entered` waits until the guest
    /// has joined.
    ///
    /// # Errors
    /// When the link is invalid, damaged or for another relay, the nickname is invalid, the client
    /// is in that room already, or it was shut down.
    pub fn join(&self, link: &str, nickname: &str) -> Result<Arc<Room>, AnocmError> {
        Ok(Room::new(self.core.join(&Invite::parse(link)?, Nickname::new(nickname)?)?))
    }

    /// Drops the connection, if there is one, and reconnects at once. Use it when the network has
    /// changed or the program was asleep, instead of waiting for a timeout. Nothing is lost.
    pub fn reconnect(&self) {
        self.core.reconnect();
    }

    /// Wipes all rooms, closes the connection, and waits until all tasks have ended; with the last
    /// client, the library's threads as well. Queued entries are sent first if that takes at most
    /// three seconds, and are reported as not sent otherwise; the rest takes about a second at
    /// most.
    pub async fn shutdown(&self) {
        if self.process != process::id() {
            return;
        }
        self.core.shutdown().await;
        let mut driver = self.driver.lock().await;
        if let Some(task) = &mut *driver {
            let ended = task.await;
            *driver = None;
            drop(driver);
            if let Ok(lease) = ended {
                lease.end().await;
            }
        }
    }
}

impl Client {
    fn dialing(relay: RelayUrl, options: ClientOptions) -> Result<Arc<Self>, AnocmError> {
        let config = options.clone();
        let connect_within = options.connect_within_seconds.map(|s| Duration::from_secs(s.into()));
        let mut ws = WsOptions { socks5: options.socks5, connect_within, ..WsOptions::default() };
        for root in options.extra_roots {
            if root.starts_with(b"-----BEGIN") {
                ws.trust_pem(&root)?;
            } else {
                ws.extra_roots.push(root.into());
            }
        }
        let transport = Arc::new(WsTransport::new(&relay, ws)?);
        Self::start(transport, &config)
    }

    fn start(
        transport: Arc<dyn Transport>,
        options: &ClientOptions,
    ) -> Result<Arc<Self>, AnocmError> {
        let lease = Lease::new()?;
        let mut config = ClientConfig::default();
        if let Some(seconds) = options.connect_within_seconds {
            config.connect_timeout = Duration::from_secs(seconds.into()).saturating_add(SPARE);
        }
        config.rooms.presence = options.presence;
        config.rooms.max_history = usize::try_from(options.max_history).unwrap_or(usize::MAX);
        let (core, driver) = Core::with_config(transport, config)?;
        let threads = lease.handle().clone();
        let driver = threads.spawn(async move {
            driver.await;
            lease
        });
        Ok(Arc::new(Self { core, process: process::id(), driver: Mutex::new(Some(driver)) }))
    }
}
