//! Opens a room at a relay in this process, and lets the example of the README join it by its link.

mod readme;
mod relay;

use std::{error::Error, sync::OnceLock, time::Duration};

use anocm_core::{NewRoom, RoomEvent, client::Client};
use anocm_ws::client::{WsOptions, WsTransport};

type Failure = Box<dyn Error>;

static LINK: OnceLock<String> = OnceLock::new();

/// The link that replaces the one in the README.
fn link() -> &'static str {
    LINK.get().map_or("", String::as_str)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    tokio::time::timeout(Duration::from_secs(120), conversation()).await?
}

async fn conversation() -> Result<(), Failure> {
    let url = relay::serve().await?;
    let (client, driver) = Client::new(WsTransport::new(&url, WsOptions::default())?);
    tokio::spawn(driver);
    let mut room = client.create(&NewRoom { nickname: "Alice".parse()?, ..NewRoom::default() })?;
    room.entered().await?;
    let invite = room.view().invite.ok_or("no invite")?;
    LINK.set(invite.to_link().to_string())?;

    let owner = async {
        let heard = loop {
            match room.next_event().await {
                Some(RoomEvent::Message(message)) => break message.text.to_string(),
                Some(_) => {}
                None => return Err("the room ended".into()),
            }
        };
        room.close_for_all()?;
        room.ended().await;
        Ok::<_, Failure>(heard)
    };
    let (heard, ()) = tokio::try_join!(owner, readme::example())?;
    if heard != "Hello, stranger." {
        return Err(format!("the README's example said {heard:?}").into());
    }
    println!("the README's example: joined over {url}, heard, and out again");
    Ok(())
}
