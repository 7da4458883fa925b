//! A commit or join that the rules forbid leaves the relay in an epoch that no honest member is
//! in. A join is taken back by any member, once no member can have accepted it; a commit by the
//! owner. Until then nothing can be said.

use std::{collections::VecDeque, ops::RangeInclusive, time::Duration};

use super::{
    Ended, Machine, RoomEvent, Trouble,
    machine::{PendingRequest, Phase},
    outbox::Job,
};
use crate::{
    id::{Epoch, MemberId, Seq},
    session::{Change, MemberKey, Session},
    time::Timestamp,
    wire::{EntryKind, Refusal, Reply, Request, SETTLES},
};

/// So many joins that were no joins, within this time, and the owner's client replaces the link by
/// which they came.
const JUNK_JOINS: usize = 3;
const JUNK_WITHIN: Duration = Duration::from_secs(600);
/// How often in a row an owner who is not admitted asks at once for the current epoch, while commits
/// or joins move the room on. After that it backs off.
const MAX_OWNER_ADVANCES: u32 = 8;
/// A commit that was to put right what the relay was told, and was refused or overtaken, is made
/// again after this: before the joins that it settles can be taken back.
const CORRECT_HASHES_RETRY: Duration = Duration::from_secs(2);
const _: () = assert!(CORRECT_HASHES_RETRY.as_secs() < SETTLES.as_secs());
/// Members ask within this of each other, so that as a rule one does.
const SPREAD: u64 = 1_000;

/// Where the log went on without the honest members.
pub(super) struct Rejected {
    seq: Seq,
    by: Option<MemberKey>,
    kind: EntryKind,
    flaw: RejectReason,
    /// The relay did not know what was to be taken back.
    unknown: bool,
    /// The relay has a false hash of this guest's epoch, and so can be told by the owner alone.
    needs_owner: bool,
    /// When this guest asks, as a member, to have it taken back.
    take_back_at: Option<Timestamp>,
}

/// Why this guest does not follow a commit or join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RejectReason {
    /// The rules forbid it: every member refuses it alike.
    Unlawful,
    /// Its path does not decrypt for this member. Others may have followed it.
    Garbled,
    /// The relay does not admit members to the epoch that it begins.
    NotAdmitted {
        /// Others may have gone past it, through the door.
        passed: bool,
    },
}

impl Rejected {
    /// Whether the owner takes it back at once. A join that only some can follow is settled by
    /// them, and then this guest goes back to the door.
    fn is_for_the_owner(&self) -> bool {
        match self.flaw {
            _ if self.needs_owner => true,
            RejectReason::Unlawful => true,
            RejectReason::Garbled => self.kind != EntryKind::Join,
            RejectReason::NotAdmitted { passed } => !passed,
        }
    }
}

/// When joins that were no joins were taken back.
#[derive(Debug, Default)]
pub(super) struct JunkJoins(VecDeque<Timestamp>);

impl JunkJoins {
    /// One more; true when there were too many.
    fn count(&mut self, now: Timestamp) -> bool {
        self.0.retain(|at| at.saturating_add(JUNK_WITHIN) > now);
        self.0.push_back(now);
        let many = self.0.len() >= JUNK_JOINS;
        if many {
            self.0.clear();
        }
        many
    }
}

impl Machine {
    /// The entry at `seq` is a commit or join that this guest does not accept, or a copy of one
    /// that the relay altered. Until it is gone, it is looked at again from time to time.
    pub(super) fn on_rejected(
        &mut self,
        now: Timestamp,
        (seq, kind): (Seq, EntryKind),
        by: Option<MemberId>,
        flaw: RejectReason,
    ) {
        if self.is_rejected_at(seq) {
            return;
        }
        let key = by.and_then(|by| self.session()?.member(by).map(|member| member.key));
        let (unknown, needs_owner, take_back_at) = (false, false, None);
        self.rejected =
            Some(Rejected { seq, by: key, kind, flaw, unknown, needs_owner, take_back_at });
        self.log.count_unreadable();
        self.emit(RoomEvent::Trouble(Trouble::Broken { by }));
        self.retry_void(now);
        self.resync(now, None);
    }

