//! The WebSocket of a relay as an axum router, and a listener to serve it with.
//!
//! # Examples
//! ```
//! use anocm_core::transport::{Closing, Link};
//! use anocm_ws::server::{WsServerOptions, router};
//!
//! // Sends every frame back.
//! let echo = |link: Box<dyn Link>| async move {
//!     while let Ok(Some(frame)) = link.recv().await {
//!         if link.send(&[frame]).await.is_err() {
//!             break;
//!         }
//!     }
//!     link.close(Closing::Done).await;
//! };
//! let app: axum::Router = axum::Router::new().nest("/chat", router(echo, WsServerOptions::default()));
//! ```

mod connection;
mod listen;
mod upgrade;

use std::{future::Future, time::Duration};

use anocm_core::{transport::Link, wire::MAX_HELLO};
use axum::{
    Router,
    extract::Request,
    response::{IntoResponse, Response},
    routing::any,
};
use bytes::Bytes;
pub use connection::Connection;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
pub use listen::{ListenOptions, Listener};
use tokio::time::timeout;
use upgrade::Upgrade;

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
    /// [`MAX_HELLO`], since every connection begins with a hello.
    pub max_first_frame: usize,
    /// Memory in bytes for longer incoming frames (above 17 KiB: the largest entries and doors),
    /// shared by all connections of this router. Each frame holds its share until it has been
    /// processed. When the memory is exhausted, further data stays unread. Default 256 MiB.
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

/// Returns a router that serves `GET /ws` and passes each new connection to `accept`.
///
/// It may be nested under a path. The future that `accept` returns is the connection: when it
/// completes and the link was dropped, the connection is closed properly. Call [`Link::close`] to
/// choose the close code, also after an error of `recv`: only then does the peer receive the close
/// code.
///
/// Each connection must be polled for frames all the time (see [`Link::recv`]): pings are answered,
/// and silence is detected, inside `recv`.
pub fn router<F, Fut>(accept: F, options: WsServerOptions) -> Router
where
    F: Fn(Box<dyn Link>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    // `any`, since axum would answer HEAD like GET; `Upgrade` refuses all methods but GET.
    let memory = Memory::new(options.receive_memory);
    let handler = move |request: Request| {
        let accept = accept.clone();
        let budget = IngressBudget::of(&memory, options.max_first_frame);
        async move { answer(request, accept, budget, options) }
    };
    Router::new().route("/ws", any(handler))
}

fn answer<F, Fut>(
    request: Request,
    accept: F,
    budget: IngressBudget,
    options: WsServerOptions,
) -> Response
where
    F: Fn(Box<dyn Link>) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    match Upgrade::of(request, options.refuse_origin) {
        Ok(Upgrade { on, response }) => {
            tokio::spawn(serve(on, accept, budget, options));
            response
        }
        Err(refusal) => refusal.into_response(),
    }
}

async fn serve<F, Fut>(on: OnUpgrade, accept: F, budget: IngressBudget, options: WsServerOptions)
where
    F: Fn(Box<dyn Link>) -> Fut,
    Fut: Future<Output = ()>,
{
    let Ok(Ok(io)) = timeout(UPGRADE_WITHIN, on).await else {
        tracing::debug!("a connection ended while it was upgraded");
        return;
    };
    let io = MeteredIo::new(TokioIo::new(io), Bytes::new(), budget);
    let link = WsLink::new(io, Side::Server, options.timing);
    let shared = link.shared();
    accept(Box::new(link)).await;
    // Only when the link was dropped: `accept` may have passed it on to another task.
    if let Ok(shared) = std::sync::Arc::try_unwrap(shared) {
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
        let accept = move |link| {
            let give = give.clone();
            async move { drop(give.send(link)) }
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
