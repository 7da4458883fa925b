//! Two relays that share their rooms over Redis: a guest opens a room at one, another joins it at
//! the other.
//!
//! ```sh
//! redis-server --save "" --appendonly no
//! cargo run -p anocm-redis --example two_relays -- redis://127.0.0.1:6379
//! ```

use std::{
    error::Error,
    io::{self, Write},
    sync::Arc,
};

use anocm_core::{
    NewRoom, RoomEvent, TokioClock,
    client::Client,
    relay::{Relay, RelayConfig},
};
use anocm_redis::{RedisOptions, RedisStore};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "redis://127.0.0.1:6379".to_owned());
    run(&url, io::stdout()).await
}

/// A relay in this process, whose rooms are in Redis, and a client of it.
async fn client_of_a_relay(url: &str) -> Result<Client, Box<dyn Error>> {
    let store = RedisStore::connect(RedisOptions::new([url])?).await?;
    let relay = Relay::new(store, Arc::new(TokioClock::new()), RelayConfig::default())?;
    let (client, driver) = Client::new(relay.transport());
    tokio::spawn(driver);
    Ok(client)
}

/// Prints what Bob reads of what Alice says.
pub(crate) async fn run(url: &str, mut output: impl Write) -> Result<(), Box<dyn Error>> {
    let [one, other] = [client_of_a_relay(url).await?, client_of_a_relay(url).await?];
    let alice = one.create(&NewRoom { nickname: "Alice".parse()?, ..NewRoom::default() })?;
    alice.entered().await?;
    let invite = alice.view().invite.ok_or("no invite")?;
    let mut bob = other.join(&invite, "Bob".parse()?)?;
    bob.entered().await?;
    alice.send("Hello through the other relay.")?;
    while let Some(event) = bob.next_event().await {
        if let RoomEvent::Message(said) = event {
            writeln!(output, "{}: {}", said.from.nickname, said.text)?;
            break;
        }
    }
    alice.close_for_all()?;
    alice.ended().await;
    Ok(())
}
