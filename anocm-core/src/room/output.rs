//! Outputs of a machine.

use std::fmt;

use super::{
    Ended, Machine, Message, RoomEvent, RoomView, Trouble,
    machine::{Phase, Ticket},
    sending::outbox::GivenUp,
};
use crate::{
    id::{Epoch, MessageId, RoomAddress},
    invite::Invite,
    retention::RoomRetention,
    session::Session,
    stack::StackScrubGuard,
    wire::Request,
};

/// Most queued events before the driver stops reading.
const MAX_EVENTS: usize = 1_024;

impl Machine {
    /// Returns the next request for the relay.
    pub fn poll_request(&mut self) -> Option<(Ticket, Request)> {
        self.requests.pop_front()
    }

    /// Returns the next event for the guest.
    pub fn poll_event(&mut self) -> Option<RoomEvent> {
        self.events.pop_front()
    }

    /// Whether an event is queued.
    #[must_use]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Backpressure: whether few enough events are queued to accept more input. Otherwise the
    /// driver stops reading from the connection.
    #[must_use]
    pub fn has_room_for_events(&self) -> bool {
        self.events.len() < MAX_EVENTS
    }

    /// Wipes everything of this room at once.
    pub fn wipe(&mut self) {
        let _swept = StackScrubGuard;
        self.end(Ended::Wiped);
    }

    /// Wipes everything of this room, and reports what was not sent. For a program that exits.
    pub fn shut_down(&mut self) {
        let unsent: Vec<_> = self.outbox.unsent().collect();
        let was_over = self.is_over();
        self.wipe();
        if !was_over && let Some(ended) = self.events.pop_back() {
            let not_sent = unsent.into_iter().map(|(id, why)| RoomEvent::NotSent { id, why });
            self.events.extend(not_sent.chain([ended]));
        }
    }

    /// Whether a command of the guest still has to reach the relay: a message, a change, a leave,
    /// or the end of the room.
    #[must_use]
    pub fn has_last_words(&self) -> bool {
        let leaves = self.leave.is_leaving() || self.closing;
        !self.is_over() && (leaves || self.outbox.unsent().next().is_some())
    }

    /// Whether the room is over for this guest.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Whether the guest is in the room and can send.
    #[must_use]
    pub const fn is_inside(&self) -> bool {
        matches!(self.phase, Phase::Inside(_))
    }

    /// Returns why the room is over for this guest; `None` while it is not.
    #[must_use]
    pub const fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// Returns the room's address.
    #[must_use]
    pub const fn address(&self) -> &RoomAddress {
        &self.address
    }

    /// Returns the messages that are still kept, in order.
    pub fn history(&self) -> impl Iterator<Item = &Message> {
        self.history.messages()
    }

    /// Returns the room's state, for display.
    #[must_use]
    pub fn view(&self) -> RoomView {
        let session = self.session();
        let invite = session.map(|session| {
            Invite::new(self.relay.clone(), self.address, session.invite_secret().clone())
        });
        RoomView {
            connection: self.link.shown,
            invite,
            me: session.map(Session::me),
            members: session.map(|session| session.members().to_vec()).unwrap_or_default(),
            here: self.presence.here().copied().chain(session.map(Session::me)).collect(),
            epoch: session.map_or(Epoch::FIRST, Session::epoch),
            safety: session.and_then(|session| session.safety_code().ok().cloned()),
            retention: session
                .map_or_else(RoomRetention::default, |session| session.settings().retention),
            guest_retention: self.guest,
            confirmed: self.confirmed,
            broken: self.rejected.is_some(),
            waiting: self.outbox.waiting(),
            posture: self.link.posture,
            ended: self.ended,
        }
    }

    pub(super) fn emit(&mut self, event: RoomEvent) {
        if !self.is_over() {
            self.events.push_back(event);
        }
    }

    pub(super) fn emit_failures(&mut self, given_up: impl IntoIterator<Item = GivenUp>) {
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

    /// Reports once that the relay contradicts itself.
    pub(super) fn report_inconsistency(&mut self) {
        if !std::mem::replace(&mut self.inconsistency_reported, true) {
            self.emit(RoomEvent::Trouble(Trouble::DishonestRelay));
        }
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Machine(..)")
    }
}
