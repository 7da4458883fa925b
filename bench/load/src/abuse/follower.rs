//! Reads a room's log and checks that no sequence number is skipped silently.

use std::{sync::Arc, time::Duration};

use anocm_core::{
    Seq,
    wire::{Event, RelayFrame, Reply, decode},
};
use tokio::time::{Instant, sleep};

use super::adversary::Adversary;
use crate::guest::{
    GuestError,
    frames::Seen,
    mark::{Mark, Marker},
    room::{RawRoom, random},
    socket::Opened,
    speech::{Speech, Template},
};

/// Sealed bytes of an entry.
pub(super) const SIZE: usize = 16_000;
/// Replies and events up to this length are decoded.
const LONGEST: usize = 256;
/// How many entries must arrive before a room counts as flowing again.
const FLOWS: u64 = 3;
/// Delay after a refusal.
const REFUSED: Duration = Duration::from_millis(100);

/// A room whose entries carry their own sequence number: the publisher writes the next one into the
/// mark.
#[derive(Clone, Debug)]
pub(super) struct Places {
    room: Arc<RawRoom>,
    template: Arc<Template>,
    marker: Marker,
}

impl Places {
    pub(super) fn new(room: Arc<RawRoom>) -> Result<Self, GuestError> {
        let template = Speech::Relay(Arc::clone(&room)).template(SIZE)?;
        Ok(Self { room, template: Arc::new(template), marker: Marker::new(random()?) })
    }

    /// Publishes the entry with this sequence number, and waits until it was accepted as such. For
    /// a single publisher.
    pub(super) async fn publish(&self, guest: &mut Opened, seq: Seq) -> Result<(), GuestError> {
        let mark = self.marker.write(Mark { number: seq.value(), at: Instant::now() });
        let mut bytes = Vec::new();
        guest.socket.framed(&self.template.message).stamped(self.template.mark, &mark, &mut bytes);
        guest.socket.write(&bytes).await?;
        loop {
            match decode(&guest.next().await?, LONGEST) {
                Ok(RelayFrame::Reply { result: Ok(Reply::Accepted { seq: given }), .. }) => {
                    return if given == seq { Ok(()) } else { Err(GuestError::Protocol) };
                }
                Ok(RelayFrame::Reply { result: Err(refusal), .. }) if refusal.is_retryable() => {
                    sleep(refusal.retry_after().unwrap_or(REFUSED)).await;
                    guest.socket.write(&bytes).await?;
                }
                Ok(RelayFrame::Reply { result: Err(refusal), .. }) => {
                    return Err(GuestError::Refused(refusal));
                }
                Ok(RelayFrame::Event(_)) => {}
                _ => return Err(GuestError::Protocol),
            }
        }
    }
}

/// A subscriber that checks what it receives.
pub(super) struct Follower<'a> {
    pub(super) adversary: &'a Adversary,
    places: Places,
    guest: Opened,
    /// The last known sequence number: its entry arrived, or a page of the log reached it.
    known: Seq,
    /// Entries that arrived since the log was read after a lag; `None` before that.
    flowing: Option<u64>,
}

/// What was received.
enum Came {
    Entry(u64),
    Short(Vec<u8>),
    Ping(Vec<u8>),
    Close(u16),
}

impl<'a> Follower<'a> {
    /// Starts from the opening of the room: nothing that arrived since has been read yet.
    pub(super) fn new(adversary: &'a Adversary, places: Places, guest: Opened) -> Self {
        Self { adversary, places, guest, known: Seq::START, flowing: None }
    }

    /// Reads until entries flow again after some were skipped.
    pub(super) async fn follow(&mut self) -> Result<(), GuestError> {
        while self.flowing.is_none_or(|entries| entries < FLOWS) {
            self.read().await?;
        }
        Ok(())
    }

    /// Reads until the connection ends. Returns the reason.
    pub(super) async fn follow_to_the_end(&mut self) -> GuestError {
        loop {
            if let Err(error) = self.read().await {
                return error;
            }
        }
    }

    /// Reconnects, and continues to read where the connection ended.
    pub(super) async fn resume(&mut self) -> Result<(), GuestError> {
        self.guest = Opened::new(&self.adversary.target, SIZE).await?;
        self.places.room.enter(&mut self.guest).await?;
        self.flowing = None;
        self.guest.socket.send(&self.places.room.catching_up(self.known)).await?;
        self.follow().await
    }

    async fn read(&mut self) -> Result<(), GuestError> {
        let (marker, mut came, mut fed) = (self.places.marker, Vec::new(), Ok(()));
        let read = self.guest.socket.read(|bytes| {
            fed = self.guest.frames.feed(bytes, |seen| match seen {
                Seen::Entry(mark) => {
                    came.extend(marker.read(mark).map(|mark| Came::Entry(mark.number)));
                }
                Seen::Short(message) => came.push(Came::Short(message.to_vec())),
                Seen::Ping(ping) => came.push(Came::Ping(ping.to_vec())),
                Seen::Close(code) => came.push(Came::Close(code.unwrap_or(1005))),
                Seen::Other | Seen::Pong => {}
            });
        });
        read.await?;
        fed?;
        for came in came {
            match came {
                Came::Entry(place) => self.entry(place),
                Came::Short(message) => self.short(&message).await?,
                Came::Ping(ping) => self.guest.socket.pong(&ping).await?,
                Came::Close(code) => return Err(GuestError::Closed(code)),
            }
        }
        Ok(())
    }

    fn entry(&mut self, place: u64) {
        // Entries that were in flight when the log was requested are known already.
        if place <= self.known.value() && self.flowing == Some(0) {
            return;
        }
        if place != self.known.next().value() {
            let known = self.known.value();
            self.adversary.trouble(format!("place {place} came after {known}, without a word"));
        }
        self.known = Seq::new(place);
        self.flowing = self.flowing.map(|entries| entries.saturating_add(1));
    }

    async fn short(&mut self, message: &[u8]) -> Result<(), GuestError> {
        match decode(message, LONGEST) {
            Ok(RelayFrame::Event(Event::Lagging { after, .. })) => {
                self.adversary.count("told_lagging", 1);
                if after != self.known {
                    let (after, known) = (after.value(), self.known.value());
                    self.adversary
                        .trouble(format!("left out after {known}, and told after {after}"));
                }
                self.guest.socket.send(&self.places.room.catching_up(after)).await
            }
            Ok(RelayFrame::Reply { result: Ok(Reply::Page(page)), .. }) => {
                self.known = page.reaches.max(self.known);
                if page.more {
                    return self.guest.socket.send(&self.places.room.catching_up(self.known)).await;
                }
                self.flowing = Some(0);
                Ok(())
            }
            Ok(RelayFrame::Reply { result: Err(refusal), .. }) => Err(GuestError::Refused(refusal)),
            Ok(_) => Ok(()),
            Err(_) => Err(GuestError::Protocol),
        }
    }
}
