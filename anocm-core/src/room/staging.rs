//! Joins of others, staged until the relay has admitted this guest to the epoch that they begin.
//!
//! What a join tells the relay of the next epoch is the newcomer's word, and no member can check
//! it: with a false member hash nobody is admitted to an epoch that is lawful in all else. A guest
//! who had followed such a join would have erased the keys by which the room can go on. So the next
//! epoch is proven first, and the join merged only when the relay has admitted this guest.

use super::{Machine, machine::Phase, repair::Flaw};
use crate::{
    id::{Epoch, Seq},
    secret::Token,
    session::{Session, StagedJoin},
    time::Timestamp,
    wire::EntryKind,
};

/// A join that this guest would follow, and its place.
pub(super) struct Staged {
    seq: Seq,
    join: StagedJoin,
}

impl Machine {
    /// The join at `seq` is lawful: asks the relay for the epoch that it begins. Until the answer
    /// is there, the log is not followed any further.
    pub(super) fn stage(&mut self, now: Timestamp, seq: Seq, join: StagedJoin) {
        if join.member_token().is_none() {
            return self.merge(now, seq, join);
        }
        self.staged = Some(Staged { seq, join });
        self.link.synced = false;
        self.enter();
    }

    /// The epoch to be proven to the relay: the session's, or the one that a staged join begins.
    pub(super) fn epoch_to_prove(&self) -> Option<Epoch> {
        let staged = self.staged.as_ref().map(|staged| staged.join.epoch());
        staged.or_else(|| self.session().map(Session::epoch))
    }

    /// What proves that epoch. The owner's own token where the member token did not do.
    pub(super) fn token_to_prove(&self) -> Option<Token> {
        let session = self.session()?;
        if self.link.as_owner.is_some() && self.link.as_owner == self.epoch_to_prove() {
            return session.owner_token().ok().flatten();
        }
        match &self.staged {
            Some(staged) => staged.join.member_token().cloned(),
            None => session.member_token().ok().cloned(),
        }
    }

    /// The relay has admitted this guest to the epoch of the staged join. False when there is none.
    pub(super) fn follow_staged(&mut self, now: Timestamp) -> bool {
        let Some(Staged { seq, join }) = self.staged.take() else {
            return false;
        };
        self.merge(now, seq, join);
        true
    }

    fn merge(&mut self, now: Timestamp, seq: Seq, join: StagedJoin) {
        let Phase::Inside(session) = &mut self.phase else {
            return;
        };
        let context = session.context();
        match session.merge_join(join) {
            Ok(applied) => {
                self.repaired(now);
                self.followed(seq, &applied, context);
                self.applied(now, applied, false);
            }
            Err(_) => self.forbidden(now, (seq, EntryKind::Join), None, Flaw::Unlawful),
        }
    }

    /// The relay does not admit this guest to the epoch of the staged join: it is not followed.
    /// False when there was none.
    pub(super) fn staged_not_admitted(&mut self, now: Timestamp) -> bool {
        let Some(Staged { seq, join }) = self.staged.take() else {
            return false;
        };
        if self.link.as_owner == Some(join.epoch()) {
            // Not even by the owner token: the room has gone on without this guest.
            self.rejoin(now);
        } else if self.is_broken_at(seq) {
            self.out_of_step(now, None);
        } else {
            self.forbidden(now, (seq, EntryKind::Join), None, Flaw::NotAdmitted);
        }
        true
    }

    /// Whether the staged join stood at `seq` or after it. It is dropped then: it was taken back.
    pub(super) fn staged_taken_back(&mut self, seq: Seq) -> bool {
        self.staged.take_if(|staged| staged.seq >= seq).is_some()
    }

    /// Drops a staged join, which is to be read again.
    pub(super) fn unstage(&mut self) {
        if let Some(staged) = self.staged.take() {
            self.log.start_after(staged.seq.before());
        }
    }
}
