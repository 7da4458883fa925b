//! Accepts connections, as many as are allowed, until told to stop.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::held::Held;

/// Bytes that the kernel may hold back for one connection. By itself it would take megabytes
/// for each one that does not read; this costs no throughput that could be measured.
const SEND_BUFFER: usize = 64 * 1_024;

/// Places above the relay's limit, so that health checks still pass and the relay itself can
/// say that it is full.
const SPARE: u32 = 64;

/// How long nothing is accepted when the system has no more file descriptors or memory.
const RECOVERY: Duration = Duration::from_millis(250);

/// What a request may take in bytes before it is refused. Ours take a few hundred.
const MAX_HEAD: usize = 16 * 1_024;

/// A bound port.
pub(crate) struct Listener {
    tcp: TcpListener,
    places: Arc<Semaphore>,
    most: u32,
}

/// What every connection is served.
pub(crate) struct Site {
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) routes: Router,
    pub(crate) header_within: Duration,
}

impl Listener {
    pub(crate) async fn bind(address: SocketAddr, max_connections: u32) -> io::Result<Self> {
        let most = max_connections.saturating_add(SPARE);
        Ok(Self {
            tcp: TcpListener::bind(address).await?,
            places: Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(usize::MAX))),
            most,
        })
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Serves until told to stop, and then until the last connection is gone.
    pub(crate) async fn serve(self, site: Site, mut stop: watch::Receiver<bool>) {
        let site = Arc::new(site);
        loop {
            let accepted = tokio::select! {
                accepted = self.accept() => accepted,
                () = stopped(&mut stop) => break,
            };
            match accepted {
                Ok((tcp, place)) => {
                    tokio::spawn(connection(Arc::clone(&site), tcp, place, stop.clone()));
                }
                // One that was gone before it was accepted says nothing about the next.
                Err(error) if of_the_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(kind = %error.kind(), "cannot accept connections for now");
                    sleep(RECOVERY).await;
                }
            }
        }
        let Self { tcp, places, most } = self;
        drop(tcp);
        // Each connection holds a place, so all places are free once they are all gone.
        let _ = places.acquire_many(most).await;
    }

    /// Waits for a place before the next connection, which waits in the kernel meanwhile.
    async fn accept(&self) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(io::Error::other)?;
        let (tcp, _) = self.tcp.accept().await?;
        Ok((tcp, place))
    }
}

async fn connection(
    site: Arc<Site>,
    tcp: TcpStream,
    place: OwnedSemaphorePermit,
    stop: watch::Receiver<bool>,
) {
    // Neither can fail for a reason that serving would survive.
    let _ = tcp.set_nodelay(true);
    let _ = SockRef::from(&tcp).set_send_buffer_size(SEND_BUFFER);
    let io = Held::new(tcp, place);
    match &site.tls {
        None => http(&site, io, stop).await,
        Some(tls) => match timeout(site.header_within, tls.accept(io)).await {
            Ok(Ok(io)) => http(&site, io, stop).await,
            _ => tracing::debug!("a connection did not get through TLS"),
        },
    }
}

async fn http(
    site: &Site,
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    mut stop: watch::Receiver<bool>,
) {
    let service = TowerToHyperService::new(site.routes.clone());
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(site.header_within)
        // One answer fits the kernel's buffer. Behind several to a peer that does not read, the
        // next request is not read either, and no timer runs.
        .keep_alive(false)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if ended.is_err() {
        tracing::debug!("a connection ended early");
    }
}

/// Returns when it is time to stop, or when nobody is left to say so.
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
