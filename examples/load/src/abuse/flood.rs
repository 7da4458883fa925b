//! Connections that publish as fast as the socket takes it, whatever they are told; and one that
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
/// Messages that are written at one go.
const TOGETHER: u32 = 64;
/// Bytes that mean nothing.
const GARBAGE: [u8; 64] = [0xFF; 64];

pub(super) async fn run(scene: &Adversary) -> Result<(), Failure> {
    let end = Instant::now() + scene.span;
    let floods = join_all((0..scene.abusers).map(|_| scene.again(end, flood)));
    join(floods, scene.again(end, garbage)).await;
    // A flood is slowed down, and answered like anybody.
    scene.expect(&["accepted"]);
    // Whoever does not speak the protocol is closed.
    scene.expect(&["closed_1002"]);
    Ok(())
}

/// Publishes in a room of its own until the relay ends the connection.
async fn flood(scene: &Adversary) -> Result<(), GuestError> {
    let room = RawRoom::new(Retention::Live, 1, 1)?;
    let mut guest = Opened::new(&scene.target, SIZE).await?;
    room.create(&mut guest).await?;
    let message = Speech::Relay(room.into()).template(SIZE)?.message;
    let Opened { socket, mut frames, .. } = guest;
    let mut together = Vec::new();
    for _ in 0..TOGETHER {
        together.extend_from_slice(socket.framed(&message).as_bytes());
    }
    let writing = std::pin::pin!(write(scene, &socket, &together));
    let listening = std::pin::pin!(scene.listen(&socket, &mut frames));
    Err(select(writing, listening).await.factor_first().0)
}

async fn write(scene: &Adversary, socket: &Socket, together: &[u8]) -> GuestError {
    loop {
        if let Err(error) = socket.write(together).await {
            return error;
        }
        scene.count("sent", TOGETHER.into());
    }
}

/// Greets as one should, and then makes no sense.
async fn garbage(scene: &Adversary) -> Result<(), GuestError> {
    let mut guest = Opened::new(&scene.target, SIZE).await?;
    room::greet(&mut guest).await?;
    guest.socket.send(&GARBAGE).await?;
    scene.count("garbage_sent", 1);
    Err(scene.listen(&guest.socket, &mut guest.frames).await)
}
