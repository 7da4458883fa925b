//! A store of one's own around another: it refuses rooms after a number of them.
//!
//! `cargo run -p anocm-core --example own_store`

mod quota;

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

use self::quota::Quota;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run(io::stdout()).await
}

/// Opens rooms until the store refuses one.
pub(crate) async fn run(mut output: impl Write) -> Result<(), Box<dyn Error>> {
    let clock = Arc::new(TokioClock::new());
    let inner = MemoryStore::new(clock.clone(), MemoryLimits::default())?;
    let store = Arc::new(Quota { inner, rooms_left: 2.into() });
    let relay = Relay::new(store, clock, RelayConfig::default())?;
    let (client, driver) = Client::new(relay.transport());
    tokio::spawn(driver);
    for number in 1.. {
        let room = client.create(&NewRoom::default())?;
        if let Err(why) = room.entered().await {
            writeln!(output, "no more rooms: {why}")?;
            break;
        }
        writeln!(output, "room {number} is open")?;
        room.close_for_all()?;
    }
    Ok(())
}
