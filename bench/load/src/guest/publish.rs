//! The publishers: closed and open loops.

use std::{sync::atomic::Ordering, thread, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

use super::{
    GuestError,
    clients::{Clients, Room},
    frames::Framed,
    mark::Mark,
    socket::Socket,
};

/// A closed loop in which nothing arrives for this long has lost a message.
const STUCK: Duration = Duration::from_secs(5);
/// Messages per write.
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
    fn new(clients: &'a Clients, size: usize) -> Result<Self, GuestError> {
        let template = clients.room.speech.template(size)?;
        Ok(Self {
            room: &clients.room,
            socket: &clients.publisher,
            message: clients.publisher.framed(&template.message),
            mark: template.mark,
            buffer: Vec::new(),
            number: clients.room.sent.load(Ordering::Acquire),
        })
    }

    /// Adds a message that was due at `at`.
    fn add(&mut self, at: Instant) {
        let mark = self.room.marker.write(Mark { number: self.number, at });
        self.message.stamped(self.mark, &mark, &mut self.buffer);
        self.number = self.number.saturating_add(1);
    }

    /// Sends the added messages.
    async fn send(&mut self) -> Result<(), GuestError> {
        self.socket.write(&self.buffer).await?;
        self.buffer.clear();
        self.room.sent.store(self.number, Ordering::Release);
        Ok(())
    }
}

/// Keeps a number of messages in flight until `end`: the next is sent when all guests have received
/// the oldest. Returns false when a message was lost.
pub(crate) async fn closed(
    clients: &Clients,
    size: usize,
    in_flight: u32,
    end: Instant,
) -> Result<bool, GuestError> {
    let mut publisher = Publisher::new(clients, size)?;
    let room = &clients.room;
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

/// Sends a message for each time received through `times`, then or as soon after as possible.
pub(crate) async fn open(
    clients: &Clients,
    size: usize,
    mut times: mpsc::UnboundedReceiver<Instant>,
) -> Result<(), GuestError> {
    let mut publisher = Publisher::new(clients, size)?;
    let mut due = Vec::with_capacity(TOGETHER);
    while times.recv_many(&mut due, TOGETHER).await > 0 {
        for at in due.drain(..) {
            publisher.add(at);
        }
        publisher.send().await?;
    }
    Ok(())
}

/// Signals the rooms in turn that a message is due, from a thread of its own: a runtime's timers
/// have a resolution of whole milliseconds.
pub(crate) fn pace(
    rooms: Vec<mpsc::UnboundedSender<Instant>>,
    start: Instant,
    messages: u64,
    apart: Duration,
) {
    pace_while(rooms, start, apart, move |before| before < messages);
}

/// Like [`pace`], for as long as `goes_on` returns true. Its argument is the number of messages so
/// far.
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
