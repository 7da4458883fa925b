//! A transport of one's own. The tests of this crate run `transport_conformance!` against it.
//!
//! `cargo run -p anocm-core --example own_transport`

pub(crate) mod queues;

use std::{
    error::Error,
    io::{self, Write},
    sync::Arc,
};

use anocm_core::{
    NewRoom, TokioClock,
    client::Client,
    relay::{Relay, RelayConfig},
    store::{MemoryLimits, MemoryStore},
};

use self::queues::Queues;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run(io::stdout()).await
}

/// Opens a room over this transport, and prints its link without the secret part.
pub(crate) async fn run(mut output: impl Write) -> Result<(), Box<dyn Error>> {
    let clock = Arc::new(TokioClock::new());
    let store = MemoryStore::new(clock.clone(), MemoryLimits::default())?;
    let relay = Relay::new(store, clock, RelayConfig::default())?;
    let accept = move |link| {
        let relay = Arc::clone(&relay);
        tokio::spawn(async move { relay.serve(link).await });
    };
    let (client, driver) = Client::new(Queues { relay: "https://relay.example/".parse()?, accept });
    tokio::spawn(driver);
    let room = client.create(&NewRoom::default())?;
    room.entered().await?;
    let invite = room.view().invite.ok_or("no invite")?;
    writeln!(output, "a room at {}", invite.relay())?;
    Ok(())
}
