//! Opening a room.

use super::{
    policy_negotiation::PolicyNegotiation,
    state::{JoinProgress, JoinState, failed, on_inconsistency, prove, send},
};
use crate::{
    id::Seq,
    room::{
        JoinFailure, NewRoom,
        context::{Context, PendingRequest},
    },
    session::{Session, first_invite},
    wire::{Genesis, Refusal, Reply, Request},
};

/// Most `AddressInUse` refusals while opening a room whose address is in use by another room; after
/// that the client gives up.
const MAX_IN_USE: u32 = 8;

/// A room that this guest opens.
pub(crate) struct Creating {
    pub(crate) session: Session,
    genesis: Genesis,
    /// A creation was sent and its outcome is unknown.
    pub(crate) unknown: bool,
    /// How often the relay reported the address as in use.
    in_use: u32,
    /// The room as it is requested now.
    wish: PolicyNegotiation,
}

impl Creating {
    pub(crate) const fn new(session: Session, genesis: Genesis, new: NewRoom) -> Self {
        let wish = PolicyNegotiation::new(new);
        Self { session, genesis, unknown: false, in_use: 0, wish }
    }

    /// Sends the next request: the creation, or if that may have been accepted, a proof with its
    /// member token, which finds out.
    pub(crate) fn advance(&mut self, cx: &mut Context) -> JoinProgress {
        let address = cx.address;
        if self.unknown {
            let next = prove(address, &self.session);
            return send(cx, next);
        }
        self.unknown = true;
        let genesis = self.genesis.clone();
        send(cx, Some((PendingRequest::Create, Request::Create { address, genesis })))
    }

    /// Handles the reply to the creation.
    pub(crate) fn on_created(
        &mut self,
        cx: &mut Context,
        state: &mut JoinState,
        result: Result<Reply, Refusal>,
    ) -> JoinProgress {
        match result {
            Ok(Reply::Done) => JoinProgress::Joined(Seq::START),
            Ok(_) => on_inconsistency(cx),
            Err(Refusal::AddressInUse) => self.on_address_in_use(cx),
            Err(refusal @ (Refusal::RetentionTooLong { .. } | Refusal::Unlawful)) => {
                self.retry_with_less(cx, state, refusal)
            }
            Err(refusal) => {
                self.unknown = refusal == Refusal::Unavailable;
                state.on_refused(cx, refusal)
            }
        }
    }

    /// Handles an address in use: a creation whose reply was lost may have been accepted.
    fn on_address_in_use(&mut self, cx: &mut Context) -> JoinProgress {
        self.in_use += 1;
        if self.in_use > MAX_IN_USE {
            return failed(JoinFailure::Refused(Refusal::AddressInUse));
        }
        self.advance(cx)
    }

    /// Retries with a lower policy: the relay does not allow the room as requested.
    fn retry_with_less(
        &mut self,
        cx: &mut Context,
        state: &mut JoinState,
        refusal: Refusal,
    ) -> JoinProgress {
        self.unknown = false;
        if !self.wish.lower(refusal) {
            return failed(JoinFailure::Settings);
        }
        let NewRoom { retention, nickname, .. } = &self.wish.new;
        let (secret, policy) = (first_invite(&mut cx.rng), self.wish.new.policy());
        match self.session.create_again(&secret, policy, *retention, nickname, &mut cx.rng) {
            Ok(lower) => self.genesis = lower,
            Err(_) => return failed(JoinFailure::Settings),
        }
        state.granted_policy = Some(policy);
        self.advance(cx)
    }
}
