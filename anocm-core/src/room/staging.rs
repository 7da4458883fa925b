//! External joins, staged until the relay admits this member to the epoch that they begin.
//!
//! The hashes and group information that a join brings the relay are chosen by the newcomer, and
//! members cannot check them: with a false member hash the relay admits no member to the next epoch,
//! though the join is valid. A member that merged it would have erased the keys by which the room can
//! go on. So the next epoch is proven first, and the join is merged when the relay admits this member.

use super::{Machine, machine::Phase, rollback::RejectReason};
use crate::{
    id::{Epoch, Seq},
    secret::Token,
    session::{Session, StagedJoin},
    time::Timestamp,
    wire::{EntryKind, SETTLES},
};

/// A join that this guest would follow, and its place. Boxed, so that nothing of it stays in the
/// machine when it is gone: what is moved takes along whatever stood where it has no value.
pub(super) struct Staged {
    seq: Seq,
    /// When the relay accepted it.
    accepted: Timestamp,
    join: StagedJoin,
}

impl Machine {
    /// The join at `seq` is lawful: asks the relay for the epoch that it begins. Until the answer
    /// is there, the log is not followed any further.
    pub(super) fn stage(
        &mut self,
        now: Timestamp,
        seq: Seq,
        accepted: Timestamp,
        join: StagedJoin,
    ) {
        if join.member_token().is_none() || self.link.as_owner >= Some(join.epoch()) {
            return self.merge(now, seq, join);
        }
        self.staged = Some(Box::new(Staged { seq, accepted, join }));
        self.link.synced = false;
        self.enter();
    }

    /// The epoch to be proven to the relay: the session's, the one that a staged join begins, or
    /// the one that the owner is on the way to.
    pub(super) fn epoch_to_prove(&self) -> Option<Epoch> {
        let staged = self.staged.as_ref().map(|staged| staged.join.epoch());
        staged.or_else(|| {
            let epoch = self.session().map(Session::epoch)?;
            Some(self.link.as_owner.map_or(epoch, |as_owner| as_owner.max(epoch)))
        })
    }

    /// What proves that epoch. The owner's own token where the member token did not do.
    pub(super) fn token_to_prove(&self) -> Option<Token> {
        if let Some(staged) = &self.staged {
            return staged.join.member_token().cloned();
        }
        let session = self.session()?;
        if self.link.as_owner >= Some(session.epoch()) {
            return session.owner_token().ok().flatten();
        }
        session.member_token().ok().cloned()
    }

    /// The relay has admitted this guest to the epoch of the staged join. False when there is none.
    pub(super) fn follow_staged(&mut self, now: Timestamp) -> bool {
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
                self.on_epoch_change(now, applied, false);
            }
            Err(_) => self.rejoin(now),
        }
    }

    /// The relay does not admit this guest to the epoch of the staged join: it is not followed.
    /// False when there was none.
    pub(super) fn on_staged_not_admitted(&mut self, now: Timestamp) -> bool {
        let Some(staged) = self.staged.take() else {
            return false;
        };
        let Staged { seq, accepted, join } = *staged;
        if self.is_rejected_at(seq) {
            self.resync(now, None);
        } else {
            let is_last = self.link.current == Some(join.epoch());
            let passed = !is_last && now >= accepted.saturating_add(SETTLES);
            let flaw = RejectReason::NotAdmitted { passed };
            self.on_rejected(now, (seq, EntryKind::Join), None, flaw);
        }
        true
    }

    /// Whether the staged join stood at `seq` or after it. It is dropped then: it was taken back.
    pub(super) fn on_staged_taken_back(&mut self, seq: Seq) -> bool {
        self.staged.take_if(|staged| staged.seq >= seq).is_some()
    }

    /// Drops a staged join, which is to be read again.
    pub(super) fn unstage(&mut self) {
        if let Some(staged) = self.staged.take() {
            self.log.start_after(staged.seq.before());
        }
    }
}
