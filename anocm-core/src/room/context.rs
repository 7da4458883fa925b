//! What all parts of a room share: the settings, the time, random numbers, and the queues of
//! requests and events.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use rand_core::Rng;

use super::{Connection, Ended, MachineConfig, RoomEvent, SendFailure, Trouble, link::Link};
use crate::{
    id::{Epoch, MessageId, RoomAddress},
    invite::RelayUrl,
    retention::GuestRetention,
    rng::FastKeyErasureRng,
    time::Timestamp,
    wire::{Posture, Request},
};

/// The longest backoff, whatever delay the relay requests.
pub(super) const MAX_BACKOFF: Duration = Duration::from_secs(60);

/// Identifies a request of one machine; its reply is passed back under the same ticket.
pub type Ticket = u32;

/// The kind of request that a ticket stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PendingRequest {
    Create,
    Look,
    /// A look at the door by a member.
    Inspect(Epoch),
    /// A join that begins this epoch.
    Join(Epoch),
    Enter(Epoch),
    Read,
    Append,
    Void,
    /// A member's request to void a join.
    TakeBack,
    /// A request for the room's current epoch.
    CurrentEpoch,
    /// A proof with the owner token, while rejoining.
    Prove,
    Close,
    Detach,
    Work,
}

/// What all parts of a room share. Parts own the rest of the state and take this by `&mut`.
pub(crate) struct Context {
    pub(super) relay: RelayUrl,
    pub(super) address: RoomAddress,
    pub(super) config: MachineConfig,
    pub(super) guest_retention: GuestRetention,
    pub(super) rng: FastKeyErasureRng,
    /// The time of the input that is being processed.
    pub(super) now: Timestamp,
    pub(super) link: Link,
    next_ticket: Ticket,
    requests: VecDeque<(Ticket, Request)>,
    /// Requests in flight, and when each was sent.
    pending: HashMap<Ticket, (PendingRequest, Timestamp)>,
    events: VecDeque<RoomEvent>,
    /// Why the room ended. No event is emitted after that.
    ended: Option<Ended>,
    inconsistency_reported: bool,
}

impl Context {
    pub(super) fn new(
        relay: RelayUrl,
        address: RoomAddress,
        config: MachineConfig,
        rng: FastKeyErasureRng,
    ) -> Self {
        Self {
            relay,
            address,
            config,
            guest_retention: GuestRetention::default(),
            rng,
            now: Timestamp::ZERO,
            link: Link::down(Posture::Unknown),
            next_ticket: 0,
            requests: VecDeque::new(),
            pending: HashMap::new(),
            events: VecDeque::new(),
            ended: None,
            inconsistency_reported: false,
        }
    }

    /// Queues a request, and returns the ticket under which its reply comes.
    pub(super) fn send_request(&mut self, asked: PendingRequest, request: Request) -> Ticket {
        self.next_ticket = self.next_ticket.wrapping_add(1);
        self.pending.insert(self.next_ticket, (asked, self.now));
        self.requests.push_back((self.next_ticket, request));
        self.next_ticket
    }

    pub(super) fn poll_request(&mut self) -> Option<(Ticket, Request)> {
        self.requests.pop_front()
    }

    /// Takes the request of a ticket that has its reply, and when the request was queued.
    pub(super) fn take_pending(&mut self, ticket: Ticket) -> Option<(PendingRequest, Timestamp)> {
        self.pending.remove(&ticket)
    }

    /// Whether the request of this ticket has no reply yet.
    pub(super) fn is_pending(&self, ticket: Ticket) -> bool {
        self.pending.contains_key(&ticket)
    }

    /// Returns the requests without a reply.
    pub(super) fn pending(&self) -> impl Iterator<Item = PendingRequest> {
        self.pending.values().map(|(asked, _)| *asked)
    }

    /// Forgets all requests: the connection is lost, or the room is over.
    pub(super) fn forget_requests(&mut self) {
        self.requests = VecDeque::new();
        self.pending = HashMap::new();
    }

