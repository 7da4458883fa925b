//! The WebSocket of a relay as an axum router.

use std::{
    fmt,
    future::{Future, ready},
    sync::Arc,
    time::Duration,
};

use anocm_core::{relay::Relay, transport::Link, wire::MAX_HELLO};
use axum::{
    Router,
    extract::Request,
    response::{IntoResponse, Response},
    routing::any,
};
use bytes::Bytes;
use http::request::Parts;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::upgrade::Upgrade;
use crate::{
    Timing,
    frame::{CloseCode, IngressBudget, Memory, MeteredIo, Side},
    link::WsLink,
};

/// The timeout for sending the response to an upgrade request.
const UPGRADE_WITHIN: Duration = Duration::from_secs(10);

/// Limits and timeouts of server connections.
#[derive(Clone, Copy, Debug)]
pub struct WsServerOptions {
    /// Keepalive interval and timeouts.
    pub timing: Timing,
    /// Whether requests with an `Origin` are refused. Browsers send one, other programs do not.
    /// Meant for a relay on loopback, which any page open on the machine could otherwise use. Off
    /// by default, since a web client has an `Origin` too.
    pub refuse_origin: bool,
    /// The maximum length of the first frame in bytes. The connection of a peer that sends more is
    /// closed, unless the whole frame has arrived in one read with its header. Default
    /// [`MAX_HELLO`], since every connection begins with a hello. With 0 it may be as long as any.
    pub max_first_frame: usize,
    /// Memory in bytes for longer incoming frames (above 17 KiB: the largest entries and doors),
    /// shared by all connections of this router. Each frame holds its share until it has been
    /// processed. When the memory is exhausted, further data stays unread. Default 256 MiB; never
    /// less than twice [`MAX_FRAME`](anocm_core::wire::MAX_FRAME), which the longest frame needs.
    pub receive_memory: usize,
}

impl Default for WsServerOptions {
    fn default() -> Self {
        Self {
            timing: Timing::default(),
            refuse_origin: false,
            max_first_frame: MAX_HELLO,
            receive_memory: 256 << 20,
        }
    }
}

/// Returns a router that serves `relay` at `GET /ws`.
///
/// It may be nested under a path, merged with other routes, and layered. A layer decides who may
/// connect: a response of its own is sent instead of the upgrade. The router keeps the relay alive.
///
/// # Examples
/// Guests need a password, and the relay is at `/chat/ws`:
/// ```
/// use std::sync::Arc;
/// use anocm_core::relay::Relay;
/// use anocm_ws::server::{WsServerOptions, relay_router};
/// use axum::{
///     Router,
///     extract::Request,
///     http::{StatusCode, header::AUTHORIZATION},
///     middleware::{Next, from_fn},
///     response::Response,
/// };
///
/// async fn only_guests(request: Request, next: Next) -> Result<Response, StatusCode> {
///     match request.headers().get(AUTHORIZATION) {
///         Some(value) if value == "Bearer example" => Ok(next.run(request).await),
///         _ => Err(StatusCode::UNAUTHORIZED),
///     }
/// }
///
/// fn app(relay: &Arc<Relay>) -> Router {
///     let web_socket = relay_router(relay, WsServerOptions::default());
///     Router::new().nest("/chat", web_socket.layer(from_fn(only_guests)))
/// }
/// ```
pub fn relay_router(relay: &Arc<Relay>, options: WsServerOptions) -> Router {
    let relay = Arc::clone(relay);
    let accept = move |upgrade: WsUpgrade| {
        let relay = Arc::clone(&relay);
        ready(upgrade.on_link(|link| async move { relay.serve(link).await }))
    };
    router(accept, options)
}

/// Returns a router that serves `GET /ws` and passes each valid request for a WebSocket to
/// `accept`, which accepts it with [`WsUpgrade::on_link`] or refuses it with a response of its own.
///
/// It may be nested under a path. Requests that are no valid upgrade are refused before.
///
/// # Examples
/// Sends every frame back, to peers on this machine only. [`Listener`](super::Listener) and
/// [`Server`](super::Server) tell the peer's address, as does `axum::serve` with
/// `into_make_service_with_connect_info`:
/// ```
/// use std::net::SocketAddr;
/// use anocm_core::transport::{Closing, Link};
/// use anocm_ws::server::{WsServerOptions, WsUpgrade, router};
/// use axum::{extract::ConnectInfo, http::StatusCode};
///
/// let accept = |upgrade: WsUpgrade| async move {
///     match upgrade.parts().extensions.get::<ConnectInfo<SocketAddr>>() {
///         Some(ConnectInfo(peer)) if peer.ip().is_loopback() => Ok(upgrade.on_link(echo)),
///         _ => Err(StatusCode::FORBIDDEN),
///     }
/// };
/// let app: axum::Router =
///     axum::Router::new().nest("/chat", router(accept, WsServerOptions::default()));
///
/// async fn echo(link: Box<dyn Link>) {
///     while let Ok(Some(frame)) = link.recv().await {
///         if link.send(&[frame]).await.is_err() {
///             break;
///         }
///     }
///     link.close(Closing::Done).await;
/// }
/// ```
pub fn router<F, Fut>(accept: F, options: WsServerOptions) -> Router
where
    F: Fn(WsUpgrade) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output: IntoResponse> + Send + 'static,
{
    // `any`, since axum would answer HEAD like GET; `Upgrade` refuses all methods but GET.
    let memory = Memory::new(options.receive_memory);
    let handler = move |request: Request| {
        let accept = accept.clone();
        let budget = IngressBudget::of(&memory, options.max_first_frame);
        async move {
            match Upgrade::of(request, options.refuse_origin) {
                Ok(upgrade) => {
                    let upgrade = WsUpgrade { upgrade, budget, timing: options.timing };
                    accept(upgrade).await.into_response()
                }
                Err(refusal) => refusal.into_response(),
            }
        }
    };
    Router::new().route("/ws", any(handler))
}

