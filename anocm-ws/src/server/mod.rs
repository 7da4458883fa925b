//! A relay behind axum: the router of its WebSocket, a listener with admission limits, and a server
//! that joins relay and listener.
//!
//! | | |
//! |---|---|
//! | [`relay_router`] | serves a [`Relay`](anocm_core::relay::Relay) at `GET /ws`, in an axum application of any kind |
//! | [`router`] | the same for links that the caller accepts, or refuses by what is in the request |
//! | [`Server`] | binds, serves until told to end, and shuts relay and listener down |
//! | [`Listener`] | the bounded accept loop alone |
//!
//! # Examples
//! A relay that serves until Ctrl-C:
//! ```no_run
//! use std::{sync::Arc, time::Duration};
//! use anocm_core::{
//!     ContinuousClock, TokioClock,
//!     relay::{Relay, RelayConfig},
//!     store::{MemoryLimits, MemoryStore},
//! };
//! use anocm_ws::server::{ListenOptions, Server, WsServerOptions, relay_router};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemoryStore::new(Arc::new(ContinuousClock::new()), MemoryLimits::default())?;
//! let relay = Relay::new(store, Arc::new(TokioClock::new()), RelayConfig::default())?;
//! let routes = relay_router(&relay, WsServerOptions::default());
//! let server = Server::bind("127.0.0.1:8080", relay, ListenOptions::default()).await?;
//! let mut serving = server.serve(routes);
//! tokio::select! {
//!     _ = tokio::signal::ctrl_c() => {}
//!     error = serving.failed() => eprintln!("{error}"),
//! }
//! serving.shutdown(true, Duration::from_secs(10)).await?;
//! # Ok(())
//! # }
//! ```

mod connection;
mod listen;
mod router;
mod serving;
mod upgrade;

/// The web framework whose `Router` this module returns and serves.
pub use axum;
pub use connection::Connection;
pub use listen::{ListenOptions, Listener};
pub use router::{WsServerOptions, WsUpgrade, relay_router, router};
pub use serving::{ServeError, Server, Serving, ShutdownTimeout};
