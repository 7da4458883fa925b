//! The handle of one room.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_core::{Stream, stream::FusedStream};
use tokio::sync::futures::OwnedNotified;

use super::registry::{Alive, Hosted, Registry};
use crate::{
    id::MessageId,
    room::{Command, CommandError, Ended, Machine, Message, RoomEvent, RoomView},
    time::{Clock, Timestamp},
};

/// A guest's room. Dropping it wipes the room's state on this side without notifying the other
/// members; [`leave`](Self::leave) leaves cleanly.
///
/// Methods that return a [`MessageId`] queue what they send: they return at once, connected or not.
/// Later [`RoomEvent::Message`] shows the message in the room's log, or [`RoomEvent::NotSent`]
/// gives the reason why it, or a change, was not sent; both carry the id.
#[must_use = "dropping a room wipes it"]
pub struct Room {
    hosted: Arc<Hosted>,
    /// Where the stream of events waits.
    notified: Option<Pin<Box<OwnedNotified>>>,
    clock: Arc<dyn Clock>,
    registry: Arc<Registry>,
    // Keeps the driver running.
    _alive: Arc<Alive>,
}

impl Room {
    pub(super) fn new(
        hosted: Arc<Hosted>,
        clock: Arc<dyn Clock>,
        registry: Arc<Registry>,
        alive: Arc<Alive>,
    ) -> Self {
        Self { hosted, notified: None, clock, registry, _alive: alive }
    }

    /// Waits for the next event; `None` after [`RoomEvent::Ended`]. Cancel safe.
    ///
    /// Backpressure: when events are not fetched, the client eventually stops reading from its
    /// connection, for all its rooms. No event is dropped.
    pub async fn next_event(&mut self) -> Option<RoomEvent> {
        while self.ready().await {
            // The event's message may have expired meanwhile.
            if let Some(event) = self.try_event() {
                return Some(event);
            }
        }
        None
    }

    /// Waits until an event is available for [`try_event`](Self::try_event); the expiry of a
    /// message may still remove it. `false` when no more events will come, after
    /// [`RoomEvent::Ended`]. Cancel safe.
    pub async fn ready(&self) -> bool {
        self.wait_for(|machine| match (machine.has_events(), machine.is_over()) {
            (true, _) => Some(true),
            (false, over) => over.then_some(false),
        })
        .await
    }

    /// Returns the next event, if one is available. For front ends that cannot hold `&mut self`
    /// while they wait: use [`ready`](Self::ready) to wait.
    pub fn try_event(&self) -> Option<RoomEvent> {
        let now = self.clock.now();
        let mut machine = self.hosted.machine();
        // After a suspension this may run before the driver does.
        if machine.poll_timeout().is_some_and(|deadline| deadline <= now) {
            machine.handle_timeout(now);
            self.registry.wake.notify_one();
        }
        let was_full = !machine.has_room_for_events();
        let event = machine.poll_event();
        if was_full && event.is_some() {
            self.registry.wake.notify_one();
        }
        event
    }

    /// Waits until the guest is in the room. Takes no event; cancel safe.
    ///
    /// # Errors
    /// The reason, when the room ended before that. An unreachable relay does not end the room: the
    /// client retries until the room is dropped or wiped.
    pub async fn entered(&self) -> Result<(), Ended> {
        self.wait_for(|machine| {
            machine.is_inside().then_some(Ok(())).or_else(|| machine.ended().map(Err))
        })
        .await
    }

    /// Waits until the room has ended for this guest. Takes no event; cancel safe.
    pub async fn ended(&self) -> Ended {
        self.wait_for(|machine| machine.ended()).await
    }

    /// Calls `look` after each notification until it returns a value.
    async fn wait_for<T>(&self, find: impl Fn(&Machine) -> Option<T>) -> T {
        loop {
            let notified = self.hosted.events_emitted.notified();
            let seen = find(&self.hosted.machine());
            if let Some(seen) = seen {
                return seen;
            }
            notified.await;
        }
    }

    /// Returns the room's state for display.
    #[must_use]
    pub fn view(&self) -> RoomView {
        self.hosted.machine().view()
    }

    /// Returns the messages that are still kept, in order.
    #[must_use]
    pub fn history(&self) -> Vec<Message> {
        let now = self.clock.now();
        // Messages that expired while the machine slept may not be wiped yet.
        let kept = |message: &&Message| message.expires.is_none_or(|at| at > now);
        self.hosted.machine().history().filter(kept).cloned().collect()
    }

    /// Carries out a command, or queues it: the methods of this type in one, for front ends that
    /// read commands. A command that can still be refused later gets an id, and
    /// [`RoomEvent::NotSent`] reports the refusal.
    ///
    /// # Errors
    /// [`CommandError`]; then nothing has changed.
    pub fn command(&self, command: Command) -> Result<Option<MessageId>, CommandError> {
        let now = self.clock.now();
        self.change(|machine| machine.command(now, command))
    }

    /// Queues a command, which gets an id.
    pub(super) fn queue(&self, command: Command) -> Result<MessageId, CommandError> {
        let now = self.clock.now();
        self.change(|machine| machine.queue_command(now, command))
    }

    /// Changes the machine, and notifies the driver and waiting callers.
    fn change<T>(&self, change: impl FnOnce(&mut Machine) -> T) -> T {
        let result = change(&mut self.hosted.machine());
        self.hosted.events_emitted.notify_waiters();
        self.registry.wake.notify_one();
        result
    }

    /// Wipes the room's state on this side immediately.
    pub fn wipe(&self) {
        self.change(Machine::wipe);
    }

    /// Same as [`Client::reconnect`](super::Client::reconnect), for callers that have only the
    /// room. Affects all rooms of the client.
    pub fn reconnect(&self) {
        self.registry.reconnect();
    }

    /// Returns the time of the clock that [`Message::expires`] refers to.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// The room's events, like [`next_event`](Room::next_event), for code that combines streams. A
/// program may use both. Cancel safe: no event is lost between two polls.
impl Stream for Room {
    type Item = RoomEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<RoomEvent>> {
        let this = self.get_mut();
        loop {
            // Begins before the look at the room, so that no notification is missed between them.
            let notified = this
                .notified
                .take()
                .unwrap_or_else(|| Box::pin(this.hosted.events_emitted.clone().notified_owned()));
            if let Some(event) = this.try_event() {
                this.notified = Some(notified);
                return Poll::Ready(Some(event));
            }
            if this.is_terminated() {
                return Poll::Ready(None);
            }
            let notified = this.notified.insert(notified);
            ready!(notified.as_mut().poll(cx));
            this.notified = None;
        }
    }
}

impl FusedStream for Room {
    fn is_terminated(&self) -> bool {
        let machine = self.hosted.machine();
        machine.is_over() && !machine.has_events()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Room(..)")
    }
}
