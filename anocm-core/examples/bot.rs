//! A bot that answers `!members`, `!count WORDS`, `!secret`: `cargo run -p anocm-core --example bot`

use std::{
    error::Error,
    io::{self, BufRead, Write},
    sync::Arc,
};

use anocm_core::{
    MessageId, NewRoom, Retention, RoomEvent, TokioClock,
    client::{Client, Room},
    relay::{Relay, RelayConfig},
    room::{CommandError, Message},
    store::{MemoryLimits, MemoryStore},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run(io::stdin().lock(), io::stdout()).await
}

/// Answers until the room is over. The room's events are a stream as well: `room.next().await`.
pub(crate) async fn bot(mut room: Room) {
    while let Some(event) = room.next_event().await {
        // An answer to a member that has gone is an error: the next question is answered again.
        let _: Option<Result<MessageId, CommandError>> = match event {
            RoomEvent::Joined { member, again: false } => {
                Some(room.whisper(member.id, "Hello. I know !members, !count WORDS and !secret."))
            }
            RoomEvent::Message(said) if !said.own => answer(&room, &said),
            _ => None,
        };
    }
}

/// Answers a command, for no longer than the question is kept.
fn answer(room: &Room, said: &Message) -> Option<Result<MessageId, CommandError>> {
    let say = |text| room.send_with_retention(text, said.retention);
    Some(match said.text.split_once(' ').unwrap_or((&said.text, "")) {
        ("!members", _) => say(format!("{} members", room.view().members.len())),
        ("!count", words) => say(format!("{} words", words.split(' ').count())),
        ("!secret", _) => room.whisper_with_retention(said.from.id, "hush", Retention::Live),
        _ => return None,
    })
}

/// A room with the bot: sends each line of `input`, and prints the answer.
pub(crate) async fn run(input: impl BufRead, mut output: impl Write) -> Result<(), Box<dyn Error>> {
    let clock = Arc::new(TokioClock::new());
    let store = MemoryStore::new(clock.clone(), MemoryLimits::default())?;
    let relay = Relay::new(store, clock, RelayConfig::default())?;
    let (client, driver) = Client::new(relay.transport());
    tokio::spawn(driver);
    let mut room = client.create(&NewRoom::default())?;
    room.entered().await?;
    let invite = room.view().invite.ok_or("no invite")?;

    let (robot, driver) = Client::new(relay.transport());
    tokio::spawn(driver);
    let working = tokio::spawn(bot(robot.join(&invite, "Bot".parse()?)?));
    while !matches!(room.next_event().await, Some(RoomEvent::Joined { .. })) {}
    for line in input.lines() {
        let line = line?;
        if line.is_empty() {
            continue;
        }
        room.send(line)?;
        while let Some(event) = room.next_event().await {
            if let RoomEvent::Message(said) = event
                && !said.own
            {
                writeln!(output, "{}: {}", said.from.nickname, said.text)?;
                break;
            }
        }
    }
    room.close_for_all()?;
    Ok(working.await?)
}
