//! A guest's side of one relay.

use std::{process, sync::Arc, time::Duration};

use anocm_core::{
    Invite, Nickname, RelayUrl,
    client::{Client as Core, ClientConfig},
    transport::Transport,
};
use anocm_ws::client::{WsOptions, WsTransport};
use tokio::{sync::Mutex, task::JoinHandle};

use crate::{AnocmError, HostTransport, NewRoom, Room, runtime::Lease};

/// How much longer the client waits than its transport, which then says why.
const SPARE: Duration = Duration::from_secs(30);

/// How a relay is reached, and what its rooms do. What is left out is as the library has it.
#[derive(Clone, uniffi::Record)]
#[uniffi::export(Debug, Display)]
pub struct ClientOptions {
    /// A SOCKS5 proxy as `HOST:PORT`, Tor's for example. Everything then goes through it, and it
    /// resolves the relay's name. Without one, `.onion` relays cannot be reached.
    #[uniffi(default = None)]
    pub socks5: Option<String>,
    /// How many seconds one try to connect may take, 1 to 3,000. When absent: 30, and through a
    /// proxy 120, since a circuit of Tor may take a minute and more.
    #[uniffi(default = None)]
    pub connect_within_seconds: Option<u32>,
    /// Certificates to trust besides the public authorities: each in DER, or any number of them
    /// in PEM.
    #[uniffi(default = [])]
    pub extra_roots: Vec<Vec<u8>>,
    /// Tell the others now and then that this guest is here: one live entry a minute.
    #[uniffi(default = true)]
    pub presence: bool,
    /// The most messages kept in a room's history, at least one; the oldest expire early, those
    /// among them that were not fetched yet too.
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

/// A guest's side of one relay: opens rooms and enters them. It connects when there is a room to
/// connect for, and again when the connection is lost.
///
/// Rooms of one client share its connection, which tells the relay that they belong to one guest.
/// Who does not want that gives every room a client of its own.
///
/// Dropping a client leaves its rooms open; `shutdown` ends them.
#[derive(uniffi::Object)]
pub struct Client {
    core: Core,
    /// Where the driver runs: nowhere, in a child that was forked.
    process: u32,
    /// The driver's task; it hands the lease back when it has ended.
    driver: Mutex<Option<JoinHandle<Lease>>>,
}

shown_as_name!(Client);

#[uniffi::export]
impl Client {
    /// A client of the relay at `relay`, such as `https://relay.example/`, reached by WebSocket.
    /// Does not connect yet.
    ///
    /// # Errors
    /// When `relay` is no address of a relay, or the options cannot work for it.
    #[uniffi::constructor(default(options = None))]
    pub fn new(relay: &str, options: Option<ClientOptions>) -> Result<Arc<Self>, AnocmError> {
        Self::dialing(RelayUrl::parse(relay)?, options.unwrap_or_default())
    }

    /// A client of the relay that a link names.
    ///
    /// # Errors
    /// When the link is none or damaged, or the options cannot work for its relay.
    #[uniffi::constructor(default(options = None))]
    pub fn for_link(link: &str, options: Option<ClientOptions>) -> Result<Arc<Self>, AnocmError> {
        Self::dialing(Invite::parse(link)?.relay().clone(), options.unwrap_or_default())
    }

    /// A client that reaches its relay through the program's own transport. `relay` is what
    /// stands in its links. Of the options, those of the WebSocket mean nothing.
    ///
    /// # Errors
    /// When `relay` is no address of a relay, or the transport has a client already.
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
    /// When the name or the settings are not lawful, or the client was shut down.
    pub fn create(&self, room: NewRoom) -> Result<Arc<Room>, AnocmError> {
        Ok(Room::new(self.core.create(&room.try_into()?)?))
    }

    /// Enters a room through its link. Returns at once; the room's `entered` waits until the
    /// guest is in.
    ///
    /// # Errors
    /// When the link is none, damaged or of another relay, the name is not lawful, the client is
    /// in that room already, or was shut down.
    pub fn join(&self, link: &str, nickname: &str) -> Result<Arc<Room>, AnocmError> {
        Ok(Room::new(self.core.join(&Invite::parse(link)?, Nickname::new(nickname)?)?))
    }

    /// Gives up the connection, if there is one, and connects at once. For when the network is
    /// another one, or the program was asleep: before any timeout finds out. Nothing is lost.
    pub fn reconnect(&self) {
        self.core.reconnect();
    }

    /// Wipes all rooms, closes the connection, and waits until everything has ended; with the
    /// last client, the library's threads as well. What is still to be sent is sent before, if that
    /// takes no longer than three seconds, and reported as not sent otherwise; the rest takes about
    /// a second at most.
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
        let (core, driver) = Core::new(transport, config)?;
        let threads = lease.handle().clone();
        let driver = threads.spawn(async move {
            driver.run().await;
            lease
        });
        Ok(Arc::new(Self { core, process: process::id(), driver: Mutex::new(Some(driver)) }))
    }
}