    /// Whether it is the entry at `seq` that broke the room.
    pub(super) fn is_rejected_at(&self, seq: Seq) -> bool {
        self.rejected.as_ref().is_some_and(|broken| broken.seq == seq)
    }

    /// Has what broke the room read again, and what came after it.
    pub(super) fn look_again(&mut self) {
        if let Some(Rejected { seq, .. }) = &self.rejected {
            self.log.start_after(seq.before());
        }
    }

    /// The place of what broke the room.
    pub(super) fn rejected_at(&self) -> Option<Seq> {
        self.rejected.as_ref().map(|broken| broken.seq)
    }

    /// Takes back what broke the room: at once if this guest is the owner, and a join in a while
    /// if not.
    pub(super) fn retry_void(&mut self, now: Timestamp) {
        let wait = SETTLES + Duration::from_millis(100 + self.random_below(SPREAD));
        let (Some(broken), Phase::Inside(session)) = (&mut self.rejected, &self.phase) else {
            return;
        };
        let owner = session.owner_token().ok().flatten().filter(|_| broken.is_for_the_owner());
        let Some(token) = owner else {
            if broken.kind == EntryKind::Join {
                broken.take_back_at.get_or_insert(now.saturating_add(wait));
            }
            return;
        };
        let seq = broken.seq;
        if let Ok(restored) = session.restored(&mut self.rng) {
            let request = Request::Void { address: self.address, token, seq, restored };
            self.send_request(PendingRequest::Void, request);
        }
    }

    /// When this guest asks to have a join taken back.
    pub(super) fn take_back_at(&self) -> Option<Timestamp> {
        // First the answer that may admit this guest after all.
        let broken = self.rejected.as_ref().filter(|_| self.link.up && self.staged.is_none());
        broken.and_then(|broken| broken.take_back_at)
    }

    /// Asks to have a join taken back, when it is time.
    pub(super) fn take_back_when_due(&mut self, now: Timestamp) {
        if self.take_back_at().is_none_or(|at| at > now) {
            return;
        }
        // The relay hears this of those who have proven the epoch that is to go on.
        self.link.retry_at = None;
        self.enter();
        let (Some(broken), Phase::Inside(session)) = (&mut self.rejected, &self.phase) else {
            return;
        };
        broken.take_back_at = None;
        let seq = broken.seq;
        if let (Ok(token), Ok(restored)) = (session.member_token(), session.restored(&mut self.rng))
        {
            let token = token.clone();
            let request = Request::Void { address: self.address, token, seq, restored };
            self.send_request(PendingRequest::TakeBack, request);
        }
    }

    pub(super) fn on_void_reply(&mut self, now: Timestamp, result: &Result<Reply, Refusal>) {
        let Some(broken) = &mut self.rejected else { return };
        match result {
            Ok(_) => {}
            // As a rule a member was faster, and this guest is about to hear of it.
            Err(Refusal::StaleEpoch { .. }) if broken.unknown => self.rejoin(now),
            Err(refusal) => {
                broken.unknown |= matches!(refusal, Refusal::StaleEpoch { .. });
                self.resync(now, None);
            }
        }
    }

