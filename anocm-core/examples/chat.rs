//! Two members of one room, with a relay in the same process: Alice says what you type, and Bob's
//! screen is printed.
//!
//! `cargo run -p anocm-core --example chat`

use std::{
    error::Error,
    io::{self, BufRead, Write},
    sync::Arc,
};

use anocm_core::{
    NewRoom, RoomEvent, TokioClock,
    client::{Client, Room},
    name::clean_text,
    relay::{Relay, RelayConfig},
    store::{MemoryLimits, MemoryStore},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run(io::stdin().lock(), io::stdout()).await
}

pub(crate) async fn run(input: impl BufRead, mut output: impl Write) -> Result<(), Box<dyn Error>> {
    let clock = Arc::new(TokioClock::new());
    let store = MemoryStore::new(clock.clone(), MemoryLimits::default())?;
    let relay = Relay::new(store, clock, RelayConfig::default())?;

    // Alice opens a room, and passes its link on.
    let (alice, driver) = Client::new(relay.transport());
    tokio::spawn(driver);
    let hers = alice.create(&NewRoom { nickname: "Alice".parse()?, ..NewRoom::default() })?;
    hers.entered().await?;
    let link = hers.view().invite.ok_or("no invite")?.to_link();

    // Bob has the link and nothing else.
    let (bob, driver) = Client::new(relay.transport());
    tokio::spawn(driver);
    let mut his = bob.join(&link.parse()?, "Bob".parse()?)?;
    his.entered().await?;

    for line in input.lines() {
        hers.send(line?)?;
        show_message(&mut his, &mut output).await?;
    }
    hers.leave().await;
    his.leave().await;
    Ok(())
}

/// Waits for the next message and prints it.
async fn show_message(room: &mut Room, output: &mut impl Write) -> Result<(), Box<dyn Error>> {
    while let Some(event) = room.next_event().await {
        if let RoomEvent::Message(said) = event {
            // A message may contain what a terminal would obey.
            writeln!(output, "{}: {}", said.from.nickname, clean_text(&said.text))?;
            return Ok(());
        }
    }
    Err("the room is over".into())
}
