//! Connections that publish as fast as the socket accepts it, ignoring the replies; and one that
//! sends garbage.

use anocm_core::Retention;
use futures_util::future::{join, join_all, select};
use tokio::time::Instant;

use super::adversary::Adversary;
use crate::{
    failure::Failure,
    guest::{
        GuestError,
        room::{self, RawRoom},
        socket::{Opened, Socket},
        speech::Speech,
    },
};

/// Sealed bytes of a message.
const SIZE: usize = 1_000;
/// Messages per write.
const TOGETHER: u32 = 64;
/// Bytes that are no valid frame.
const GARBAGE: [u8; 64] = [0xFF; 64];

pub(super) async fn run(adversary: &Adversary) -> Result<(), Failure> {
    let end = Instant::now() + adversary.span;
    let floods = join_all((0..adversary.abusers).map(|_| adversary.again(end, flood)));
    join(floods, adversary.again(end, garbage)).await;
    // A flood is rate limited, and its requests are replied to like any others.
    adversary.expect(&["accepted"]);
    // A connection that does not speak the protocol is closed.
    adversary.expect(&["closed_1002"]);
    Ok(())
}

/// Publishes in a room of its own until the relay ends the connection.
async fn flood(adversary: &Adversary) -> Result<(), GuestError> {
    let room = RawRoom::new(Retention::Live, 1, 1)?;
    let mut guest = Opened::new(&adversary.target, SIZE).await?;
    room.create(&mut guest).await?;
    let message = Speech::Relay(room.into()).template(SIZE)?.message;
    let Opened { socket, mut frames, .. } = guest;
    let mut together = Vec::new();
    for _ in 0..TOGETHER {
        together.extend_from_slice(socket.framed(&message).as_bytes());
    }
    let writing = std::pin::pin!(write(adversary, &socket, &together));
    let listening = std::pin::pin!(adversary.listen(&socket, &mut frames));
    Err(select(writing, listening).await.factor_first().0)
}

async fn write(adversary: &Adversary, socket: &Socket, together: &[u8]) -> GuestError {
    loop {
        if let Err(error) = socket.write(together).await {
            return error;
        }
        adversary.count("sent", TOGETHER.into());
    }
}

/// Completes the handshake, then sends garbage.
async fn garbage(adversary: &Adversary) -> Result<(), GuestError> {
    let mut guest = Opened::new(&adversary.target, SIZE).await?;
    room::greet(&mut guest).await?;
    guest.socket.send(&GARBAGE).await?;
    adversary.count("garbage_sent", 1);
    Err(adversary.listen(&guest.socket, &mut guest.frames).await)
}
