//! Connections that send frames of the greatest size as fast as the socket takes them, and those
//! that announce one and trickle it.

use std::{sync::Arc, time::Duration};

use anocm_core::{
    Epoch, Payload, Retention, RoomAddress, Secret, Token,
    wire::{
        ClientFrame, Entry, EntryKind, MAX_DOOR, MAX_FRAME, MAX_SEALED, NextEpoch, Request, encode,
    },
};
use futures_util::future::{join_all, select};
use tokio::time::{Instant, sleep};

use super::adversary::Adversary;
use crate::{
    failure::Failure,
    guest::{
        GuestError,
        frames::{BINARY, Framed},
        room::{self, RawRoom, random},
        socket::{Opened, Socket},
        speech::Speech,
    },
};

/// How many trickle, for each of the abusers.
const TRICKLE: u32 = 6;
/// How much they send at a time, and how long they rest then: slower than a relay waits for.
const DRIP: usize = 512;
const REST: Duration = Duration::from_millis(250);

pub(super) async fn run(scene: &Adversary) -> Result<(), Failure> {
    let end = Instant::now() + scene.span;
    let entries = join_all((0..scene.abusers).map(|_| scene.again(end, entries)));
    let doors = join_all((0..scene.abusers).map(|_| scene.again(end, doors)));
    let drips = scene.abusers.saturating_mul(TRICKLE);
    let trickles = join_all((0..drips).map(|_| scene.again(end, trickle)));
    tokio::join!(entries, doors, trickles, beyond(scene));
    // Frames at the limit are read and answered, as far as rates allow.
    scene.expect(&["accepted"]);
    scene.expect(&["refused_no_such_room"]);
    Ok(())
}

/// Publishes the largest entries in a room of its own.
async fn entries(scene: &Adversary) -> Result<(), GuestError> {
    let room = Arc::new(RawRoom::new(Retention::Live, 1, 1)?);
    let mut guest = Opened::new(&scene.target, MAX_SEALED).await?;
    room.create(&mut guest).await?;
    flood(scene, guest, &Speech::Relay(room).template(MAX_SEALED)?.message).await
}

/// Asks to join with the largest entry and the largest door: the longest lawful frame.
async fn doors(scene: &Adversary) -> Result<(), GuestError> {
    let mut guest = Opened::new(&scene.target, MAX_SEALED).await?;
    room::greet(&mut guest).await?;
    let token = Token::new(Secret::new(random()?));
    let sealed = Payload::from(vec![0; MAX_SEALED]);
    let handshakes = Retention::Live;
    let entry = Entry { kind: EntryKind::Join, epoch: Epoch::FIRST, retention: handshakes, sealed };
    let next = NextEpoch {
        member: token.hash(),
        door: token.hash(),
        group_info: Payload::from(vec![0; MAX_DOOR]),
    };
    let address = RoomAddress::new(random()?);
    let request = Request::Join { address, door: token, entry, next };
    flood(scene, guest, &encode(&ClientFrame { id: 0, request })).await
}

/// Sends the same over and over, and hears what it is answered.
async fn flood(scene: &Adversary, guest: Opened, message: &[u8]) -> Result<(), GuestError> {
    let Opened { socket, mut frames, .. } = guest;
    let framed = socket.framed(message);
    let writing = std::pin::pin!(async {
        loop {
            if let Err(error) = socket.write(framed.as_bytes()).await {
                return error;
            }
            scene.count("sent", 1);
        }
    });
    let listening = std::pin::pin!(scene.listen(&socket, &mut frames));
    Err(select(writing, listening).await.factor_first().0)
}

/// Announces the longest frame, and sends a little of it at a time.
async fn trickle(scene: &Adversary) -> Result<(), GuestError> {
    let mut guest = Opened::new(&scene.target, MAX_SEALED).await?;
    room::greet(&mut guest).await?;
    scene.count("trickles", 1);
    let Opened { socket, mut frames, .. } = guest;
    let writing = std::pin::pin!(drip(&socket));
    // A pong in the middle of the frame would be a part of it.
    let listening = std::pin::pin!(scene.listen_mute(&socket, &mut frames));
    Err(select(writing, listening).await.factor_first().0)
}

async fn drip(socket: &Socket) -> GuestError {
    let longest = Framed::new(BINARY, &vec![0; MAX_FRAME], [0; 4]);
    for drop in longest.as_bytes().chunks(DRIP) {
        if let Err(error) = socket.write(drop).await {
            return error;
        }
        sleep(REST).await;
    }
    std::future::pending().await
}

/// A frame that is one byte too long must be refused by its head.
async fn beyond(scene: &Adversary) {
    let refused = async {
        let mut guest = Opened::new(&scene.target, MAX_SEALED).await?;
        room::greet(&mut guest).await?;
        let longer = Framed::new(BINARY, &vec![0; MAX_FRAME + 1], [0; 4]);
        let head = longer.as_bytes().first_chunk::<HEAD>().ok_or(GuestError::Protocol)?;
        guest.socket.write(head).await?;
        Ok::<_, GuestError>(scene.listen(&guest.socket, &mut guest.frames).await)
    };
    match refused.await {
        Ok(GuestError::Closed(1009)) => scene.count("closed_1009", 1),
        Ok(error) | Err(error) => {
            scene.trouble(format!("a frame beyond the limit is not refused as such: {error}"));
        }
    }
}

/// The head of a frame of that length: two bytes, eight of the length, four of the mask.
const HEAD: usize = 14;
