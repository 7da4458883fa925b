//! Rollback of rejected commits and joins. A commit or join that the rules forbid moves the relay
//! to an epoch that no honest member is in. Any member may have a join voided, once no member can
//! have accepted it; only the owner may void a commit. Until then nothing can be sent.

use std::{collections::VecDeque, ops::RangeInclusive, time::Duration};

use crate::room::{
    Ended, Machine, RoomEvent, Trouble, context::PendingRequest, phase::Phase, sending::outbox::Job,
};
use crate::{
    id::{Epoch, MemberId, Seq},
    session::{Change, MemberKey, Session},
    time::Timestamp,
    wire::{EntryKind, Refusal, Reply, Request, SETTLES},
};

/// After this many voided invalid joins within `JUNK_WITHIN`, the owner's client replaces the
/// invite through which they came.
const JUNK_JOINS: usize = 3;
const JUNK_WITHIN: Duration = Duration::from_secs(600);
/// How often in a row an owner that is not admitted requests the current epoch without delay, while
/// commits or joins advance the room. After that it backs off.
const MAX_OWNER_ADVANCES: u32 = 8;
/// Delay before an owner's commit that was to correct the relay's hashes, and was refused or
/// overtaken, is made again. Shorter than `SETTLES`: before the joins that it settles can be
/// voided.
const CORRECT_HASHES_RETRY: Duration = Duration::from_secs(2);
const _: () = assert!(CORRECT_HASHES_RETRY.as_secs() < SETTLES.as_secs());
/// Members spread their requests over this many milliseconds, so that usually only one is made.
const SPREAD: u64 = 1_000;

/// The entry at which the log continued without the honest members.
pub(crate) struct Rejected {
    seq: Seq,
    by: Option<MemberKey>,
    kind: EntryKind,
    flaw: RejectReason,
    /// The relay did not know the entry that was to be voided.
    unknown: bool,
    /// The relay has a false hash of this guest's epoch, and so accepts the request from the owner
    /// only.
    needs_owner: bool,
    /// When this guest requests, as a member, that the entry be voided.
    take_back_at: Option<Timestamp>,
}

/// Why this guest does not apply a commit or join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RejectReason {
    /// The rules forbid it: every member rejects it.
    Unlawful,
    /// Its path does not decrypt for this member. Other members may have applied it.
    Garbled,
    /// The relay does not admit members to the epoch that it begins.
    NotAdmitted {
        /// Other members may have passed it by an external join.
        passed: bool,
    },
}

impl Rejected {
    /// Whether the owner voids it at once. A join that only some members can apply is settled by
    /// those members; this guest then rejoins through the door.
    fn is_for_the_owner(&self) -> bool {
        match self.flaw {
            _ if self.needs_owner => true,
            RejectReason::Unlawful => true,
            RejectReason::Garbled => self.kind != EntryKind::Join,
            RejectReason::NotAdmitted { passed } => !passed,
        }
    }
}

/// Times at which invalid joins were voided.
#[derive(Debug, Default)]
pub(crate) struct JunkJoins(VecDeque<Timestamp>);

impl JunkJoins {
    /// Counts one more. Returns true at `JUNK_JOINS` within `JUNK_WITHIN`.
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
    /// Records that the entry at `seq` is a commit or join that this guest rejects, or a copy that
    /// the relay altered. Until it is voided, the entry is read again from time to time.
    pub(crate) fn on_rejected(
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
        self.cx.emit(RoomEvent::Trouble(Trouble::Broken { by }));
        self.retry_void(now);
        self.resync(None);
    }

    /// Whether the rejected entry is the one at `seq`.
    pub(crate) fn is_rejected_at(&self, seq: Seq) -> bool {
        self.rejected.as_ref().is_some_and(|broken| broken.seq == seq)
    }

    /// Moves the log cursor back, so that the rejected entry and those after it are read again.
    pub(crate) fn look_again(&mut self) {
        if let Some(Rejected { seq, .. }) = &self.rejected {
            self.log.start_after(seq.before());
        }
    }

    /// Returns the sequence number of the rejected entry.
    pub(crate) fn rejected_at(&self) -> Option<Seq> {
        self.rejected.as_ref().map(|broken| broken.seq)
    }

    /// Requests that the rejected entry be voided: at once if this guest is the owner; otherwise,
    /// for a join, schedules the request.
    pub(crate) fn retry_void(&mut self, now: Timestamp) {
        let wait = SETTLES + Duration::from_millis(100 + self.cx.random_below(SPREAD));
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
        if let Ok(restored) = session.restored(&mut self.cx.rng) {
            let request = Request::Void { address: self.cx.address, token, seq, restored };
            self.cx.send_request(PendingRequest::Void, request);
        }
    }

    /// Returns when this guest requests that a join be voided.
    pub(crate) fn take_back_at(&self) -> Option<Timestamp> {
        // A reply that may still admit this guest comes first.
        let broken = self.rejected.as_ref().filter(|_| self.cx.link.up && self.staged.is_none());
        broken.and_then(|broken| broken.take_back_at)
    }

