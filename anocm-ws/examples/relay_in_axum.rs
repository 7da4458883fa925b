//! A relay as a part of an axum application, which decides who may connect: peers on this machine,
//! and others by a password. The metrics are for this machine only.
//!
//! ```sh
//! cargo run -p anocm-ws --example relay_in_axum -- 127.0.0.1:8080 PASSWORD
//! ```
//!
//! What a decision needs of the request can also be used where the WebSocket is accepted: see
//! `anocm_ws::server::router`.
#![expect(clippy::print_stdout, reason = "an example says what it does")]

use std::{error::Error, net::SocketAddr, sync::Arc};

use anocm_core::{
    ContinuousClock, TokioClock,
    relay::{Relay, RelayConfig},
    store::{MemoryLimits, MemoryStore},
};
use anocm_ws::server::{WsServerOptions, relay_router};
use axum::{
    Router,
    extract::{ConnectInfo, Request, State},
    http::{StatusCode, header::AUTHORIZATION},
    middleware::{Next, from_fn_with_state},
    response::Response,
    routing::get,
};
use tokio::net::TcpListener;

/// Returns the application: a page, metrics, and a relay at `/chat/`.
pub(crate) fn app(password: &str) -> Result<Router, Box<dyn Error>> {
    let store = MemoryStore::new(Arc::new(ContinuousClock::new()), MemoryLimits::default())?;
    let relay = Relay::new(store, Arc::new(TokioClock::new()), RelayConfig::default())?;
    let password: Arc<str> = format!("Bearer {password}").into();
    let chat = relay_router(&relay, WsServerOptions::default())
        .layer(from_fn_with_state(password, authenticate));
    Ok(Router::new()
        .route("/", get("an application with rooms at /chat/\n"))
        .route("/metrics", get(metrics))
        .with_state(relay)
        .nest("/chat", chat))
}

/// Refuses peers elsewhere that have no password. (A real application compares hashes.)
async fn authenticate(
    State(password): State<Arc<str>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Result<Response, StatusCode> {
    match request.headers().get(AUTHORIZATION) {
        None if peer.ip().is_loopback() => {}
        Some(value) if value.as_bytes() == password.as_bytes() => {}
        _ => return Err(StatusCode::UNAUTHORIZED),
    }
    Ok(next.run(request).await)
}

async fn metrics(
    State(relay): State<Arc<Relay>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
) -> Result<String, StatusCode> {
    let numbers = relay.statistics();
    let text = format!("connections {}\nrooms {}\n", numbers.connections, numbers.watched_rooms);
    if peer.ip().is_loopback() { Ok(text) } else { Err(StatusCode::NOT_FOUND) }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(address), Some(password)) = (words.next(), words.next()) else {
        return Err("give ADDRESS:PORT and a password".into());
    };
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}/chat/", listener.local_addr()?);
    let app = app(&password)?.into_make_service_with_connect_info::<SocketAddr>();
    // For strangers, `anocm_ws::server::Listener` is safer: it bounds connections, and the time
    // that each may take for its request.
    Ok(axum::serve(listener, app).await?)
}
