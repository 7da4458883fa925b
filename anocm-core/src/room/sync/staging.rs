//! External joins, staged until the relay admits this member to the epoch that they begin.
//!
//! The newcomer chooses the hashes and group information that a join brings the relay, and members
//! cannot check them: with a false member hash the relay admits no member to the next epoch, though
//! the join is valid. A member that merged it would have erased the keys with which the room can
//! continue. So the next epoch is proven first, and the join is merged when the relay admits this
//! member.

use super::{
    SyncState,
    rollback::RejectReason,
    step::{Exit, Step},
};
use crate::{
    id::{Epoch, Seq},
    room::{context::Context, sending::outbox::Outbox},
    secret::Token,
    session::{Session, StagedJoin},
    time::Timestamp,
    wire::{EntryKind, SETTLES},
};

/// A valid join that is not merged yet, and its sequence number. Boxed, so that none of its bytes
/// stay in the machine after it is dropped: a move also copies stale bytes where there is no value.
pub(crate) struct Staged {
    seq: Seq,
    /// When the relay accepted it.
    accepted: Timestamp,
    join: StagedJoin,
}

impl SyncState {
    /// Stages the valid join at `seq`, accepted at `accepted`: proves the epoch that it begins to
    /// the relay. The log is not applied any further until the reply arrives.
    pub(crate) fn stage(
        &mut self,
        cx: &mut Context,
        session: &mut Session,
        outbox: &mut Outbox,
        (seq, accepted): (Seq, Timestamp),
        join: StagedJoin,
    ) -> Result<Step, Exit> {
        if join.member_token().is_none() || self.progress.as_owner >= Some(join.epoch()) {
            return self.merge(cx, session, outbox, seq, join);
        }
        self.staged = Some(Box::new(Staged { seq, accepted, join }));
        self.progress.synced = false;
        self.enter(cx, session);
        Ok(Step::Done)
    }

    /// Returns the epoch to be proven to the relay: the session's, the one that a staged join
    /// begins, or the one that the owner is about to enter with the owner token.
    pub(crate) fn epoch_to_prove(&self, session: &Session) -> Epoch {
        if let Some(staged) = &self.staged {
            return staged.join.epoch();
        }
        let epoch = session.epoch();
        self.progress.as_owner.map_or(epoch, |as_owner| as_owner.max(epoch))
    }

    /// Returns the token that proves that epoch: the owner token where the member token was
    /// refused.
    pub(crate) fn token_to_prove(&self, session: &Session) -> Option<Token> {
        if let Some(staged) = &self.staged {
            return staged.join.member_token().cloned();
        }
        if self.progress.as_owner >= Some(session.epoch()) {
            return session.owner_token().ok().flatten();
        }
        session.member_token().ok().cloned()
    }

    /// Whether a join is staged.
    pub(crate) const fn has_staged(&self) -> bool {
        self.staged.is_some()
    }

    /// Merges the staged join, if there is one, after the relay has admitted this guest to its
    /// epoch.
    pub(crate) fn merge_staged(
        &mut self,
        cx: &mut Context,
        session: &mut Session,
        outbox: &mut Outbox,
    ) -> Result<Step, Exit> {
        let Some(staged) = self.staged.take() else {
            return Ok(Step::Done);
        };
        let Staged { seq, join, .. } = *staged;
        self.merge(cx, session, outbox, seq, join)
    }

    fn merge(
        &mut self,
        cx: &mut Context,
        session: &mut Session,
        outbox: &mut Outbox,
        seq: Seq,
        join: StagedJoin,
    ) -> Result<Step, Exit> {
        outbox.was_overtaken(session);
        let context = session.context();
        let change = session.merge_join(join).map_err(|_| Exit::Rejoin)?;
        self.on_rolled_back(cx, session, outbox);
        self.on_epoch_began(cx, session, (seq, context), change, false)
    }

    /// Handles a refused proof: rejects the staged join, or else the member token was refused.
    pub(crate) fn on_proof_refused(
        &mut self,
        cx: &mut Context,
        session: &Session,
    ) -> Result<(), Exit> {
        let Some(staged) = self.staged.take() else {
            return self.on_not_admitted(cx, session);
        };
        let Staged { seq, accepted, join } = *staged;
        if self.is_rejected_at(seq) {
            self.resync(cx, None);
        } else {
            let is_last = self.progress.current == Some(join.epoch());
            let passed = !is_last && cx.now >= accepted.saturating_add(SETTLES);
            let flaw = RejectReason::NotAdmitted { passed };
            self.on_rejected(cx, session, (seq, EntryKind::Join), None, flaw);
        }
        Ok(())
    }

    /// Drops the staged join if it is at `seq` or after it and so was voided. Returns whether it
    /// was.
    pub(crate) fn on_staged_voided(&mut self, seq: Seq) -> bool {
        self.staged.take_if(|staged| staged.seq >= seq).is_some()
    }

    /// Drops a staged join, which is to be read again.
    pub(crate) fn unstage(&mut self) {
        if let Some(staged) = self.staged.take() {
            self.log.start_after(staged.seq.before());
        }
    }
}