    /// Requests that a rejected join be voided.
    pub(crate) fn take_back(&mut self) {
        // The relay accepts this only from a member that has proven the epoch that is to continue.
        self.cx.link.retry_at = None;
        self.enter();
        let (Some(broken), Phase::Inside(session)) = (&mut self.rejected, &self.phase) else {
            return;
        };
        broken.take_back_at = None;
        let seq = broken.seq;
        if let (Ok(token), Ok(restored)) =
            (session.member_token(), session.restored(&mut self.cx.rng))
        {
            let token = token.clone();
            let request = Request::Void { address: self.cx.address, token, seq, restored };
            self.cx.send_request(PendingRequest::TakeBack, request);
        }
    }

    pub(crate) fn on_void_reply(&mut self, now: Timestamp, result: &Result<Reply, Refusal>) {
        let Some(broken) = &mut self.rejected else { return };
        match result {
            Ok(_) => {}
            // Usually another member was faster, and the `Voided` event is in flight.
            Err(Refusal::StaleEpoch { .. }) if broken.unknown => self.rejoin(now),
            Err(refusal) => {
                broken.unknown |= matches!(refusal, Refusal::StaleEpoch { .. });
                self.resync(None);
            }
        }
    }

    /// Handles the reply to a member's request to void a join.
    pub(crate) fn on_take_back_reply(&mut self, now: Timestamp, result: &Result<Reply, Refusal>) {
        let wait = self.cx.random_millis(SPREAD);
        let Some(broken) = &mut self.rejected else {
            return;
        };
        match result {
            Err(Refusal::Busy { retry_after }) => {
                let retry_after = Duration::from_millis(u64::from(*retry_after));
                broken.take_back_at = Some(now.saturating_add(retry_after + wait));
            }
            // Members have accepted the join: the room has moved on without this guest.
            Err(Refusal::Unlawful) if broken.flaw == RejectReason::Garbled => self.rejoin(now),
            // A member that colludes with the author of the join has kept it: it cannot be voided
            // any more.
            Err(Refusal::Unlawful) if broken.flaw != RejectReason::Unlawful => {
                self.on_not_admitted(now)
            }
            // Usually another member was faster, and the `Voided` event is in flight.
            Err(Refusal::StaleEpoch { .. })
                if broken.flaw != RejectReason::Unlawful && broken.unknown =>
            {
                self.rejoin(now);
            }
            Err(Refusal::StaleEpoch { .. }) => {
                broken.unknown = true;
                self.resync(None);
            }
            // The owner got here without having proven this epoch. If the room is just one epoch
            // ahead, other members may not have moved on past the rejected entry either.
            Err(Refusal::NotAdmitted) if self.progress.as_owner.is_some() => {
                let next = self.session().map(|session| session.epoch().next());
                if self.progress.current != next {
                    return self.rejoin(now);
                }
                if let Some(broken) = &mut self.rejected {
                    broken.needs_owner = true;
                }
                self.retry_void(now);
            }
            Ok(_) => {
                self.cx.link.attempts = 0;
                self.resync(None);
            }
            Err(_) => self.resync(None),
        }
    }

    /// Handles the void of the entry at `seq`; the room continues in `epoch`.
    pub(crate) fn on_voided(&mut self, now: Timestamp, seq: Seq, epoch: Epoch) {
        self.log.voided(seq);
        let was_staged = self.on_staged_taken_back(seq);
        let Some(current) = self.session().map(Session::epoch) else {
            return;
        };
        match &self.rejected {
            Some(broken) if broken.seq == seq && epoch == current => {
                self.resume_after_rollback(now)
            }
            // The epoch that the staged join began was not proven yet.
            _ if was_staged && epoch == current => self.resume_after_rollback(now),
            // An entry that this guest had accepted is gone, and the keys of the epoch before it
            // are erased.
            _ if seq <= self.log.cursor() && epoch < current => self.on_taken_back(now, seq, epoch),
            _ if was_staged => self.on_inconsistency(),
            // The epoch that the owner is about to enter with the owner token.
            _ if self.progress.as_owner > Some(epoch) => {
                self.progress.admitted = false;
                self.on_not_admitted(now);
            }
            _ => {}
        }
    }

    /// Handles the void of the entry at `seq`, which this guest has applied or which is its own
    /// join. Members may void a join while only newcomers have acted on it. Anything else would
    /// undo what members have done since, such as a removal.
    fn on_taken_back(&mut self, now: Timestamp, seq: Seq, epoch: Epoch) {
        let Some(undone) = self.epoch_history.since(seq) else {
            return self.end(Ended::DishonestRelay);
        };
        if self.epoch_history.is_own_join(seq) {
            if self.epoch_history.again() {
                return self.end(Ended::NotLetIn(crate::room::JoinFailure::TakenBack));
            }
            self.rejoin(now);
            self.left_in = Some(epoch);
        } else if let Some(context) = undone {
            // The owner knows of a member that gave the relay false hashes, and may have begun
            // another epoch already.
            let any_door = self.correct_hashes_at.is_some();
            self.rejoin(now);
            self.left_in = Some(epoch);
            self.only_door = (!any_door).then_some((epoch, context));
        } else {
            self.end(Ended::DishonestRelay);
        }
    }

