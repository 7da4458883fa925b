//! Connections that send frames of the maximum size as fast as the socket accepts them, and
//! connections that announce such a frame and trickle it.

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

/// Trickling connections for each abuser.
const TRICKLE: u32 = 6;
/// Bytes per write of a trickling connection, and the pause after it: slower than a relay
/// tolerates.
const DRIP: usize = 512;
const REST: Duration = Duration::from_millis(250);

pub(super) async fn run(adversary: &Adversary) -> Result<(), Failure> {
    let end = Instant::now() + adversary.span;
    let entries = join_all((0..adversary.abusers).map(|_| adversary.again(end, entries)));
    let doors = join_all((0..adversary.abusers).map(|_| adversary.again(end, doors)));
    let drips = adversary.abusers.saturating_mul(TRICKLE);
    let trickles = join_all((0..drips).map(|_| adversary.again(end, trickle)));
    tokio::join!(entries, doors, trickles, beyond(adversary));
    // Frames at the limit are read and replied to, as far as the rate limits allow.
    adversary.expect(&["accepted"]);
    adversary.expect(&["refused_no_such_room"]);
    Ok(())
}

/// Publishes entries of the maximum size in a room of its own.
async fn entries(adversary: &Adversary) -> Result<(), GuestError> {
    let room = Arc::new(RawRoom::new(Retention::Live, 1, 1)?);
    let mut guest = Opened::new(&adversary.target, MAX_SEALED).await?;
    room.create(&mut guest).await?;
    flood(adversary, guest, &Speech::Relay(room).template(MAX_SEALED)?.message).await
}

/// Requests to join with the largest entry and the largest door: the longest valid frame.
async fn doors(adversary: &Adversary) -> Result<(), GuestError> {
    let mut guest = Opened::new(&adversary.target, MAX_SEALED).await?;
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
    flood(adversary, guest, &encode(&ClientFrame { id: 0, request })).await
}

/// Sends the same message repeatedly, and reads the replies.
async fn flood(adversary: &Adversary, guest: Opened, message: &[u8]) -> Result<(), GuestError> {
    let Opened { socket, mut frames, .. } = guest;
    let framed = socket.framed(message);
    let writing = std::pin::pin!(async {
        loop {
            if let Err(error) = socket.write(framed.as_bytes()).await {
                return error;
            }
            adversary.count("sent", 1);
        }
    });
    let listening = std::pin::pin!(adversary.listen(&socket, &mut frames));
    Err(select(writing, listening).await.factor_first().0)
}

/// Announces the longest frame, and sends a little of it at a time.
async fn trickle(adversary: &Adversary) -> Result<(), GuestError> {
    let mut guest = Opened::new(&adversary.target, MAX_SEALED).await?;
    room::greet(&mut guest).await?;
    adversary.count("trickles", 1);
    let Opened { socket, mut frames, .. } = guest;
    let writing = std::pin::pin!(drip(&socket));
    // A pong in the middle of the frame would become part of it.
    let listening = std::pin::pin!(adversary.listen_mute(&socket, &mut frames));
    Err(select(writing, listening).await.factor_first().0)
}

async fn drip(socket: &Socket) -> GuestError {
    let frame = Framed::new(BINARY, &vec![0; MAX_FRAME], [0; 4]);
    for drop in frame.as_bytes().chunks(DRIP) {
        if let Err(error) = socket.write(drop).await {
            return error;
        }
        sleep(REST).await;
    }
    std::future::pending().await
}

/// Checks that a frame that is one byte too long is refused by its header.
async fn beyond(adversary: &Adversary) {
    let refused = async {
        let mut guest = Opened::new(&adversary.target, MAX_SEALED).await?;
        room::greet(&mut guest).await?;
        let longer = Framed::new(BINARY, &vec![0; MAX_FRAME + 1], [0; 4]);
        let head = longer.as_bytes().first_chunk::<HEAD>().ok_or(GuestError::Protocol)?;
        guest.socket.write(head).await?;
        Ok::<_, GuestError>(adversary.listen(&guest.socket, &mut guest.frames).await)
    };
    match refused.await {
        Ok(GuestError::Closed(1009)) => adversary.count("closed_1009", 1),
        Ok(error) | Err(error) => {
            adversary.trouble(format!("a frame beyond the limit is not refused as such: {error}"));
        }
    }
}

/// Header length of such a frame: two bytes, eight of the length, four of the mask.
const HEAD: usize = 14;
