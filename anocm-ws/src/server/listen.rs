//! Accepts a bounded number of connections until it is stopped.

use std::{future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use anocm_core::SettingError;
use axum::{Router, extract::ConnectInfo, middleware::map_response, response::Response};
use http::{HeaderValue, Request, StatusCode, header::CONNECTION};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, ToSocketAddrs},
    sync::{Semaphore, watch},
    time::{Instant, sleep, timeout},
};

use super::Connection;

/// Connections accepted above the relay's limit, so that health checks still pass and the relay
/// itself can report that it is full.
const SPARE: u32 = 64;

/// The pause before the next accept when the system is out of file descriptors or memory.
const RECOVERY: Duration = Duration::from_millis(250);
/// The minimum interval between two log messages about that.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The maximum size of a request in bytes. Those of our clients take a few hundred.
const MAX_HEAD: usize = 16 * 1_024;

/// The connection limit and timeouts of a [`Listener`].
#[derive(Clone, Copy, Debug)]
pub struct ListenOptions {
    /// The maximum number of concurrent connections of the relay. A few more are accepted, so that
    /// the relay can report that it is full; all others wait in the kernel. At least 1; default
    /// 10,000.
    pub max_connections: u32,
    /// The timeout for the request of a connection, and before that for the wrapping handshake
    /// (such as TLS), from 10 ms to a day. Default 10 seconds.
    pub header_within: Duration,
    /// How long sent data may remain unacknowledged or unread, where the system supports this
    /// (Linux, Android), from 10 ms to a day. Default 20 seconds.
    pub taken_within: Duration,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            header_within: Duration::from_secs(10),
            taken_within: Duration::from_secs(20),
        }
    }
}

impl ListenOptions {
    /// Checks that the options are within their ranges.
    ///
    /// # Errors
    /// [`SettingError`] names the first field that is out of its range.
    pub fn check(&self) -> Result<(), SettingError> {
        let field = "max_connections";
        SettingError::unless_in(&(1..=u32::MAX), &self.max_connections, field, "at least 1")?;
        let times = Duration::from_millis(10)..=Duration::from_secs(86_400);
        for (value, field) in
            [(self.header_within, "header_within"), (self.taken_within, "taken_within")]
        {
            SettingError::unless_in(&times, &value, field, "from 10ms to 1d")?;
        }
        Ok(())
    }
}

/// A bound port that serves a router to untrusted peers.
///
/// It bounds what axum's own loop leaves unbounded: the number of connections, the time that one
/// may take for its request, and the memory that the kernel keeps for one that does not read. Each
/// connection serves one request, which is all that a WebSocket needs. The peer's address is in the
/// extensions of that request, as `axum::extract::ConnectInfo<SocketAddr>`, and nowhere else.
///
/// # Examples
/// ```
/// use anocm_ws::server::{ListenOptions, Listener};
/// use axum::{Router, routing::get};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let routes = Router::new().route("/metrics", get("# EOF\n"));
/// let listener = Listener::bind("127.0.0.1:0", ListenOptions::default()).await?;
/// println!("listening on http://{}/", listener.local_addr()?);
///
/// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
/// let serving = tokio::spawn(listener.serve(routes, async { drop(stopped.await) }));
/// drop(stop);
/// serving.await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    places: Arc<Semaphore>,
    most: u32,
    options: ListenOptions,
}