    /// Handles empty sequence numbers in the log. If the rejected entry was among them, it was
    /// voided without this guest receiving the event, since the relay keeps such entries. Another
    /// commit may have followed at once: then the relay is never seen in this guest's epoch again.
    pub(crate) fn on_voided_unseen(&mut self, now: Timestamp, seqs: &RangeInclusive<Seq>) {
        if self.rejected.as_ref().is_some_and(|broken| seqs.contains(&broken.seq)) {
            self.resume_after_rollback(now);
        }
    }

    /// Resumes after the void of the rejected entry: this guest's epoch continues and is proven
    /// again.
    fn resume_after_rollback(&mut self, now: Timestamp) {
        self.on_rolled_back(now);
        self.progress.behind = false;
        self.cx.link.attempts = 0;
        self.progress.owner_is_done();
        self.progress.entering = None;
        self.cx.link.retry_at = None;
        self.outbox.not_stale();
        self.enter();
    }

    /// Clears the rejected entry: the relay is in this guest's epoch, or the entry can be applied
    /// after all.
    pub(crate) fn on_rolled_back(&mut self, now: Timestamp) {
        let Some(Rejected { by, kind, .. }) = self.rejected.take() else {
            return;
        };
        self.cx.emit(RoomEvent::Recovered);
        let owner =
            self.session().is_some_and(|session| matches!(session.owner_token(), Ok(Some(_))));
        if !owner {
            return;
        }
        if let Some(by) = by {
            // The member could do it again before it is removed by hand.
            self.outbox.push_first(Job::Change(None, Change::Remove(by)));
        } else if kind == EntryKind::Join && self.junk_joins.count(now) {
            self.outbox.push_first(Job::Change(None, Change::ReplaceInvite));
        }
    }

    /// Handles a refused token. A commit may have brought the relay a false hash: then the owner
    /// token still admits the owner to the current epoch, and all other members rejoin through the
    /// door.
    pub(crate) fn on_not_admitted(&mut self, now: Timestamp) {
        let Phase::Inside(session) = &self.phase else { return };
        // Every entry since then is still in the log, with a margin.
        let kept =
            self.in_sync_at.saturating_add(session.settings().policy.handshakes.lifetime() / 2);
        let owner = session.owner_token().ok().flatten().filter(|_| now < kept);
        let (Some(token), Ok(restored)) = (owner, session.restored(&mut self.cx.rng)) else {
            return self.rejoin(now);
        };
        self.correct_hashes_at.get_or_insert(now);
        self.owner_advances += 1;
        if self.owner_advances > MAX_OWNER_ADVANCES {
            self.owner_advances = 0;
            return self.resync(None);
        }
        self.progress.synced = false;
        self.cx.link.retry_at = None;
        // The sequence number 0 holds nothing to void, and the refusal returns the current epoch.
        let nothing = Seq::START;
        let request = Request::Void { address: self.cx.address, token, seq: nothing, restored };
        self.cx.send_request(PendingRequest::CurrentEpoch, request);
    }

    /// Handles the room's current epoch, which the owner enters with the owner token.
    pub(crate) fn on_current_epoch(&mut self, now: Timestamp, result: &Result<Reply, Refusal>) {
        let Some(epoch) = self.session().map(Session::epoch) else { return };
        match result {
            Err(Refusal::StaleEpoch { current })
                if *current >= epoch && self.progress.in_vain != Some(*current) =>
            {
                self.unstage();
                self.progress.goes_as_owner(Some(*current));
                self.enter();
            }
            Err(Refusal::StaleEpoch { .. } | Refusal::NotAdmitted) => self.rejoin(now),
            Err(refusal) => self.resync(refusal.retry_after()),
            Ok(_) => self.on_inconsistency(),
        }
    }

    /// Commits a refresh as the owner that was admitted by the owner token only. The commit
    /// replaces the hashes at the relay, so that members are admitted again. If it is overtaken, it
    /// is made again.
    pub(crate) fn correct_hashes(&mut self, now: Timestamp) {
        if !self.progress.is_owners {
            // A commit settles joins only over a connection that has shown the owner token.
            self.progress.goes_as_owner(self.session().map(Session::epoch));
            self.progress.synced = false;
            return self.enter();
        }
        self.correct_hashes_at = Some(now.saturating_add(CORRECT_HASHES_RETRY));
        self.outbox.push_first(Job::Change(None, Change::Refresh));
    }
}
