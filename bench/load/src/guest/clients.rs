//! The guests of a room, and what they received.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use anocm_core::wire::{Event, RelayFrame, Reply, decode};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::{sync::Notify, task::JoinSet, time::Instant};

use super::{
    GuestError,
    frames::{Frames, Seen},
    mark::{MARK, Mark, Marker},
    socket::{Opened, Socket, Target},
    speech::Speech,
};
use crate::latency::Latencies;

/// Connections that are opened concurrently.
const ABREAST: usize = 64;
/// Replies and events up to this length are decoded.
const LONGEST: usize = 256;

/// Errors, and how often each occurred.
#[derive(Debug, Default)]
pub(crate) struct Troubles(Mutex<BTreeMap<String, u64>>);

impl Troubles {
    pub(crate) fn note(&self, what: impl Into<String>) {
        let mut troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = troubles.entry(what.into()).or_default();
        *count = count.saturating_add(1);
    }

    pub(crate) fn total(&self) -> u64 {
        let troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        troubles.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Returns one line for each kind of error.
    pub(crate) fn lines(&self) -> Vec<String> {
        let troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        troubles.iter().map(|(what, count)| format!("{count} times: {what}")).collect()
    }
}

/// A room and its guests. The first one publishes.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) room: Arc<Room>,
    pub(crate) publisher: Arc<Socket>,
    /// The receiving tasks; aborted when this is dropped.
    receivers: JoinSet<()>,
}

/// Counters of one room.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) speech: Speech,
    pub(crate) marker: Marker,
    guests: u32,
    latencies: Arc<Latencies>,
    troubles: Arc<Troubles>,
    /// Messages that were handed to the operating system.
    pub(crate) sent: AtomicU64,
    /// Publications that the relay accepted.
    pub(crate) accepted: AtomicU64,
    /// Copies that were delivered.
    pub(crate) delivered: AtomicU64,
    /// Messages that all guests have received, in a closed loop.
    pub(crate) complete: AtomicU64,
    /// How many guests have received each message in flight; indexed by its number modulo the
    /// length.
    in_flight: Vec<AtomicU32>,
    /// Notified when another message is complete.
    pub(crate) done: Notify,
}

/// A frame that a receiver has to send in response.
enum Answer {
    Pong(Vec<u8>),
    CatchUp(Vec<u8>),
}

/// What all rooms of one measurement share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) marker: Marker,
    pub(crate) latencies: Arc<Latencies>,
    pub(crate) troubles: Arc<Troubles>,
    /// Sealed bytes of a message.
    pub(crate) size: usize,
    /// Messages in flight in a closed loop; 0 in an open loop.
    pub(crate) in_flight: u32,
}

/// Opens the rooms and connects their guests, distributed over all targets round-robin. The first
/// guest of each room is in before the others join.
pub(crate) async fn gather(
    targets: &[Target],
    rooms: Vec<Speech>,
    guests: u32,
    shared: &Shared,
) -> Result<Vec<Clients>, GuestError> {
    let open = |index: usize, speech: Speech, place: usize, first| async move {
        let target = targets.iter().cycle().nth(place).ok_or(GuestError::Protocol)?;
        let mut guest = Opened::new(target, shared.size).await?;
        speech.enter(&mut guest, first).await?;
        Ok::<_, GuestError>((index, guest))
    };
    let firsts = rooms.iter().cloned().enumerate();
    let firsts = firsts.map(|(index, speech)| open(index, speech, 0, true));
    let mut firsts: Vec<_> = stream::iter(firsts).buffer_unordered(ABREAST).try_collect().await?;
    firsts.sort_by_key(|(index, _)| *index);
    let mut groups: Vec<_> = firsts
        .into_iter()
        .zip(&rooms)
        .map(|((_, guest), speech)| Clients::new(speech.clone(), guest, guests, shared))
        .collect();
    let others = (1..usize::try_from(guests).unwrap_or(usize::MAX)).flat_map(|turn| {
        let rooms = rooms.iter().cloned().enumerate();
        rooms.map(move |(index, speech)| (index, speech, turn % targets.len().max(1)))
    });
    let others = others.map(|(index, speech, place)| open(index, speech, place, false));
    let mut others = stream::iter(others).buffer_unordered(ABREAST);
    while let Some((index, guest)) = others.try_next().await? {
        if let Some(group) = groups.get_mut(index) {
            group.add(guest);
        }
    }
    Ok(groups)
}