impl Listener {
    /// Binds `address`; port 0 lets the system choose.
    ///
    /// # Errors
    /// The system's error when the address cannot be bound; a
    /// [`SettingError`](anocm_core::SettingError) of the kind
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) when an option is out of its range.
    pub async fn bind(address: impl ToSocketAddrs, options: ListenOptions) -> io::Result<Self> {
        options.check().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let most = options.max_connections.saturating_add(SPARE);
        Ok(Self {
            tcp: TcpListener::bind(address).await?,
            places: Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(usize::MAX))),
            most,
            options,
        })
    }

    /// Returns the local address.
    ///
    /// # Errors
    /// The system's error when the address is not known.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Serves `routes` until `stop` is ready, and then until the last connection is closed,
    /// WebSockets included. When the future is dropped, no more connections are accepted.
    pub async fn serve(self, routes: Router, stop: impl Future<Output = ()> + Send) {
        self.serve_wrapped(|tcp| async { Ok(tcp) }, routes, stop).await;
    }

    /// Like [`serve`](Self::serve), with each connection wrapped, for example in TLS.
    ///
    /// # Examples
    /// ```
    /// # use anocm_ws::server::Listener;
    /// # use axum::Router;
    /// use tokio_rustls::TlsAcceptor;
    ///
    /// async fn serve(listener: Listener, tls: TlsAcceptor, routes: Router) {
    ///     let never = std::future::pending();
    ///     listener.serve_wrapped(move |tcp| tls.accept(tcp), routes, never).await;
    /// }
    /// ```
    pub async fn serve_wrapped<W, Fut, S>(
        self,
        wrap: W,
        routes: Router,
        stop: impl Future<Output = ()> + Send,
    ) where
        W: Fn(Connection) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<S>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let header_within = self.options.header_within;
        let routes = routes.layer(map_response(one_request));
        // Dropping the sender also signals the stop.
        let (tell, told) = watch::channel(false);
        let mut stop = pin!(stop);
        let mut complained: Option<Instant> = None;
        loop {
            let accepted = tokio::select! {
                accepted = self.accept() => accepted,
                () = stop.as_mut() => break,
            };
            match accepted {
                Ok((tcp, peer)) => {
                    let (routes, stop) = (routes.clone(), told.clone());
                    let site = Site { routes, peer, header_within, stop };
                    tokio::spawn(site.welcome(wrap(tcp)));
                }
                // The error concerns one connection that ended before it was accepted, not the
                // listener.
                Err(error) if of_the_connection(&error) => {}
                Err(error) => {
                    if complained.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
                        complained = Some(Instant::now());
                        tracing::warn!("no connections are accepted for now: {}", shortage(&error));
                    }
                    sleep(RECOVERY).await;
                }
            }
        }
        tell.send_replace(true);
        let Self { tcp, places, most, .. } = self;
        drop(tcp);
        // Each connection holds a permit, so all permits are available once all connections are
        // closed.
        let _ = places.acquire_many(most).await;
    }

    /// Waits for a permit before accepting the next connection, which waits in the kernel
    /// meanwhile.
    async fn accept(&self) -> io::Result<(Connection, SocketAddr)> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(io::Error::other)?;
        let (tcp, peer) = self.tcp.accept().await?;
        Ok((Connection::new(tcp, place, self.options.taken_within), peer))
    }
}

/// What is needed to serve one connection.
struct Site {
    routes: Router,
    peer: SocketAddr,
    header_within: Duration,
    stop: watch::Receiver<bool>,
}

impl Site {
    async fn welcome<S>(self, wrapping: impl Future<Output = io::Result<S>>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        match timeout(self.header_within, wrapping).await {
            Ok(Ok(io)) => self.http(io).await,
            _ => tracing::debug!("a connection did not get through what it is wrapped in"),
        }
    }

    async fn http(mut self, io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        let (routes, peer) = (TowerToHyperService::new(self.routes), self.peer);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            routes.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_within)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopped(&mut self.stop) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if ended.is_err() {
            tracing::debug!("a connection ended early");
        }
    }
}

/// Ends the connection after its first response. One response fits the kernel's buffer. Behind
/// several responses to a peer that does not read, the next request is not read either, and no
/// timer runs.
///
/// An upgrade is not changed, unlike with hyper's own setting: when a response has `close` besides
/// `Upgrade`, Go's HTTP client reports neither, and proxies written in Go do not pass the upgrade
/// on.
async fn one_request(mut response: Response) -> Response {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().append(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Returns when the stop is signalled, or when its sender was dropped.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

fn of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// Describes which resource is exhausted: the standard library has no description for these errors.
fn shortage(error: &io::Error) -> String {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        let known = [
            (Errno::MFILE, "this process has as many files open as it may (EMFILE)"),
            (Errno::NFILE, "the system has as many files open as it can (ENFILE)"),
            (Errno::NOBUFS, "the system has no memory for sockets (ENOBUFS)"),
            (Errno::NOMEM, "the system has no memory (ENOMEM)"),
        ];
        let code = Errno::from_io_error(error);
        if let Some((_, words)) = known.iter().find(|(errno, _)| code == Some(*errno)) {
            return (*words).to_owned();
        }
    }
    error.kind().to_string()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_connection_beyond_the_limit_waits_for_a_free_place() {
        let listener = Listener::bind("127.0.0.1:0", ListenOptions::default()).await;
        let listener = Arc::new(listener.unwrap());
        let _others =
            Arc::clone(&listener.places).acquire_many_owned(listener.most - 1).await.unwrap();
        let (here, elsewhere) =
            (listener.local_addr().unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let _alice = TcpStream::connect(here).await.unwrap();
        let last = listener.accept().await.unwrap();

        let _bob = TcpStream::connect(here).await.unwrap();
        let waiting = tokio::spawn({
            let listener = Arc::clone(&listener);
            async move { listener.accept().await }
        });
        // A later connection to another listener has been accepted, so there was enough time to
        // accept Bob's.
        let _carol = TcpStream::connect(elsewhere.local_addr().unwrap()).await.unwrap();
        elsewhere.accept().await.unwrap();
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());

        drop(last);
        assert!(waiting.await.unwrap().is_ok());
    }
}
