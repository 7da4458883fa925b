//! A commit that the rules forbid leaves the relay in an epoch nobody honest is in. The owner
//! takes it back; until then nothing can be said.

use super::{
    Ended, Machine, RoomEvent, Trouble,
    machine::{Asked, Phase},
    outbox::Job,
};
use crate::{
    id::{Epoch, MemberId, Seq},
    session::Change,
    time::Timestamp,
    wire::{Refusal, Reply, Request},
};

/// Where the log went on without the honest members.
pub(super) struct Broken {
    seq: Seq,
    by: Option<MemberId>,
}

impl Machine {
    /// The entry at `seq` is a commit or join that no member accepts, or a copy of one that the
    /// relay altered. Until it is gone, it is looked at again from time to time.
    pub(super) fn forbidden(&mut self, now: Timestamp, seq: Seq, by: Option<MemberId>) {
        if self.is_broken_at(seq) {
            return;
        }
        self.broken = Some(Broken { seq, by });
        self.log.count_unreadable();
        self.tell(RoomEvent::Trouble(Trouble::Broken { by }));
        self.void_again();
        self.out_of_step(now, None);
    }

    /// Whether it is the entry at `seq` that broke the room.
    pub(super) fn is_broken_at(&self, seq: Seq) -> bool {
        self.broken.as_ref().is_some_and(|broken| broken.seq == seq)
    }

    /// Has what broke the room read again, and what came after it.
    pub(super) fn look_again(&mut self) {
        if let Some(Broken { seq, .. }) = &self.broken {
            self.log.start_after(seq.before());
        }
    }

    /// Takes the forbidden commit back, if this guest is the owner.
    pub(super) fn void_again(&mut self) {
        let (Some(Broken { seq, .. }), Phase::Inside(session)) = (&self.broken, &self.phase) else {
            return;
        };
        let (seq, owner) = (*seq, session.owner_token().ok().flatten());
        if let (Some(owner), Ok(restored)) = (owner, session.restored(&mut self.rng)) {
            let request = Request::Void { address: self.address, owner, seq, restored };
            self.ask(Asked::Void, request);
        }
    }

    pub(super) fn void_answered(&mut self, now: Timestamp, result: &Result<Reply, Refusal>) {
        if self.broken.is_some() && result.is_err() {
            self.out_of_step(now, None);
        }
    }

    /// The relay took back the entry at `seq`; the room goes on in `epoch`.
    pub(super) fn voided(&mut self, seq: Seq, epoch: Epoch) {
        self.log.voided(seq);
        let Some(current) = self.session().map(crate::session::Session::epoch) else {
            return;
        };
        match &self.broken {
            Some(broken) if broken.seq == seq && epoch == current => {
                self.repaired();
                self.link.entering = None;
                self.link.retry_at = None;
                self.outbox.not_stale();
                self.enter();
            }
            // An entry that was valid to this guest is gone, and the keys before it are erased.
            _ if seq <= self.log.cursor() && epoch < current => self.end(Ended::DishonestRelay),
            _ => {}
        }
    }

    /// The relay is in this guest's epoch, or the entry opens after all: what broke the room is
    /// gone.
    pub(super) fn repaired(&mut self) {
        let Some(Broken { by, .. }) = self.broken.take() else {
            return;
        };
        self.tell(RoomEvent::Recovered);
        // Whoever broke the room would do it again before anybody could remove them by hand.
        let owner =
            self.session().is_some_and(|session| matches!(session.owner_token(), Ok(Some(_))));
        if let (Some(by), true) = (by, owner) {
            self.outbox.push_first(Job::Change(None, Change::Remove(by)));
        }
    }

    /// The member token of `epoch` does not admit this guest. A commit may have brought the relay a
    /// false hash: then the owner's own token admits the owner, and everybody else comes back in
    /// through the door.
    pub(super) fn not_admitted(&mut self, now: Timestamp, epoch: Epoch) {
        let owner = self.session().and_then(|session| session.owner_token().ok().flatten());
        if owner.is_none() || self.link.as_owner == Some(epoch) {
            return self.rejoin(now);
        }
        self.link.as_owner = Some(epoch);
        self.link.entering = None;
        self.enter();
    }

    /// The owner was admitted by their own token only: a commit replaces the hashes, so that the
    /// others get in again.
    pub(super) fn put_hashes_right(&mut self, epoch: Epoch) {
        if self.link.as_owner == Some(epoch) {
            self.outbox.push_first(Job::Change(None, Change::Refresh));
        }
    }
}
