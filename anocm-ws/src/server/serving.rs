//! A relay and its listener, from binding the port to the end of the last connection.

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use anocm_core::relay::Relay;
use axum::Router;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::ToSocketAddrs,
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

use super::{Connection, ListenOptions, Listener};

/// A relay with a port that is bound and not served yet: peers that connect wait.
///
/// # Examples
/// ```
/// use std::{sync::Arc, time::Duration};
/// use anocm_core::{
///     TokioClock,
///     relay::{Relay, RelayConfig},
///     store::{MemoryLimits, MemoryStore},
/// };
/// use anocm_ws::server::{ListenOptions, Server, WsServerOptions, relay_router};
/// use axum::{Router, routing::get};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let clock = Arc::new(TokioClock::new());
/// let store = MemoryStore::new(clock.clone(), MemoryLimits::default())?;
/// let relay = Relay::new(store, clock, RelayConfig::default())?;
///
/// let routes = Router::new()
///     .route("/health", get("ok"))
///     .merge(relay_router(&relay, WsServerOptions::default()));
/// let server = Server::bind("127.0.0.1:0", relay, ListenOptions::default()).await?;
/// println!("listening on http://{}/", server.local_addr());
///
/// let serving = server.serve(routes);
/// serving.shutdown(true, Duration::from_secs(10)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Server {
    relay: Arc<Relay>,
    listener: Listener,
    address: SocketAddr,
}

impl Server {
    /// Binds `address` for `relay`; port 0 lets the system choose.
    ///
    /// # Errors
    /// As [`Listener::bind`]: the system's error, or an option that is out of its range.
    pub async fn bind(
        address: impl ToSocketAddrs,
        relay: Arc<Relay>,
        options: ListenOptions,
    ) -> io::Result<Self> {
        let listener = Listener::bind(address, options).await?;
        let address = listener.local_addr()?;
        Ok(Self { relay, listener, address })
    }

    /// Returns the address that is bound.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves `routes` in a task of its own. They contain the relay's
    /// [`relay_router`](super::relay_router). Must be called within a tokio runtime.
    pub fn serve(self, routes: Router) -> Serving {
        self.serve_wrapped(|tcp| async { Ok(tcp) }, routes)
    }

    /// Like [`serve`](Self::serve), with each connection wrapped, for example in TLS.
    ///
    /// # Examples
    /// ```
    /// # use anocm_ws::server::{Server, Serving};
    /// # use axum::Router;
    /// use tokio_rustls::TlsAcceptor;
    ///
    /// fn serve(server: Server, tls: TlsAcceptor, routes: Router) -> Serving {
    ///     server.serve_wrapped(move |tcp| tls.accept(tcp), routes)
    /// }
    /// ```
    pub fn serve_wrapped<W, Fut, S>(self, wrap: W, routes: Router) -> Serving
    where
        W: Fn(Connection) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<S>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Self { relay, listener, address } = self;
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { drop(stopped.await) };
        let listener = tokio::spawn(listener.serve_wrapped(wrap, routes, stopped));
        Serving { relay, listener, stop, address }
    }
}

/// A relay that is served, until [`shutdown`](Self::shutdown).
///
/// When it is dropped instead, no more connections are accepted, and open ones continue.
#[derive(Debug)]
#[must_use = "no connection is accepted any more once this is dropped"]
pub struct Serving {
    relay: Arc<Relay>,
    listener: JoinHandle<()>,
    stop: oneshot::Sender<()>,
    address: SocketAddr,
}

impl Serving {
    /// Returns the address that is served.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns the relay.
    #[must_use]
    pub const fn relay(&self) -> &Arc<Relay> {
        &self.relay
    }

    /// Returns when a task has ended that must not end before [`shutdown`](Self::shutdown): no
    /// guest can be served from then on. Cancel safe.
    pub async fn failed(&mut self) -> ServeError {
        tokio::select! {
            // It runs until `stop` is dropped, so it has panicked.
            () = ended(&mut self.listener) => ServeError::Listener,
            () = self.relay.failed() => ServeError::Relay,
        }
    }

    /// Accepts no more connections, tells every guest that the relay goes away, closes all
    /// connections and waits for their end, for `within` at most. `rooms_end` is what guests are
    /// told of the rooms, see [`Relay::shutdown`].
    ///
    /// # Errors
    /// [`ShutdownTimeout`] when some connections have not ended in time, for example one whose
    /// request has not arrived completely: such a connection has until
    /// [`ListenOptions::header_within`](super::ListenOptions::header_within), also twice with a
    /// wrapper such as TLS. They are left alone, and end with the runtime.
    pub async fn shutdown(self, rooms_end: bool, within: Duration) -> Result<(), ShutdownTimeout> {
        let Self { relay, mut listener, stop, .. } = self;
        // First, so that no guest is accepted that the relay would only turn away.
        drop(stop);
        let ending = async {
            relay.shutdown(rooms_end).await;
            ended(&mut listener).await;
        };
        let ending = timeout(within, ending).await;
        listener.abort();
        ending.map_err(|_| ShutdownTimeout)
    }
}

/// Returns when the task has ended, also if that was noticed before.
async fn ended(task: &mut JoinHandle<()>) {
    if !task.is_finished() {
        let _ = task.await;
    }
}

/// Why guests can no longer be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The task that accepts connections has panicked.
    #[error("the listener has stopped")]
    Listener,
    /// A task of the relay has panicked, see [`Relay::failed`].
    #[error("a task of the relay has stopped")]
    Relay,
}

/// Some connections have not ended in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("some connections did not end in time")]
pub struct ShutdownTimeout;