    /// Queues an event, unless the room is over.
    pub(super) fn emit(&mut self, event: RoomEvent) {
        if self.ended.is_none() {
            self.events.push_back(event);
        }
    }

    /// Reports jobs that will not be sent.
    pub(super) fn emit_failures(
        &mut self,
        given_up: impl IntoIterator<Item = (MessageId, SendFailure)>,
    ) {
        for (id, why) in given_up {
            self.emit(RoomEvent::NotSent { id, why });
        }
    }

    /// Reports a message that was wiped from the history. If its event is still queued, the message
    /// was never on a screen: that event is dropped instead.
    pub(super) fn emit_expired(&mut self, id: MessageId) {
        let waiting = self.events.len();
        self.events
            .retain(|event| !matches!(event, RoomEvent::Message(message) if message.id == id));
        if self.events.len() == waiting {
            self.emit(RoomEvent::Expired { id });
        }
    }

    /// Changes the connection state that is shown.
    pub(super) fn emit_connection(&mut self, connection: Connection) {
        if self.link.shown != connection {
            self.link.shown = connection;
            self.emit(RoomEvent::Connection(connection));
        }
    }

    /// Reports once that the relay contradicts itself.
    pub(super) fn report_inconsistency(&mut self) {
        if !std::mem::replace(&mut self.inconsistency_reported, true) {
            self.emit(RoomEvent::Trouble(Trouble::DishonestRelay));
        }
    }

    pub(super) fn poll_event(&mut self) -> Option<RoomEvent> {
        self.events.pop_front()
    }

    /// Returns how many events are queued.
    pub(super) fn queued_events(&self) -> usize {
        self.events.len()
    }

    /// Emits the last events: the jobs that were not sent, and why the room ended. Of the events
    /// that were not fetched yet, drops those with content, and all if the guest wiped the room.
    pub(super) fn end(
        &mut self,
        ended: Ended,
        unsent: impl IntoIterator<Item = (MessageId, SendFailure)>,
    ) {
        let wiped = ended == Ended::Wiped;
        // Use a new buffer: the old one still holds bytes of fetched events.
        let mut events = std::mem::take(&mut self.events);
        let holds_content =
            |event: &RoomEvent| matches!(event, RoomEvent::Message(_) | RoomEvent::Custom { .. });
        self.events = events.drain(..).filter(|event| !wiped && !holds_content(event)).collect();
        self.emit_failures(unsent);
        self.emit(RoomEvent::Ended(ended));
        self.ended = Some(ended);
    }

    /// Returns why the room is over; `None` while it is not.
    pub(super) const fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// Retries after a delay with exponential backoff.
    pub(super) fn back_off(&mut self, at_least: Option<Duration>) {
        let most = 500_u64 << self.link.attempts.min(5);
        self.link.attempts += 1;
        let wait = Duration::from_millis(most / 2 + self.random_below(most / 2));
        let at_least = at_least.unwrap_or_default().min(MAX_BACKOFF);
        self.retry_after(wait.max(at_least));
    }

    /// Retries after `wait`.
    pub(super) fn retry_after(&mut self, wait: Duration) {
        self.link.retry_at = Some(self.now.saturating_add(wait));
    }

    /// Returns the time after a random whole number of milliseconds below `bound`.
    pub(super) fn random_millis(&mut self, bound: u64) -> Duration {
        Duration::from_millis(self.random_below(bound))
    }

    /// Returns a random whole number below `bound`; zero if that is zero.
    pub(super) fn random_below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound.max(1)
    }

    /// Draws whether this guest is one of about four of so many members that act for the room: some
    /// may be offline or hostile.
    pub(super) fn is_drawn_to_act(&mut self, members: usize) -> bool {
        let members = members as u64;
        members <= 8 || self.random_below(members) < 4
    }

    /// Returns a fresh random message id.
    pub(super) fn new_message_id(&mut self) -> MessageId {
        let mut bytes = [0; 16];
        self.rng.fill_bytes(&mut bytes);
        MessageId::new(bytes)
    }
}
