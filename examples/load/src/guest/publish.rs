//! Who sends, and when.

use std::{sync::atomic::Ordering, thread, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

use super::{
    GuestError,
    clients::{Crowd, Room},
    frames::Framed,
    mark::Mark,
    socket::Socket,
};

/// A closed loop in which nothing arrives for so long has lost a message.
const STUCK: Duration = Duration::from_secs(5);
/// Messages that are written at one go.
const TOGETHER: usize = 64;

/// Marks and sends the messages of one room.
struct Publisher<'a> {
    room: &'a Room,
    socket: &'a Socket,
    message: Framed,
    mark: usize,
    buffer: Vec<u8>,
    number: u64,
}

impl<'a> Publisher<'a> {
    fn new(crowd: &'a Crowd, size: usize) -> Result<Self, GuestError> {
        let template = crowd.room.speech.template(size)?;
        Ok(Self {
            room: &crowd.room,
            socket: &crowd.publisher,
            message: crowd.publisher.framed(&template.message),
            mark: template.mark,
            buffer: Vec::new(),
            number: crowd.room.sent.load(Ordering::Acquire),
        })
    }

    /// Adds a message that was meant to go at `at`.
    fn add(&mut self, at: Instant) {
        let mark = self.room.marker.write(Mark { number: self.number, at });
        self.message.stamped(self.mark, &mark, &mut self.buffer);
        self.number = self.number.saturating_add(1);
    }

    /// Sends what was added.
    async fn send(&mut self) -> Result<(), GuestError> {
        self.socket.write(&self.buffer).await?;
        self.buffer.clear();
        self.room.sent.store(self.number, Ordering::Release);
        Ok(())
    }
}

/// Keeps so many messages in flight until `end`: the next goes when everybody has the oldest.
/// False when a message got lost.
pub(crate) async fn closed(
    crowd: &Crowd,
    size: usize,
    in_flight: u32,
    end: Instant,
) -> Result<bool, GuestError> {
    let mut publisher = Publisher::new(crowd, size)?;
    let room = &crowd.room;
    while Instant::now() < end {
        let complete = room.complete.load(Ordering::Acquire);
        while publisher.number < complete.saturating_add(in_flight.into()) {
            publisher.add(Instant::now());
        }
        if !publisher.buffer.is_empty() {
            publisher.send().await?;
        }
        if timeout(STUCK, room.done.notified()).await.is_err()
            && room.complete.load(Ordering::Acquire) == complete
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Sends each message at the moment that comes through `times`, or as soon after as it can.
pub(crate) async fn open(
    crowd: &Crowd,
    size: usize,
    mut times: mpsc::UnboundedReceiver<Instant>,
) -> Result<(), GuestError> {
    let mut publisher = Publisher::new(crowd, size)?;
    let mut due = Vec::with_capacity(TOGETHER);
    while times.recv_many(&mut due, TOGETHER).await > 0 {
        for at in due.drain(..) {
            publisher.add(at);
        }
        publisher.send().await?;
    }
    Ok(())
}

/// Tells rooms in turn that a message is due, from a thread of its own: the timers of a runtime
/// go by whole milliseconds.
pub(crate) fn pace(
    rooms: Vec<mpsc::UnboundedSender<Instant>>,
    start: Instant,
    messages: u64,
    apart: Duration,
) {
    pace_while(rooms, start, apart, move |before| before < messages);
}

/// The same for as long as `goes_on`, which is asked with how many messages came before.
pub(crate) fn pace_while(
    rooms: Vec<mpsc::UnboundedSender<Instant>>,
    start: Instant,
    apart: Duration,
    goes_on: impl Fn(u64) -> bool + Send + 'static,
) {
    thread::spawn(move || {
        let mut at = start;
        for (before, room) in (0..).zip(rooms.iter().cycle()) {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if !goes_on(before) || room.send(at).is_err() {
                return;
            }
            at += apart;
        }
    });
}
