//! A relay in an axum application, over the loopback interface.

use std::sync::Arc;

use anocm_core::{
    ContinuousClock, RelayUrl, TokioClock,
    relay::{Relay, RelayConfig},
    store::{MemoryLimits, MemoryStore},
};
use anocm_ws::server::{WsServerOptions, relay_router};
use tokio::net::TcpListener;

use crate::Failure;

/// Serves a relay on a free port until the process ends. Returns its URL.
pub async fn serve() -> Result<RelayUrl, Failure> {
    let store = MemoryStore::new(Arc::new(ContinuousClock::new()), MemoryLimits::default())?;
    let relay = Relay::new(store, Arc::new(TokioClock::new()), RelayConfig::default())?;
    let router = relay_router(&relay, WsServerOptions::default());
    let app = axum::Router::new().nest("/chat", router);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(format!("http://{address}/chat/").parse()?)
}
