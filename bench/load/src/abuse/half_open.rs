//! Connections that begin something and never complete it: a request, a handshake, a frame.
//!
//! Each is replaced when the relay has closed it, until every one was closed at least once.

use std::{sync::Arc, time::Duration};

use anocm_core::Retention;
use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

use super::adversary::Adversary;
use crate::{
    failure::Failure,
    guest::{
        GuestError,
        frames::Frames,
        room::RawRoom,
        socket::{Opened, Socket},
        speech::Speech,
    },
};

/// Sealed bytes of the message of which half is sent.
const SIZE: usize = 1_000;
/// Longer than any default timeout of a relay.
const CLOSES: Duration = Duration::from_secs(180);

/// What is left incomplete.
#[derive(Clone, Copy, Debug)]
enum Half {
    /// Half the head of the upgrade request.
    Head,
    /// A WebSocket without a hello.
    Hello,
    /// Half a frame, sent by a guest in a room.
    Frame,
}

impl Half {
    const ALL: [Self; 3] = [Self::Head, Self::Hello, Self::Frame];

    fn name(self) -> &'static str {
        match self {
            Self::Head => "half_heads",
            Self::Hello => "without_hello",
            Self::Frame => "half_frames",
        }
    }
}

pub(super) async fn run(adversary: &Adversary) -> Result<(), Failure> {
    let end = Instant::now() + adversary.span;
    let room = Arc::new(RawRoom::new(Retention::Live, 1, 1)?);
    let mut owner = Opened::new(&adversary.target, SIZE).await?;
    room.create(&mut owner).await?;
    let kinds = Half::ALL.into_iter().cycle();
    let count = usize::try_from(adversary.abusers).unwrap_or(usize::MAX);
    let slots = join_all(kinds.take(count).map(|half| slot(adversary, &room, half, end)));
    // Meanwhile the guest that opened the room answers pings.
    tokio::select! {
        _ = slots => {}
        error = adversary.listen(&owner.socket, &mut owner.frames) => return Err(error.into()),
    }
    Ok(())
}

/// Opens one connection after the other, until `end`, and until one was closed.
async fn slot(adversary: &Adversary, room: &Arc<RawRoom>, half: Half, end: Instant) {
    loop {
        let start = Instant::now();
        match timeout(CLOSES, begin(adversary, room, half)).await {
            Ok(Ok(how)) => {
                adversary.count(format!("{}_closed", half.name()), 1);
                adversary.ended(&how);
                adversary.took(format!("{}_ms_until_closed", half.name()), start.elapsed());
            }
            Ok(Err(error)) => {
                adversary.trouble(format!("{} could not begin: {error}", half.name()));
                return;
            }
            Err(_) => {
                adversary.trouble(format!("{} are not closed", half.name()));
                return;
            }
        }
        if Instant::now() > end {
            return;
        }
    }
}

/// Begins, and waits until the relay ends the connection. Returns the reason.
async fn begin(
    adversary: &Adversary,
    room: &Arc<RawRoom>,
    half: Half,
) -> Result<GuestError, GuestError> {
    let (socket, mut frames) = match half {
        Half::Head => return half_head(adversary).await,
        Half::Hello => (Socket::open(&adversary.target).await?, Frames::new(SIZE)),
        Half::Frame => {
            let mut guest = Opened::new(&adversary.target, SIZE).await?;
            room.enter(&mut guest).await?;
            let message = Speech::Relay(Arc::clone(room)).template(SIZE)?.message;
            let framed = guest.socket.framed(&message);
            let (half, _) = framed.as_bytes().split_at(framed.as_bytes().len() / 2);
            guest.socket.write(half).await?;
            (guest.socket, guest.frames)
        }
    };
    Ok(adversary.listen_mute(&socket, &mut frames).await)
}

async fn half_head(adversary: &Adversary) -> Result<GuestError, GuestError> {
    let mut tcp = adversary.target.connect().await.map_err(GuestError::Unreachable)?;
    let head = format!("GET {} HTTP/1.1\r\nHost: relay\r\nUpgr", adversary.target.path);
    tcp.write_all(head.as_bytes()).await.map_err(GuestError::Cut)?;
    let read = tcp.read_to_end(&mut Vec::new()).await;
    let end = read.err().unwrap_or_else(|| std::io::ErrorKind::UnexpectedEof.into());
    Ok(GuestError::Cut(end))
}
