//! A machine's state of its connection.

use std::time::Duration;

use super::{
    Connection, Ended, Machine, RoomEvent,
    joining::pow::PowSearch,
    machine::{Phase, Ticket},
};
use crate::{
    id::{Epoch, Seq},
    time::Timestamp,
    transport_error::TransportError,
    wire::Posture,
};

/// The longest backoff, whatever delay the relay requests.
pub(crate) const MAX_BACKOFF: Duration = Duration::from_secs(60);

/// The state of the connection.
pub(crate) struct LinkState {
    pub(crate) up: bool,
    /// The epoch that this connection has proven or is proving.
    pub(crate) entering: Option<Epoch>,
    /// The last proof sent; replies to earlier proofs are ignored.
    pub(crate) proof: Option<Ticket>,
    /// The room's epoch as of the last proof.
    pub(crate) current: Option<Epoch>,
    /// The epoch that the owner enters with the owner token, since member tokens were refused on
    /// the way to it.
    pub(crate) as_owner: Option<Epoch>,
    /// Whether the relay has admitted the owner to it.
    pub(crate) admitted: bool,
    /// Whether this connection has shown the owner token, and has not joined since.
    pub(crate) is_owners: bool,
    /// The epoch to which the owner was admitted, but to which the log did not lead.
    pub(crate) in_vain: Option<Epoch>,
    /// Whether the current epoch was proven and everything up to its head was applied.
    pub(crate) synced: bool,
    /// The end of the log when the current epoch was proven.
    pub(crate) head: Option<Seq>,
    pub(crate) reading: bool,
    /// The relay left out entries since the read in flight was requested.
    pub(crate) lagging: bool,
    /// The first entry that waited for its turn when the read in flight was requested.
    pub(crate) wanted: Option<Seq>,
    /// The room is in a later epoch than the session: the commit in between is to be read.
    pub(crate) behind: bool,
    /// Refused requests are not retried before this time.
    pub(crate) retry_at: Option<Timestamp>,
    /// The proof of work that the relay has required.
    pub(crate) working: Option<PowSearch>,
    pub(crate) attempts: u32,
    pub(crate) shown: Connection,
    pub(crate) posture: Posture,
}

impl LinkState {
    /// Sets the epoch that the owner enters with the owner token.
    pub(crate) const fn goes_as_owner(&mut self, epoch: Option<Epoch>) {
        self.as_owner = epoch;
        self.admitted = false;
        self.entering = None;
    }

    /// Whether the log may be applied: not before the owner is admitted to the epoch it leads to.
    pub(crate) const fn may_follow(&self) -> bool {
        self.as_owner.is_none() || self.admitted
    }

    /// Returns the owner to member tokens.
    pub(crate) const fn owner_is_done(&mut self) {
        self.as_owner = None;
        self.in_vain = None;
    }

    pub(crate) const fn down(posture: Posture) -> Self {
        Self {
            up: false,
            entering: None,
            proof: None,
            current: None,
            as_owner: None,
            admitted: false,
            is_owners: false,
            in_vain: None,
            synced: false,
            head: None,
            reading: false,
            lagging: false,
            wanted: None,
            behind: false,
            retry_at: None,
            working: None,
            attempts: 0,
            shown: Connection::Connecting,
            posture,
        }
    }
}

impl Connection {
    /// Returns [`Connection::Waiting`] for `retry_in` after the failure `why`.
    #[must_use]
    pub const fn retrying(retry_in: std::time::Duration, why: TransportError) -> Self {
        Self::Waiting { retry_in, why }
    }
}

impl Machine {
    /// Handles a connection that is up and has completed its hello; `posture` is the relay's
    /// statement.
    pub fn connected(&mut self, now: Timestamp, posture: Posture) {
        self.set_now(now);
        self.disconnected_quietly();
        self.link = LinkState { up: true, ..LinkState::down(posture) };
        self.emit(RoomEvent::Posture(posture));
        self.emit_connection(Connection::CatchingUp);
        match self.phase {
            Phase::Joining(_) => self.advance_joining(),
            Phase::Inside(_) => self.enter(),
            Phase::Over => {}
        }
    }

    /// Handles the loss of the connection. The outcome of requests in flight is unknown.
    pub fn disconnected(&mut self, now: Timestamp) {
        self.disconnected_quietly();
        self.emit_connection(Connection::Connecting);
        if self.leave.is_leaving() && !self.closing {
            self.end(Ended::Left);
        }
        self.handle_timeout(now);
    }

    /// Sets the connection state shown in the [`RoomView`](super::RoomView), while the driver waits
    /// for its next attempt.
    pub fn set_connection(&mut self, connection: Connection) {
        self.emit_connection(connection);
    }

    fn disconnected_quietly(&mut self) {
        self.unstage();
        self.requests.clear();
        self.pending_requests.clear();
        let posture = self.link.posture;
        let shown = self.link.shown;
        self.link = LinkState { shown, ..LinkState::down(posture) };
        self.outbox.outcome_unknown();
        if let Phase::Joining(entrance) = &mut self.phase {
            entrance.outcome_unknown();
        }
    }

    pub(crate) fn emit_connection(&mut self, connection: Connection) {
        if self.link.shown != connection {
            self.link.shown = connection;
            self.emit(RoomEvent::Connection(connection));
        }
    }
}
