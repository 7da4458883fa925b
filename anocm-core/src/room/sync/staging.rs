//! External joins, staged until the relay admits this member to the epoch that they begin.
//!
//! The newcomer chooses the hashes and group information that a join brings the relay, and members
//! cannot check them: with a false member hash the relay admits no member to the next epoch, though
//! the join is valid. A member that merged it would have erased the keys with which the room can
//! continue. So the next epoch is proven first, and the join is merged when the relay admits this
//! member.

use crate::room::{Machine, phase::Phase, sync::rollback::RejectReason};
use crate::{
    id::{Epoch, Seq},
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

impl Machine {
    /// Stages the valid join at `seq`: proves the epoch that it begins to the relay. The log is not
    /// applied any further until the reply arrives.
    pub(crate) fn stage(
        &mut self,
        now: Timestamp,
        seq: Seq,
        accepted: Timestamp,
        join: StagedJoin,
    ) {
        if join.member_token().is_none() || self.progress.as_owner >= Some(join.epoch()) {
            return self.merge(now, seq, join);
        }
        self.staged = Some(Box::new(Staged { seq, accepted, join }));
        self.progress.synced = false;
        self.enter();
    }

    /// Returns the epoch to be proven to the relay: the session's, the one that a staged join
    /// begins, or the one that the owner is about to enter with the owner token.
    pub(crate) fn epoch_to_prove(&self) -> Option<Epoch> {
        let staged = self.staged.as_ref().map(|staged| staged.join.epoch());
        staged.or_else(|| {
            let epoch = self.session().map(Session::epoch)?;
            Some(self.progress.as_owner.map_or(epoch, |as_owner| as_owner.max(epoch)))
        })
    }

    /// Returns the token that proves that epoch: the owner token where the member token was
    /// refused.
    pub(crate) fn token_to_prove(&self) -> Option<Token> {
        if let Some(staged) = &self.staged {
            return staged.join.member_token().cloned();
        }
        let session = self.session()?;
        if self.progress.as_owner >= Some(session.epoch()) {
            return session.owner_token().ok().flatten();
        }
        session.member_token().ok().cloned()
    }

    /// Merges the staged join, after the relay has admitted this guest to its epoch. Returns false
    /// when there is none.
    pub(crate) fn follow_staged(&mut self, now: Timestamp) -> bool {
        let Some(staged) = self.staged.take() else {
            return false;
        };
        let Staged { seq, join, .. } = *staged;
        self.merge(now, seq, join);
        true
    }

    fn merge(&mut self, now: Timestamp, seq: Seq, join: StagedJoin) {
        self.was_overtaken();
        let Phase::Inside(session) = &mut self.phase else {
            return;
        };
        let context = session.context();
        match session.merge_join(join) {
            Ok(applied) => {
                self.on_rolled_back(now);
                self.on_commit_merged(seq, &applied, context);
                self.on_epoch_change(applied, false);
            }
            Err(_) => self.rejoin(now),
        }
    }

    /// Rejects the staged join, after the relay did not admit this guest to its epoch. Returns
    /// false when there is none.
    pub(crate) fn on_staged_not_admitted(&mut self, now: Timestamp) -> bool {
        let Some(staged) = self.staged.take() else {
            return false;
        };
        let Staged { seq, accepted, join } = *staged;
        if self.is_rejected_at(seq) {
            self.resync(None);
        } else {
            let is_last = self.progress.current == Some(join.epoch());
            let passed = !is_last && now >= accepted.saturating_add(SETTLES);
            let flaw = RejectReason::NotAdmitted { passed };
            self.on_rejected(now, (seq, EntryKind::Join), None, flaw);
        }
        true
    }

    /// Drops the staged join if it is at `seq` or after it and so was voided. Returns whether it
    /// was.
    pub(crate) fn on_staged_taken_back(&mut self, seq: Seq) -> bool {
        self.staged.take_if(|staged| staged.seq >= seq).is_some()
    }

    /// Drops a staged join, which is to be read again.
    pub(crate) fn unstage(&mut self) {
        if let Some(staged) = self.staged.take() {
            self.log.start_after(staged.seq.before());
        }
    }
}