    /// The answer to a member's wish to have a join taken back.
    pub(super) fn on_take_back_reply(&mut self, now: Timestamp, result: &Result<Reply, Refusal>) {
        let wait = Duration::from_millis(self.random_below(SPREAD));
        let Some(broken) = &mut self.rejected else {
            return;
        };
        match result {
            Err(Refusal::Busy { retry_after }) => {
                let retry_after = Duration::from_millis(u64::from(*retry_after));
                broken.take_back_at = Some(now.saturating_add(retry_after + wait));
            }
            // Members have accepted it: the room has gone on without this guest.
            Err(Refusal::Unlawful) if broken.flaw == RejectReason::Garbled => self.rejoin(now),
            // A member has kept it, who works together with its sender: it stands for good.
            Err(Refusal::Unlawful) if broken.flaw != RejectReason::Unlawful => {
                self.on_not_admitted(now)
            }
            // As a rule another member was faster, and this guest is about to hear of it.
            Err(Refusal::StaleEpoch { .. })
                if broken.flaw != RejectReason::Unlawful && broken.unknown =>
            {
                self.rejoin(now);
            }
            Err(Refusal::StaleEpoch { .. }) => {
                broken.unknown = true;
                self.resync(now, None);
            }
            // The owner has come here without having proven this epoch. Others may have gone on from
            // what comes last no more than this guest has.
            Err(Refusal::NotAdmitted) if self.link.as_owner.is_some() => {
                let next = self.session().map(|session| session.epoch().next());
                if self.link.current != next {
                    return self.rejoin(now);
                }
                if let Some(broken) = &mut self.rejected {
                    broken.needs_owner = true;
                }
                self.retry_void(now);
            }
            Ok(_) => {
                self.link.attempts = 0;
                self.resync(now, None);
            }
            Err(_) => self.resync(now, None),
        }
    }

    /// The relay took back the entry at `seq`; the room goes on in `epoch`.
    pub(super) fn on_voided(&mut self, now: Timestamp, seq: Seq, epoch: Epoch) {
        self.log.voided(seq);
        let was_staged = self.on_staged_taken_back(seq);
        let Some(current) = self.session().map(Session::epoch) else {
            return;
        };
        match &self.rejected {
            Some(broken) if broken.seq == seq && epoch == current => {
                self.resume_after_rollback(now)
            }
            // The epoch that it began was not proven yet.
            _ if was_staged && epoch == current => self.resume_after_rollback(now),
            // An entry that was valid to this guest is gone, and the keys before it are erased.
            _ if seq <= self.log.cursor() && epoch < current => self.on_taken_back(now, seq, epoch),
            _ if was_staged => self.on_inconsistency(now),
            // The epoch that the owner is on the way to.
            _ if self.link.as_owner > Some(epoch) => {
                self.link.admitted = false;
                self.on_not_admitted(now);
            }
            _ => {}
        }
    }

    /// The entry at `seq`, which this guest has followed or is, was taken back. Members may do
    /// that to a join while nothing but newcomers has come of it; anything else would undo what
    /// members have done since, as the removal of one.
    fn on_taken_back(&mut self, now: Timestamp, seq: Seq, epoch: Epoch) {
        let Some(undone) = self.epoch_history.since(seq) else {
            return self.end(Ended::DishonestRelay);
        };
        if self.epoch_history.is_own_join(seq) {
            if self.epoch_history.again() {
                return self.end(Ended::NotLetIn(super::JoinFailure::TakenBack));
            }
            self.rejoin(now);
            self.left_in = Some(epoch);
        } else if let Some(context) = undone {
            // The owner knows of a member who told the relay false hashes, and may have begun another
            // epoch already.
            let any_door = self.correct_hashes_at.is_some();
            self.rejoin(now);
            self.left_in = Some(epoch);
            self.only_door = (!any_door).then_some((epoch, context));
        } else {
            self.end(Ended::DishonestRelay);
        }
    }

    /// The log has nothing at these places. What broke the room was kept if it stood there still, so
    /// it was taken back while this guest was not told. Another commit may have followed at once:
    /// then the relay is never seen in this guest's epoch again.
    pub(super) fn on_voided_unseen(&mut self, now: Timestamp, seqs: &RangeInclusive<Seq>) {
        if self.rejected.as_ref().is_some_and(|broken| seqs.contains(&broken.seq)) {
            self.resume_after_rollback(now);
        }
    }

    /// What broke the room was taken back: this guest's epoch goes on, and is proven again.
    fn resume_after_rollback(&mut self, now: Timestamp) {
        self.on_rolled_back(now);
        self.link.behind = false;
        self.link.attempts = 0;
        self.link.owner_is_done();
        self.link.entering = None;
        self.link.retry_at = None;
        self.outbox.not_stale();
        self.enter();
    }

