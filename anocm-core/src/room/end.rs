//! The end of the room for this guest.

use std::collections::{HashMap, VecDeque};

use super::{
    Ended, Machine, RoomEvent,
    history::History,
    machine::{PendingRequest, Phase},
    sending::outbox::Outbox,
    sync::age_bound::AgeBound,
    sync::counters::SenderCounters,
    sync::epoch_history::EpochHistory,
    sync::log::Log,
    upkeep::demotion::Demotions,
    upkeep::door_check::DoorCheck,
    upkeep::forced_refresh::ForcedRefresh,
    upkeep::key_refresh::KeyRefresh,
    upkeep::leave::LeaveState,
    upkeep::presence::Presence,
};
use crate::wire::Request;

impl Machine {
    /// Ends the room: wipes everything, and emits the last event.
    pub(super) fn end(&mut self, ended: Ended) {
        if self.is_over() {
            return;
        }
        // Messages that were not fetched yet are wiped, too.
        let wiped = ended == Ended::Wiped;
        // Use a new buffer: the old one still holds bytes of fetched events.
        let mut events = std::mem::take(&mut self.events);
        self.events = events
            .drain(..)
            .filter(|event| {
                !wiped && !matches!(event, RoomEvent::Message(_) | RoomEvent::Custom { .. })
            })
            .collect();
        let unsent: Vec<_> = self.outbox.unsent().filter(|_| !wiped).collect();
        self.emit_failures(unsent);
        self.emit(RoomEvent::Ended(ended));
        self.phase = Phase::Over;
        self.ended = Some(ended);
        self.log = Log::default();
        self.staged = None;
        self.age_bound = AgeBound::default();
        self.outbox = Outbox::default();
        self.counters = SenderCounters::default();
        self.history = History::default();
        self.presence = Presence::default();
        self.leave = LeaveState::default();
        self.door_check = DoorCheck::default();
        self.forced_refresh = ForcedRefresh::default();
        self.key_refresh = KeyRefresh::default();
        self.demotions = Demotions::default();
        self.prior_members = Vec::new();
        self.link.synced = false;
        self.link.retry_at = None;
        self.link.working = None;
        self.rejected = None;
        self.epoch_history = EpochHistory::default();
        self.requests = VecDeque::new();
        self.pending_requests = HashMap::new();
        if self.link.up && !matches!(ended, Ended::Closed(_) | Ended::NotLetIn(_)) {
            self.send_request(PendingRequest::Detach, Request::Detach { address: self.address });
        }
    }
}
