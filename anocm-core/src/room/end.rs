//! The end of the room for this guest.

use std::collections::{HashMap, VecDeque};

use super::{
    Ended, Machine, RoomEvent,
    age_bound::AgeBound,
    doorkeeping::Doorkeeping,
    farewell::Farewell,
    history::History,
    key_refresh::KeyRefresh,
    log::Log,
    machine::{Asked, Phase},
    outbox::Outbox,
    past::Past,
    presence::Presence,
    renewal::Renewal,
    roles::Strikes,
    senders::Senders,
};
use crate::wire::Request;

impl Machine {
    /// The last thing that happens: everything is wiped.
    pub(super) fn end(&mut self, ended: Ended) {
        if self.is_over() {
            return;
        }
        // What was said and not yet fetched is wiped like the rest.
        let wiped = ended == Ended::Wiped;
        // Into a new buffer: in the old one stands what was fetched from it.
        let mut events = std::mem::take(&mut self.events);
        self.events = events
            .drain(..)
            .filter(|event| {
                !wiped && !matches!(event, RoomEvent::Message(_) | RoomEvent::Custom { .. })
            })
            .collect();
        let unsent: Vec<_> = self.outbox.unsent().filter(|_| !wiped).collect();
        self.given_up(unsent);
        self.tell(RoomEvent::Ended(ended));
        self.phase = Phase::Over;
        self.ended = Some(ended);
        self.log = Log::default();
        self.staged = None;
        self.age_bound = AgeBound::default();
        self.outbox = Outbox::default();
        self.senders = Senders::default();
        self.history = History::default();
        self.presence = Presence::default();
        self.farewell = Farewell::default();
        self.doorkeeping = Doorkeeping::default();
        self.renewal = Renewal::default();
        self.key_refresh = KeyRefresh::default();
        self.strikes = Strikes::default();
        self.elders = Vec::new();
        self.link.synced = false;
        self.link.retry_at = None;
        self.link.working = None;
        self.broken = None;
        self.past = Past::default();
        self.requests = VecDeque::new();
        self.asked = HashMap::new();
        if self.link.up && !matches!(ended, Ended::Closed(_) | Ended::NotLetIn(_)) {
            self.ask(Asked::Detach, Request::Detach { address: self.address });
        }
    }
}
