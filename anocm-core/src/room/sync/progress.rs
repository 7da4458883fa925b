//! What this connection has proven to the relay, and how far it has read the log.

use crate::{
    id::{Epoch, Seq},
    room::context::Ticket,
};

/// What this connection has proven, and how far it has read.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The epoch that this connection has proven or is proving.
    pub(super) entering: Option<Epoch>,
    /// The last proof sent; replies to earlier proofs are ignored.
    pub(super) proof: Option<Ticket>,
    /// The room's epoch as of the last proof.
    pub(super) current: Option<Epoch>,
    /// The epoch that the owner enters with the owner token, since member tokens were refused on
    /// the way to it.
    pub(super) as_owner: Option<Epoch>,
    /// Whether the relay has admitted the owner to it.
    pub(super) admitted: bool,
    /// Whether this connection has shown the owner token, and has not joined since.
    pub(super) is_owners: bool,
    /// The epoch to which the owner was admitted, but to which the log did not lead.
    pub(super) in_vain: Option<Epoch>,
    /// Whether the current epoch was proven and everything up to its head was applied.
    pub(super) synced: bool,
    /// The end of the log when the current epoch was proven.
    pub(super) head: Option<Seq>,
    pub(super) reading: bool,
    /// The relay left out entries since the read in flight was requested.
    pub(super) lagging: bool,
    /// The first entry that waited for its turn when the read in flight was requested.
    pub(super) wanted: Option<Seq>,
    /// The room is in a later epoch than the session: the commit in between is to be read.
    pub(super) behind: bool,
}

impl Progress {
    /// Sets the epoch that the owner enters with the owner token.
    pub(super) const fn goes_as_owner(&mut self, epoch: Option<Epoch>) {
        self.as_owner = epoch;
        self.admitted = false;
        self.entering = None;
    }

    /// Whether the log may be applied: not before the owner is admitted to the epoch it leads to.
    pub(super) const fn may_follow(&self) -> bool {
        self.as_owner.is_none() || self.admitted
    }

    /// Returns the owner to member tokens.
    pub(super) const fn owner_is_done(&mut self) {
        self.as_owner = None;
        self.in_vain = None;
    }

    /// Forgets what was proven, when this guest rejoins through the door.
    pub(super) const fn on_rejoin(&mut self) {
        self.entering = None;
        self.owner_is_done();
        self.is_owners = false;
        self.synced = false;
    }
}
