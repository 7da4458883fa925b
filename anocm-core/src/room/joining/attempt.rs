//! One attempt to get into a room: opening it, or joining it through its door.

use super::{
    creating::Creating,
    external_join::ExternalJoin,
    state::{JoinProgress, JoinState, on_inconsistency},
};
use crate::{
    id::Epoch,
    room::context::{Context, PendingRequest},
    session::Session,
    wire::{Refusal, Reply},
};

/// An attempt to get into a room.
pub(crate) enum Joining {
    /// The guest opens the room.
    Creating(Creating),
    /// The guest is joining through the door.
    External(ExternalJoin),
}

impl Joining {
    /// Whether the guest opens the room.
    pub(crate) const fn is_creating(&self) -> bool {
        matches!(self, Self::Creating(_))
    }

    /// Sends the next request towards the room.
    pub(crate) fn advance(&mut self, cx: &mut Context) -> JoinProgress {
        match self {
            Self::Creating(creating) => creating.advance(cx),
            Self::External(join) => join.advance(cx),
        }
    }

    /// Marks a join as possibly accepted, after the connection was lost.
    pub(crate) fn outcome_unknown(&mut self) {
        if let Self::External(ExternalJoin { candidate: Some(candidate), .. }) = self {
            candidate.unknown = true;
        }
    }

    /// Handles the reply to a request towards the room.
    pub(crate) fn on_reply(
        &mut self,
        cx: &mut Context,
        state: &mut JoinState,
        asked: PendingRequest,
        result: Result<Reply, Refusal>,
    ) -> JoinProgress {
        match (self, asked) {
            (this, PendingRequest::Enter(epoch)) => this.on_proof(cx, state, epoch, result),
            (Self::Creating(creating), PendingRequest::Create) => {
                creating.on_created(cx, state, result)
            }
            (Self::External(join), PendingRequest::Look) => join.on_door(cx, state, result),
            (Self::External(join), PendingRequest::Join(epoch)) => {
                join.on_joined(cx, state, epoch, result)
            }
            _ => JoinProgress::Waiting,
        }
    }

    /// Handles the reply to a proof of `epoch`, which finds out whether a creation or join was
    /// accepted.
    fn on_proof(
        &mut self,
        cx: &mut Context,
        state: &mut JoinState,
        epoch: Epoch,
        result: Result<Reply, Refusal>,
    ) -> JoinProgress {
        if !self.awaits(epoch) {
            // Requested before this guest went to the door again.
            return JoinProgress::Waiting;
        }
        match result {
            Ok(Reply::Entered(entered)) => JoinProgress::Joined(entered.began),
            Ok(_) => on_inconsistency(cx),
            Err(Refusal::NotAdmitted | Refusal::NoSuchRoom) => match self {
                Self::External(join) => join.on_not_accepted(cx),
                Self::Creating(creating) => {
                    creating.unknown = false;
                    creating.advance(cx)
                }
            },
            Err(refusal) => state.on_refused(cx, refusal),
        }
    }

    /// Whether the proof of `epoch` is to find out the outcome of a creation or join.
    fn awaits(&self, epoch: Epoch) -> bool {
        match self {
            Self::Creating(creating) => creating.unknown && creating.session.epoch() == epoch,
            Self::External(ExternalJoin { candidate: Some(candidate), .. }) => {
                candidate.unknown && candidate.session.epoch() == epoch
            }
            Self::External(_) => false,
        }
    }

    /// Whether a session has begun that a creation or join brings into the room.
    pub(crate) const fn has_session(&self) -> bool {
        match self {
            Self::Creating(_) => true,
            Self::External(join) => join.candidate.is_some(),
        }
    }

    /// Returns that session.
    pub(crate) fn into_session(self) -> Option<Session> {
        match self {
            Self::Creating(creating) => Some(creating.session),
            Self::External(join) => join.candidate.map(|candidate| candidate.session),
        }
    }
}
