//! The end of the room for this guest.

use super::{
    Ended, Machine,
    context::PendingRequest,
    history::History,
    phase::Phase,
    sending::outbox::{GivenUp, Outbox},
    upkeep::Upkeep,
};
use crate::wire::Request;

impl Machine {
    /// Ends the room: wipes everything, and emits the last event.
    pub(super) fn end(&mut self, ended: Ended) {
        // Nothing is reported of a room that the guest wiped.
        let unsent = self.outbox.unsent().filter(|_| ended != Ended::Wiped).collect();
        self.end_with(ended, unsent);
    }

    /// Does the same, and reports the jobs that were not sent.
    pub(super) fn end_with(&mut self, ended: Ended, unsent: Vec<GivenUp>) {
        if self.is_over() {
            return;
        }
        self.cx.end(ended, unsent);
        self.phase = Phase::Over;
        self.sync.end();
        self.outbox = Outbox::default();
        self.history = History::default();
        self.upkeep = Upkeep::default();
        self.joins.pow.stop();
        self.cx.link.retry_at = None;
        self.cx.forget_requests();
        if self.cx.link.up && !matches!(ended, Ended::Closed(_) | Ended::NotLetIn(_)) {
            let detach = Request::Detach { address: self.cx.address };
            self.cx.send_request(PendingRequest::Detach, detach);
        }
    }
}
