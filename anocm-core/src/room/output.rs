//! Outputs of a machine.

use std::fmt;

use super::{Ended, Machine, Message, RoomEvent, RoomView, context::Ticket, phase::Phase};
use crate::{
    id::{Epoch, RoomAddress},
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
        self.cx.poll_request()
    }

    /// Returns the next event for the guest.
    pub fn poll_event(&mut self) -> Option<RoomEvent> {
        self.cx.poll_event()
    }

    /// Whether an event is queued.
    #[must_use]
    pub fn has_events(&self) -> bool {
        self.cx.queued_events() > 0
    }

    /// Backpressure: whether few enough events are queued to accept more input. Otherwise the
    /// driver stops reading from the connection.
    #[must_use]
    pub fn has_room_for_events(&self) -> bool {
        self.cx.queued_events() < MAX_EVENTS
    }

    /// Wipes everything of this room at once.
    pub fn wipe(&mut self) {
        let _scrub = StackScrubGuard;
        self.end(Ended::Wiped);
    }

    /// Wipes everything of this room, and reports what was not sent. For a program that exits.
    pub fn shut_down(&mut self) {
        let _scrub = StackScrubGuard;
        let unsent = self.outbox.unsent().collect();
        self.end_with(Ended::Wiped, unsent);
    }

    /// Whether a command of the guest still has to reach the relay: a message, a change, a leave,
    /// or the end of the room.
    #[must_use]
    pub fn has_last_words(&self) -> bool {
        let leaves = self.upkeep.leave.is_leaving() || self.upkeep.leave.is_closing();
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
        self.cx.ended()
    }

    /// Returns the room's address.
    #[must_use]
    pub const fn address(&self) -> &RoomAddress {
        &self.cx.address
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
            Invite::new(self.cx.relay.clone(), self.cx.address, session.invite_secret().clone())
        });
        RoomView {
            connection: self.cx.link.shown,
            invite,
            me: session.map(Session::me),
            members: session.map(|session| session.members().to_vec()).unwrap_or_default(),
            here: self.upkeep.presence.here().copied().chain(session.map(Session::me)).collect(),
            epoch: session.map_or(Epoch::FIRST, Session::epoch),
            safety: session.and_then(|session| session.safety_code().ok().cloned()),
            retention: session
                .map_or_else(RoomRetention::default, |session| session.settings().retention),
            guest_retention: self.cx.guest_retention,
            confirmation: self.sync.confirmation().clone(),
            broken: self.sync.is_broken(),
            waiting: self.outbox.waiting(),
            posture: self.cx.link.posture,
            ended: self.cx.ended(),
        }
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Machine(..)")
    }
}