impl Clients {
    fn new(speech: Speech, first: Opened, guests: u32, shared: &Shared) -> Self {
        let room = Arc::new(Room {
            speech,
            marker: shared.marker,
            guests,
            latencies: Arc::clone(&shared.latencies),
            troubles: Arc::clone(&shared.troubles),
            sent: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            complete: AtomicU64::new(0),
            in_flight: (0..shared.in_flight).map(|_| AtomicU32::new(0)).collect(),
            done: Notify::new(),
        });
        let publisher = Arc::new(first.socket);
        let mut receivers = JoinSet::new();
        receivers.spawn(receive(Arc::clone(&room), Arc::clone(&publisher), first.frames));
        Self { room, publisher, receivers }
    }

    fn add(&mut self, guest: Opened) {
        self.receivers.spawn(receive(Arc::clone(&self.room), Arc::new(guest.socket), guest.frames));
    }
}

/// Counts what arrives until the connection ends.
async fn receive(room: Arc<Room>, socket: Arc<Socket>, mut frames: Frames) {
    if let Err(error) = receive_all(&room, &socket, &mut frames).await {
        room.troubles.note(error.to_string());
    }
}

async fn receive_all(room: &Room, socket: &Socket, frames: &mut Frames) -> Result<(), GuestError> {
    let mut answers = Vec::new();
    loop {
        let mut fed = Ok(());
        let mut closed = None;
        let read = socket.read(|bytes| {
            let now = Instant::now();
            fed = frames.feed(bytes, |seen| match seen {
                Seen::Entry(mark) => room.count(mark, now),
                Seen::Short(message) => answers.extend(room.look(message)),
                Seen::Ping(ping) => answers.push(Answer::Pong(ping.to_vec())),
                Seen::Close(code) => closed = Some(code.unwrap_or(1005)),
                Seen::Other | Seen::Pong => {}
            });
        });
        read.await?;
        fed?;
        if let Some(code) = closed {
            return Err(GuestError::Closed(code));
        }
        for answer in answers.drain(..) {
            match answer {
                Answer::Pong(ping) => socket.pong(&ping).await?,
                Answer::CatchUp(request) => socket.send(&request).await?,
            }
        }
    }
}

impl Room {
    /// Counts a delivered message.
    fn count(&self, mark: &[u8; MARK], now: Instant) {
        let Some(Mark { number, at }) = self.marker.read(mark) else {
            return;
        };
        self.latencies.record(now.saturating_duration_since(at));
        self.delivered.fetch_add(1, Ordering::Relaxed);
        let turn = number.checked_rem(u64::try_from(self.in_flight.len()).unwrap_or(0));
        let turn = turn.and_then(|turn| usize::try_from(turn).ok());
        let Some(have) = turn.and_then(|turn| self.in_flight.get(turn)) else {
            return;
        };
        if have.fetch_add(1, Ordering::AcqRel).saturating_add(1) == self.guests {
            have.store(0, Ordering::Release);
            self.complete.fetch_add(1, Ordering::Release);
            self.done.notify_one();
        }
    }

    /// Handles a short message: from a relay, a reply or an event.
    fn look(&self, message: &[u8]) -> Option<Answer> {
        let Speech::Relay(room) = &self.speech else {
            return None;
        };
        match decode(message, LONGEST) {
            Ok(RelayFrame::Reply { result: Ok(Reply::Accepted { .. }), .. }) => {
                self.accepted.fetch_add(1, Ordering::Relaxed);
            }
            Ok(RelayFrame::Reply { result: Err(refusal), .. }) => {
                self.troubles.note(format!("the relay refused: {refusal}"));
            }
            Ok(RelayFrame::Event(Event::Lagging { after, .. })) => {
                self.troubles
                    .note("the relay left messages out for a guest who lags (its --queue)");
                return Some(Answer::CatchUp(room.catching_up(after).to_vec()));
            }
            Ok(RelayFrame::Event(Event::Closed { .. } | Event::Lapsed { .. })) => {
                self.troubles.note("the relay ended a room or let a guest lapse");
            }
            Ok(RelayFrame::Event(Event::GoingAway { .. })) => {
                self.troubles.note("the relay is going away");
            }
            Ok(_) => {}
            Err(_) => self.troubles.note("what the relay sent is not of its protocol"),
        }
        None
    }
}
