//! The smallest relay: rooms in memory, one port, until Ctrl-C.
//!
//! ```sh
//! cargo run -p anocm-ws --example relay -- 127.0.0.1:8080
//! cargo run -p anocm-cli -- new --relay http://127.0.0.1:8080/
//! ```
//!
//! A relay for others needs TLS, in front of it or with `Server::serve_wrapped`. `anocm-server`
//! also hardens its process, which a program does with the crate `anocm-guard`.
#![expect(clippy::print_stdout, reason = "an example says what it does")]

use std::{error::Error, sync::Arc, time::Duration};

use anocm_core::{
    ContinuousClock, TokioClock,
    relay::{Relay, RelayConfig},
    store::{MemoryLimits, MemoryStore},
};
use anocm_ws::server::{ListenOptions, Server, Serving, WsServerOptions, relay_router};

/// Starts a relay that listens at `address`.
pub(crate) async fn start(address: &str) -> Result<Serving, Box<dyn Error>> {
    // This clock continues while the machine sleeps, so that messages expire then, too.
    let store = MemoryStore::new(Arc::new(ContinuousClock::new()), MemoryLimits::default())?;
    let relay = Relay::new(store, Arc::new(TokioClock::new()), RelayConfig::default())?;
    // A page that is open on this machine could otherwise open rooms here.
    let options = WsServerOptions { refuse_origin: true, ..WsServerOptions::default() };
    let routes = relay_router(&relay, options);
    Ok(Server::bind(address, relay, ListenOptions::default()).await?.serve(routes))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let mut serving = start(&address).await?;
    println!("listening on http://{}/", serving.local_addr());
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        error = serving.failed() => eprintln!("{error}"),
    }
    // The rooms are in this process and end with it: the guests are told so.
    serving.shutdown(true, Duration::from_secs(10)).await?;
    Ok(())
}
