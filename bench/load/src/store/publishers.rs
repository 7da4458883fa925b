//! Guests that publish, each in a room of its own, and wait for the relay's reply before the next
//! message.

use std::{sync::Arc, time::Duration};

use anocm_core::wire::{RelayFrame, Reply, decode};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use super::StoreError;
use crate::{
    fanout::rooms,
    guest::{
        GuestError, PATIENCE,
        frames::{Framed, Frames, Seen},
        socket::{Opened, Socket, Target},
        speech::Speech,
    },
    latency::Latencies,
};

/// Connections that are opened concurrently.
const ABREAST: usize = 64;
/// No reply is longer.
const LONGEST: usize = 256;
/// How long outstanding messages are waited for.
const LATE: Duration = Duration::from_secs(5);

/// When the publishers stop.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    /// At this time.
    Time(Instant),
    /// After this many messages of each.
    Count(u64),
}

/// What was published.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Published {
    pub(super) accepted: u64,
    /// Messages whose echo did not reach their guest.
    pub(super) lost: u64,
}

/// A guest alone in a room.
struct Publisher {
    socket: Socket,
    frames: Frames,
    message: Framed,
    heard: u64,
}

/// All publishers.
pub(super) struct Publishers(Vec<Publisher>);

impl Publishers {
    /// Opens this many rooms.
    pub(super) async fn gather(
        target: &Target,
        count: u32,
        size: usize,
        keep: anocm_core::Retention,
    ) -> Result<Self, GuestError> {
        let publishers = rooms(count, keep, true)?.into_iter();
        let publishers = publishers.map(|speech| Publisher::enter(target, speech, size));
        Ok(Self(stream::iter(publishers).buffer_unordered(ABREAST).try_collect().await?))
    }

    /// Runs all publishers concurrently. They stay in their rooms.
    pub(super) async fn publish(
        &mut self,
        until: Until,
        latencies: &Arc<Latencies>,
    ) -> Result<Published, StoreError> {
        let mut speaking = JoinSet::new();
        for mut publisher in self.0.drain(..) {
            let latencies = Arc::clone(latencies);
            speaking.spawn(async move {
                let said = publisher.publish(until, &latencies).await?;
                Ok::<_, GuestError>((publisher, said))
            });
        }
        let mut all = Published::default();
        while let Some(spoke) = speaking.join_next().await {
            let (publisher, said) = spoke.map_err(|_| StoreError::Strange)??;
            self.0.push(publisher);
            all.accepted = all.accepted.saturating_add(said.accepted);
            all.lost = all.lost.saturating_add(said.lost);
        }
        Ok(all)
    }
}

impl Publisher {
    async fn enter(target: &Target, speech: Speech, size: usize) -> Result<Self, GuestError> {
        let mut guest = Opened::new(target, size).await?;
        speech.enter(&mut guest, true).await?;
        let message = guest.socket.framed(&speech.template(size)?.message);
        Ok(Self { socket: guest.socket, frames: guest.frames, message, heard: 0 })
    }

    async fn publish(
        &mut self,
        until: Until,
        latencies: &Latencies,
    ) -> Result<Published, GuestError> {
        let (mut accepted, before) = (0_u64, self.heard);
        loop {
            let start = Instant::now();
            match until {
                Until::Time(end) if start >= end => break,
                Until::Count(count) if accepted >= count => break,
                Until::Time(_) | Until::Count(_) => {}
            }
            self.socket.write(self.message.as_bytes()).await?;
            let answered = timeout(PATIENCE, self.answered()).await;
            answered.map_err(|_| GuestError::Silent)??;
            latencies.record(start.elapsed());
            accepted = accepted.saturating_add(1);
        }
        let give_up = Instant::now() + LATE;
        let lost = loop {
            let lost = accepted.saturating_sub(self.heard.saturating_sub(before));
            let left = give_up.saturating_duration_since(Instant::now());
            if lost == 0 || timeout(left, self.read()).await.is_err() {
                break lost;
            }
        };
        Ok(Published { accepted, lost })
    }

    async fn answered(&mut self) -> Result<(), GuestError> {
        while !self.read().await? {}
        Ok(())
    }

    /// Counts what is received next. Returns whether a publication was accepted.
    async fn read(&mut self) -> Result<bool, GuestError> {
        let Self { socket, frames, heard, .. } = self;
        let (mut accepted, mut pings) = (Ok(false), Vec::new());
        let mut fed = Ok(());
        let read = socket.read(|bytes| {
            fed = frames.feed(bytes, |seen| match seen {
                Seen::Entry(_) => *heard = heard.saturating_add(1),
                Seen::Short(message) => match decode(message, LONGEST) {
                    Ok(RelayFrame::Reply { result: Ok(Reply::Accepted { .. }), .. }) => {
                        accepted = Ok(true);
                    }
                    Ok(RelayFrame::Reply { result: Err(refusal), .. }) => {
                        accepted = Err(GuestError::Refused(refusal));
                    }
                    Ok(_) => {}
                    Err(_) => accepted = Err(GuestError::Protocol),
                },
                Seen::Ping(ping) => pings.push(ping.to_vec()),
                Seen::Close(code) => accepted = Err(GuestError::Closed(code.unwrap_or(1005))),
                Seen::Other | Seen::Pong => {}
            });
        });
        read.await?;
        fed?;
        for ping in pings {
            socket.pong(&ping).await?;
        }
        accepted
    }
}
