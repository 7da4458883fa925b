//! Guests that exchange frames over the client's own transport.

use std::{io, time::Duration};

use anocm_core::{
    Payload, Retention,
    transport::{Link, Transport, TransportError},
    wire::{ClientHello, Hello, MAX_FRAME, Puzzle, Refusal, RelayFrame, RelayHello, Reply, decode},
};
use anocm_ws::client::WsTransport;
use tokio::task::spawn_blocking;

use crate::guest::{
    GuestError,
    room::{RawRoom, random},
};

/// Connects, sends the hello, and receives the relay's.
pub(super) async fn greet(transport: &WsTransport) -> Result<Box<dyn Link>, GuestError> {
    let link = transport.connect().await.map_err(cut)?;
    link.send(&[ClientHello::default().to_frame()]).await.map_err(cut)?;
    let answer = link.recv().await.map_err(cut)?.ok_or(GuestError::Silent)?;
    match RelayHello::from_frame(&answer) {
        Ok(RelayHello::Welcome { .. }) => Ok(link),
        _ => Err(GuestError::Protocol),
    }
}

/// Sends a request, and waits for its reply.
pub(super) async fn ask(
    link: &dyn Link,
    request: Payload,
) -> Result<Result<Reply, Refusal>, GuestError> {
    link.send(&[request]).await.map_err(cut)?;
    loop {
        let frame = link.recv().await.map_err(cut)?.ok_or(GuestError::Silent)?;
        match decode(&frame, MAX_FRAME) {
            Ok(RelayFrame::Reply { result, .. }) => return Ok(result),
            Ok(RelayFrame::Event(_)) => {}
            _ => return Err(GuestError::Protocol),
        }
    }
}

fn cut(error: TransportError) -> GuestError {
    GuestError::Cut(io::Error::other(error))
}

pub(super) fn kept(keep: Duration) -> Result<Retention, GuestError> {
    Retention::keep(keep).map_err(|_| GuestError::Protocol)
}

/// Returns `size` bytes: 32 random ones, repeated.
pub(super) fn sealed(size: usize) -> Result<Payload, GuestError> {
    let bytes: Vec<u8> = random::<32>()?.into_iter().cycle().take(size).collect();
    Ok(Payload::from(bytes))
}

/// Solves the proof of work that was required for a room, and sends the solution.
pub(super) async fn work(
    link: &dyn Link,
    room: &RawRoom,
    puzzle: Puzzle,
) -> Result<(), GuestError> {
    let address = *room.address();
    let solved = spawn_blocking(move || anocm_core::solve(puzzle, &address)).await;
    let solution = solved.ok().flatten().ok_or(GuestError::Protocol)?;
    match ask(link, room.work(solution)).await? {
        Ok(Reply::Done) => Ok(()),
        Ok(_) => Err(GuestError::Protocol),
        Err(refusal) => Err(GuestError::Refused(refusal)),
    }
}
