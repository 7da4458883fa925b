//! A relay behind axum: its own wiring, and an embedder's.
#![cfg(all(feature = "client", feature = "server"))]
#![expect(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use std::{future::Ready, io, net::SocketAddr, sync::Arc, time::Duration};

use anocm_core::{
    RelayUrl, TokioClock,
    relay::{Relay, RelayConfig},
    store::{MemoryLimits, MemoryStore},
    transport::{Link, Transport, TransportError},
    wire::{ClientHello, Hello, RelayHello},
};
use anocm_ws::{
    Timing,
    client::{WsOptions, WsTransport},
    server::{
        Connection, ListenOptions, ServeError, Server, Serving, ShutdownTimeout, WsServerOptions,
        WsUpgrade, relay_router, router,
    },
};
use axum::{
    Extension, Router,
    extract::ConnectInfo,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use common::{LONG, soon};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};

fn relay() -> Arc<Relay> {
    let clock = Arc::new(TokioClock::new());
    let store = MemoryStore::new(clock.clone(), MemoryLimits::default()).unwrap();
    Relay::new(store, clock, RelayConfig::default()).unwrap()
}

async fn bind(relay: &Arc<Relay>) -> Server {
    Server::bind("127.0.0.1:0", Arc::clone(relay), ListenOptions::default()).await.unwrap()
}

async fn started() -> Serving {
    let relay = relay();
    bind(&relay).await.serve(relay_router(&relay, WsServerOptions::default()))
}

fn url(address: SocketAddr, path: &str) -> RelayUrl {
    RelayUrl::parse(&format!("http://{address}{path}")).unwrap()
}

/// Connects and is welcomed.
async fn greeted(url: &RelayUrl) -> Box<dyn Link> {
    let link = common::connect(url, Timing::default()).await;
    soon(link.send(&[ClientHello::default().to_frame()])).await.unwrap();
    let answer = soon(link.recv()).await.unwrap().unwrap();
    assert!(matches!(RelayHello::from_frame(&answer), Ok(RelayHello::Welcome { .. })));
    link
}

async fn refusal(url: &RelayUrl) -> Option<TransportError> {
    soon(WsTransport::new(url, WsOptions::default()).unwrap().connect()).await.err()
}

#[tokio::test]
async fn a_relay_is_served_until_it_is_shut_down() {
    let serving = started().await;
    let address = serving.local_addr();
    let alice = greeted(&url(address, "/")).await;
    assert_eq!(serving.relay().statistics().connections, 1);
    let told = async {
        while let Ok(Some(_)) = alice.recv().await {}
        alice.recv().await
    };
    let (ended, told) = soon(async { tokio::join!(serving.shutdown(true, LONG), told) }).await;
    // Closed, and not cut.
    assert_eq!((ended, told), (Ok(()), Ok(None)));
    assert_eq!(refusal(&url(address, "/")).await, Some(TransportError::Unreachable));
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_long() {
    let serving = started().await;
    let mut mallory = TcpStream::connect(serving.local_addr()).await.unwrap();
    mallory.write_all(b"GET / HTTP/1.1\r\nHost").await.unwrap();
    // Served after that connection was accepted.
    let _alice = greeted(&url(serving.local_addr(), "/")).await;
    let ended = soon(serving.shutdown(false, Duration::from_millis(50))).await;
    assert_eq!(ended, Err(ShutdownTimeout));
}

#[tokio::test]
async fn a_listener_that_has_stopped_is_reported_each_time() {
    let relay = relay();
    let server = bind(&relay).await;
    let wrap = |_| -> Ready<io::Result<Connection>> { panic!("cannot wrap") };
    let mut serving = server.serve_wrapped(wrap, relay_router(&relay, WsServerOptions::default()));
    assert_eq!(refusal(&url(serving.local_addr(), "/")).await, Some(TransportError::Cut));
    assert_eq!(soon(serving.failed()).await, ServeError::Listener);
    assert_eq!(soon(serving.failed()).await, ServeError::Listener);
    assert_eq!(soon(serving.shutdown(true, LONG)).await, Ok(()));
}

#[tokio::test]
async fn dropping_it_ends_the_listener_and_no_connection() {
    let serving = started().await;
    let address = serving.local_addr();
    let alice = greeted(&url(address, "/")).await;
    drop(serving);
    while refusal(&url(address, "/")).await != Some(TransportError::Unreachable) {}
    // The relay still replies: to a second hello by closing the connection.
    soon(alice.send(&[ClientHello::default().to_frame()])).await.unwrap();
    assert_eq!(soon(alice.recv()).await, Ok(None));
}

/// What a middleware has found out about a guest.
#[derive(Clone)]
struct Guest(&'static str);

/// Accepts guests, and reports what their requests showed of them.
fn guests(
    relay: Arc<Relay>,
    seen: mpsc::UnboundedSender<(SocketAddr, &'static str, String)>,
) -> Router {
    let accept = move |upgrade: WsUpgrade| {
        let (relay, seen) = (Arc::clone(&relay), seen.clone());
        async move {
            let parts = upgrade.parts();
            let Some(Guest(name)) = parts.extensions.get::<Guest>().cloned() else {
                return StatusCode::UNAUTHORIZED.into_response();
            };
            let ConnectInfo(peer) = *parts.extensions.get::<ConnectInfo<SocketAddr>>().unwrap();
            seen.send((peer, name, parts.uri.path().to_owned())).unwrap();
            upgrade.on_link(|link| async move { relay.serve(link).await })
        }
    };
    router(accept, WsServerOptions::default())
}

#[tokio::test]
async fn an_embedder_decides_by_what_is_in_the_request() {
    let (tell, mut seen) = mpsc::unbounded_channel();
    let relay = relay();
    let guests = guests(Arc::clone(&relay), tell);
    let routes = Router::new()
        .nest("/strangers", guests.clone())
        .nest("/guests", guests.layer(Extension(Guest("Alice"))));
    let serving = bind(&relay).await.serve(routes);
    let address = serving.local_addr();

    assert_eq!(refusal(&url(address, "/strangers/")).await, Some(TransportError::Refused));
    let _alice = greeted(&url(address, "/guests/")).await;
    let (peer, name, path) = soon(seen.recv()).await.unwrap();
    assert!(peer.ip().is_loopback() && peer != address);
    assert_eq!((name, path.as_str()), ("Alice", "/ws"));
    assert_eq!(relay.statistics().connected, 1);
}

#[tokio::test]
async fn what_is_no_upgrade_never_reaches_the_embedder() {
    let accept = |_: WsUpgrade| -> Ready<Response> { panic!("asked") };
    let address = common::serve(router(accept, WsServerOptions::default())).await;
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    soon(tcp.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
}

#[tokio::test]
async fn an_upgrade_that_is_not_accepted_is_a_response_like_others() {
    let relay = relay();
    let teapot = |_: WsUpgrade| async { StatusCode::IM_A_TEAPOT };
    let routes = router(teapot, WsServerOptions::default()).route("/", get("here"));
    let serving = bind(&relay).await.serve(routes);
    assert_eq!(refusal(&url(serving.local_addr(), "/")).await, Some(TransportError::Refused));
    // The connection of that request has ended: none is left to wait for.
    assert_eq!(soon(serving.shutdown(true, LONG)).await, Ok(()));
}
