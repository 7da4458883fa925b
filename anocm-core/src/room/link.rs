//! What a machine knows of its connection.

use std::time::Duration;

use super::{
    Connection, Ended, Machine, RoomEvent,
    machine::{Phase, Ticket},
    pow::PowSearch,
};
use crate::{
    id::{Epoch, Seq},
    time::Timestamp,
    transport_error::TransportError,
    wire::Posture,
};

/// However long the relay says it is busy, it is asked again after this.
pub(super) const MAX_BACKOFF: Duration = Duration::from_secs(60);

/// What is known of the connection.
pub(super) struct LinkState {
    pub(super) up: bool,
    /// The epoch this connection has proven, or is about to.
    pub(super) entering: Option<Epoch>,
    /// The last proof that was asked for: answers to earlier ones are of something else.
    pub(super) proof: Option<Ticket>,
    /// The epoch that the room was in when an epoch was proven last.
    pub(super) current: Option<Epoch>,
    /// The epoch which the owner enters by the own token, since member tokens did not do on the way
    /// to it.
    pub(super) as_owner: Option<Epoch>,
    /// Whether the relay has admitted the owner to it.
    pub(super) admitted: bool,
    /// Whether this connection has shown the owner token, and has not joined since.
    pub(super) is_owners: bool,
    /// Whether the own join went over this connection. Then the relay knows that the owner has not
    /// read what stands before it.
    pub(super) joined_here: bool,
    /// The epoch to which the log did not lead the owner who was admitted to it.
    pub(super) in_vain: Option<Epoch>,
    /// Whether the current epoch was proven and everything up to its head was taken in.
    pub(super) synced: bool,
    /// Where the log ended when the current epoch was proven.
    pub(super) head: Option<Seq>,
    pub(super) reading: bool,
    /// Something was left out since that was asked.
    pub(super) lagging: bool,
    /// What waited for its turn when the read under way was asked for.
    pub(super) wanted: Option<Seq>,
    /// The room is in a later epoch than the session: the commit in between is to be read.
    pub(super) behind: bool,
    /// Before this, nothing refused is tried again.
    pub(super) retry_at: Option<Timestamp>,
    /// The work that the relay has asked for.
    pub(super) working: Option<PowSearch>,
    pub(super) attempts: u32,
    pub(super) shown: Connection,
    pub(super) posture: Posture,
}

impl LinkState {
    /// The owner is to enter this epoch by the own token.
    pub(super) const fn goes_as_owner(&mut self, epoch: Option<Epoch>) {
        self.as_owner = epoch;
        self.admitted = false;
        self.entering = None;
    }

    /// Whether what the log holds is followed: not before the owner is admitted to where it leads.
    pub(super) const fn may_follow(&self) -> bool {
        self.as_owner.is_none() || self.admitted
    }

    /// The owner goes on by member tokens.
    pub(super) const fn owner_is_done(&mut self) {
        self.as_owner = None;
        self.in_vain = None;
    }

    pub(super) const fn down(posture: Posture) -> Self {
        Self {
            up: false,
            entering: None,
            proof: None,
            current: None,
            as_owner: None,
            admitted: false,
            is_owners: false,
            joined_here: false,
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
    /// Waiting after `why`.
    #[must_use]
    pub const fn retrying(retry_in: std::time::Duration, why: TransportError) -> Self {
        Self::Waiting { retry_in, why }
    }
}

impl Machine {
    /// The connection is up and greeted; `posture` is what the relay said of itself.
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

    /// The connection is gone. What was asked has an unknown outcome.
    pub fn disconnected(&mut self, now: Timestamp) {
        self.disconnected_quietly();
        self.emit_connection(Connection::Connecting);
        if self.leave.is_leaving() && !self.closing {
            self.end(Ended::Left);
        }
        self.handle_timeout(now);
    }

    /// The next try to connect comes in a while; for the [`RoomView`](super::RoomView).
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

    pub(super) fn emit_connection(&mut self, connection: Connection) {
        if self.link.shown != connection {
            self.link.shown = connection;
            self.emit(RoomEvent::Connection(connection));
        }
    }
}