/// A valid request for a WebSocket, to accept or to refuse.
///
/// Dropping it refuses the request with whatever response the caller returns. Nothing of the
/// request is logged, and nothing outlives [`on_link`](Self::on_link): what a link should know of
/// its request is what the caller moves into `serve`.
pub struct WsUpgrade {
    upgrade: Upgrade,
    budget: IngressBudget,
    timing: Timing,
}

impl WsUpgrade {
    /// Returns the request without its body: URI, headers, and extensions, such as the peer's
    /// address (`ConnectInfo`) or what a middleware has found out about the guest.
    #[must_use]
    pub const fn parts(&self) -> &Parts {
        &self.upgrade.parts
    }

    /// Accepts the request and returns the response to it. Once that is sent, `serve` is called
    /// with the link, in a task of its own. The response must be sent within ten seconds. Must be
    /// called within a tokio runtime.
    ///
    /// The future that `serve` returns is the connection: when it completes and the link was
    /// dropped, the connection is closed properly. Call [`Link::close`] to choose the close code,
    /// also after an error of `recv`: only then does the peer receive the close code.
    ///
    /// Each connection must be polled for frames all the time (see [`Link::recv`]): pings are
    /// answered, and silence is detected, inside `recv`.
    #[must_use = "the connection is not upgraded until the response is sent"]
    pub fn on_link<F, Fut>(self, serve: F) -> Response
    where
        F: FnOnce(Box<dyn Link>) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let Self { upgrade: Upgrade { on, response, .. }, budget, timing } = self;
        tokio::spawn(open(on, serve, budget, timing));
        response
    }
}

impl fmt::Debug for WsUpgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WsUpgrade(..)")
    }
}

async fn open<F, Fut>(on: OnUpgrade, serve: F, budget: IngressBudget, timing: Timing)
where
    F: FnOnce(Box<dyn Link>) -> Fut,
    Fut: Future<Output = ()>,
{
    let Ok(Ok(io)) = timeout(UPGRADE_WITHIN, on).await else {
        tracing::debug!("a connection ended while it was upgraded");
        return;
    };
    let io = MeteredIo::new(TokioIo::new(io), Bytes::new(), budget);
    let link = WsLink::new(io, Side::Server, timing);
    let shared = link.shared();
    serve(Box::new(link)).await;
    // Only when the link was dropped: `serve` may have passed it on to another task.
    if let Ok(shared) = Arc::try_unwrap(shared) {
        shared.close(CloseCode::GOING_AWAY).await;
    }
}

#[cfg(test)]
mod tests {
    use hyper::server::conn::http1;
    use hyper_util::service::TowerToHyperService;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::mpsc,
        time::sleep,
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_slow_connection_has_time_to_become_a_link_whatever_the_timing() {
        let timing = Timing { dead_after: Duration::from_secs(1), ..Timing::default() };
        let (give, mut links) = mpsc::unbounded_channel();
        let accept = move |upgrade: WsUpgrade| {
            let give = give.clone();
            ready(upgrade.on_link(|link| async move { drop(give.send(link)) }))
        };
        let options = WsServerOptions { timing, ..WsServerOptions::default() };
        let routes = TowerToHyperService::new(router(accept, options));
        // Too small for the response, which waits to be read.
        let (mut alice, here) = tokio::io::duplex(16);
        let serving = http1::Builder::new().serve_connection(TokioIo::new(here), routes);
        tokio::spawn(serving.with_upgrades());

        let request = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        alice.write_all(request.as_bytes()).await.unwrap();
        sleep(5 * timing.dead_after).await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(alice.read_u8().await.unwrap());
        }
        assert!(links.recv().await.is_some());
    }
}