    /// The relay is in this guest's epoch, or the entry opens after all: what broke the room is
    /// gone.
    pub(super) fn on_rolled_back(&mut self, now: Timestamp) {
        let Some(Rejected { by, kind, .. }) = self.rejected.take() else {
            return;
        };
        self.emit(RoomEvent::Recovered);
        let owner =
            self.session().is_some_and(|session| matches!(session.owner_token(), Ok(Some(_))));
        if !owner {
            return;
        }
        if let Some(by) = by {
            // The member who broke the room would do it again before they could be removed by hand.
            self.outbox.push_first(Job::Change(None, Change::Remove(by)));
        } else if kind == EntryKind::Join && self.junk_joins.count(now) {
            self.outbox.push_first(Job::Change(None, Change::ReplaceInvite));
        }
    }

    /// The token that was shown does not admit this guest. A commit may have brought the relay a
    /// false hash: then the owner's own token admits the owner to the epoch that the room is in, and
    /// everybody else comes back in through the door.
    pub(super) fn on_not_admitted(&mut self, now: Timestamp) {
        let Phase::Inside(session) = &self.phase else { return };
        // All that came about since is still in the log, with a margin.
        let kept =
            self.in_sync_at.saturating_add(session.settings().policy.handshakes.lifetime() / 2);
        let may = now < kept && self.may_go_as_owner(now);
        let owner = session.owner_token().ok().flatten().filter(|_| may);
        let (Some(token), Ok(restored)) = (owner, session.restored(&mut self.rng)) else {
            return self.rejoin(now);
        };
        self.correct_hashes_at.get_or_insert(now);
        self.owner_advances += 1;
        if self.owner_advances > MAX_OWNER_ADVANCES {
            self.owner_advances = 0;
            return self.resync(now, None);
        }
        self.link.synced = false;
        self.link.retry_at = None;
        // Nothing stands there to be taken back, and the refusal tells which epoch the room is in.
        let nothing = Seq::START;
        let request = Request::Void { address: self.address, token, seq: nothing, restored };
        self.send_request(PendingRequest::CurrentEpoch, request);
    }

    /// Whether a commit over a connection that shows the owner token settles only joins that this
    /// guest has read: those after the own one.
    fn may_go_as_owner(&self, now: Timestamp) -> bool {
        let kept = self.session().map(|session| session.settings().policy.handshakes.lifetime());
        self.link.joined_here
            || kept.is_none_or(|kept| !self.epoch_history.joined_within(kept, now))
    }

    /// The epoch that the room is in, which the owner enters by the own token.
    pub(super) fn on_current_epoch(&mut self, now: Timestamp, result: &Result<Reply, Refusal>) {
        let Some(epoch) = self.session().map(Session::epoch) else { return };
        match result {
            Err(Refusal::StaleEpoch { current })
                if *current >= epoch && self.link.in_vain != Some(*current) =>
            {
                self.unstage();
                self.link.goes_as_owner(Some(*current));
                self.enter();
            }
            Err(Refusal::StaleEpoch { .. } | Refusal::NotAdmitted) => self.rejoin(now),
            Err(refusal) => self.resync(now, refusal.retry_after()),
            Ok(_) => self.on_inconsistency(now),
        }
    }

    /// The owner was admitted by the owner token only: an own commit replaces the hashes at the relay,
    /// so that members are admitted again. One that is overtaken is made again.
    pub(super) fn correct_hashes(&mut self, now: Timestamp) {
        let due = self.correct_hashes_at.is_some_and(|at| at <= now);
        if !due || !self.may_act() || self.outbox.has_refresh() {
            return;
        }
        if !self.link.is_owners && !self.may_go_as_owner(now) {
            return self.rejoin(now);
        }
        if !self.link.is_owners {
            // Only over a connection that has shown the owner token a commit settles joins.
            self.link.goes_as_owner(self.session().map(Session::epoch));
            self.link.synced = false;
            return self.enter();
        }
        self.correct_hashes_at = Some(now.saturating_add(CORRECT_HASHES_RETRY));
        self.outbox.push_first(Job::Change(None, Change::Refresh));
    }
}
