//! The handle of one room.

use std::{fmt, sync::Arc};

use super::registry::{Alive, Hosted, Registry};
use crate::{
    id::MessageId,
    room::{Command, CommandError, Ended, Machine, Message, RoomEvent, RoomView},
    time::{Clock, Timestamp},
};

/// A guest's room. Dropping it wipes everything of the room on this side, without a word to the
/// others; [`Command::Leave`] leaves in good order.
pub struct Room {
    hosted: Arc<Hosted>,
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
        Self { hosted, clock, registry, _alive: alive }
    }

    /// What happens next; `None` after [`RoomEvent::Ended`]. Cancel safe.
    ///
    /// Events that are not fetched make the client stop reading from its connection after a
    /// while, for all its rooms: nothing is dropped.
    pub async fn next_event(&mut self) -> Option<RoomEvent> {
        while self.ready().await {
            // A message may have expired meanwhile.
            if let Some(event) = self.try_event() {
                return Some(event);
            }
        }
        None
    }

    /// Waits until there is something for [`try_event`](Self::try_event), which a message's expiry
    /// may yet take away; `false` when nothing will come any more, after [`RoomEvent::Ended`].
    /// Cancel safe.
    pub async fn ready(&self) -> bool {
        self.wait_for(|machine| match (machine.has_events(), machine.is_over()) {
            (true, _) => Some(true),
            (false, over) => over.then_some(false),
        })
        .await
    }

    /// The next event, if there is one by now. For front ends that cannot hold `&mut self` while
    /// they wait: [`ready`](Self::ready) waits.
    pub fn try_event(&self) -> Option<RoomEvent> {
        let now = self.clock.now();
        let mut machine = self.hosted.machine();
        // A program that was stopped may come here before its driver runs.
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
    /// Why the room was over before that. While the relay cannot be reached nothing is over:
    /// the client goes on trying until the room is dropped or wiped.
    pub async fn entered(&self) -> Result<(), Ended> {
        self.wait_for(|machine| {
            machine.is_inside().then_some(Ok(())).or_else(|| machine.ended().map(Err))
        })
        .await
    }

    /// Waits until the room is over for this guest. Takes no event; cancel safe.
    pub async fn ended(&self) -> Ended {
        self.wait_for(|machine| machine.ended()).await
    }

    /// Looks at the room each time that something happened, until there is an answer.
    async fn wait_for<T>(&self, look: impl Fn(&Machine) -> Option<T>) -> T {
        loop {
            let told = self.hosted.told.notified();
            let seen = look(&self.hosted.machine());
            if let Some(seen) = seen {
                return seen;
            }
            told.await;
        }
    }

    /// The room's state, to be shown.
    #[must_use]
    pub fn view(&self) -> RoomView {
        self.hosted.machine().view()
    }

    /// What is still kept of what was said, in order.
    #[must_use]
    pub fn history(&self) -> Vec<Message> {
        let now = self.clock.now();
        // What fell due while the machine slept may not have been wiped yet.
        let kept = |message: &&Message| message.expires.is_none_or(|at| at > now);
        self.hosted.machine().history().filter(kept).cloned().collect()
    }

    /// Carries out a command, or queues it: what can be refused later is named, and
    /// [`RoomEvent::NotSent`] then tells so.
    ///
    /// # Errors
    /// [`CommandError`]; nothing has changed then.
    pub fn command(&self, command: Command) -> Result<Option<MessageId>, CommandError> {
        let result = self.hosted.machine().command(self.clock.now(), command);
        self.hosted.told.notify_waiters();
        self.registry.wake.notify_one();
        result
    }

    /// Says something to everyone, kept as long as the guest's and the room's defaults say.
    ///
    /// # Errors
    /// [`CommandError`]; nothing has changed then.
    pub fn send(&self, text: &str) -> Result<Option<MessageId>, CommandError> {
        self.command(Command::Send { text: text.to_owned(), retention: None })
    }

    /// Wipes everything of this room on this side, at once.
    pub fn wipe(&self) {
        self.hosted.machine().wipe();
        self.hosted.told.notify_waiters();
        self.registry.wake.notify_one();
    }

    /// The same as [`Client::reconnect`](super::Client::reconnect), for whoever has only the room:
    /// concerns all rooms of the client.
    pub fn reconnect(&self) {
        self.registry.reconnect();
    }

    /// The time by the clock that [`Message::expires`] goes by.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
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
