//! Rollback of rejected commits and joins. A commit or join that the rules forbid moves the relay
//! to an epoch that no honest member is in. Any member may have a join voided, once no member can
//! have accepted it; only the owner may void a commit. Until then nothing can be sent.

use std::{collections::VecDeque, ops::RangeInclusive, time::Duration};

use super::{SyncState, step::Exit};
use crate::{
    id::{Epoch, MemberId, Seq},
    room::{
        Ended, JoinFailure, RoomEvent, Trouble,
        context::{Context, PendingRequest},
        sending::outbox::{Job, Outbox},
    },
    session::{Change, MemberKey, Session},
    time::Timestamp,
    wire::{EntryKind, Refusal, Reply, Request, SETTLES},
};

/// After this many voided invalid joins within `JUNK_WITHIN`, the owner's client replaces the
/// invite through which they came.
const JUNK_JOINS: usize = 3;
const JUNK_WITHIN: Duration = Duration::from_secs(600);
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

impl SyncState {
    /// Records that the entry at `seq` is a commit or join that this guest rejects, or a copy that
    /// the relay altered. Until it is voided, the entry is read again from time to time.
    pub(crate) fn on_rejected(
        &mut self,
        cx: &mut Context,
        session: &Session,
        (seq, kind): (Seq, EntryKind),
        by: Option<MemberId>,
        flaw: RejectReason,
    ) {
        if self.is_rejected_at(seq) {
            return;
        }
        let key = by.and_then(|by| session.member(by).map(|member| member.key));
        let (unknown, needs_owner, take_back_at) = (false, false, None);
        self.rejected =
            Some(Rejected { seq, by: key, kind, flaw, unknown, needs_owner, take_back_at });
        self.log.count_unreadable();
        cx.emit(RoomEvent::Trouble(Trouble::Broken { by }));
        self.retry_void(cx, session);
        self.resync(cx, None);
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
    pub(crate) fn retry_void(&mut self, cx: &mut Context, session: &Session) {
        let wait = SETTLES + Duration::from_millis(100) + cx.random_millis(SPREAD);
        let Some(broken) = &mut self.rejected else {
            return;
        };
        let owner = session.owner_token().ok().flatten().filter(|_| broken.is_for_the_owner());
        let Some(token) = owner else {
            if broken.kind == EntryKind::Join {
                broken.take_back_at.get_or_insert(cx.now.saturating_add(wait));
            }
            return;
        };
        let seq = broken.seq;
        if let Ok(restored) = session.restored(&mut cx.rng) {
            let request = Request::Void { address: cx.address, token, seq, restored };
            cx.send_request(PendingRequest::Void, request);
        }
    }

    /// Returns when this guest requests that a join be voided.
    pub(crate) fn take_back_at(&self, cx: &Context) -> Option<Timestamp> {
        // A reply that may still admit this guest comes first.
        let broken = self.rejected.as_ref().filter(|_| cx.link.up && self.staged.is_none());
        broken.and_then(|broken| broken.take_back_at)
    }

    /// Requests that a rejected join be voided.
    pub(crate) fn take_back(&mut self, cx: &mut Context, session: &Session) {
        // The relay accepts this only from a member that has proven the epoch that is to continue.
        cx.link.retry_at = None;
        self.enter(cx, session);
        let Some(broken) = &mut self.rejected else {
            return;
        };
        broken.take_back_at = None;
        let seq = broken.seq;
        if let (Ok(token), Ok(restored)) = (session.member_token(), session.restored(&mut cx.rng)) {
            let token = token.clone();
            let request = Request::Void { address: cx.address, token, seq, restored };
            cx.send_request(PendingRequest::TakeBack, request);
        }
    }

    pub(crate) fn on_void_reply(
        &mut self,
        cx: &mut Context,
        result: &Result<Reply, Refusal>,
    ) -> Result<(), Exit> {
        let Some(broken) = &mut self.rejected else {
            return Ok(());
        };
        match result {
            Ok(_) => {}
            // Usually another member was faster, and the `Voided` event is in flight.
            Err(Refusal::StaleEpoch { .. }) if broken.unknown => return Err(Exit::Rejoin),
            Err(refusal) => {
                broken.unknown |= matches!(refusal, Refusal::StaleEpoch { .. });
                self.resync(cx, None);
            }
        }
        Ok(())
    }

    /// Handles the reply to a member's request to void a join.
    pub(crate) fn on_take_back_reply(
        &mut self,
        cx: &mut Context,
        session: &Session,
        result: &Result<Reply, Refusal>,
    ) -> Result<(), Exit> {
        let wait = cx.random_millis(SPREAD);
        let Some(broken) = &mut self.rejected else {
            return Ok(());
        };
        match result {
            Err(Refusal::Busy { retry_after }) => {
                let retry_after = Duration::from_millis(u64::from(*retry_after));
                broken.take_back_at = Some(cx.now.saturating_add(retry_after + wait));
            }
            // Members have accepted the join: the room has moved on without this guest.
            Err(Refusal::Unlawful) if broken.flaw == RejectReason::Garbled => {
                return Err(Exit::Rejoin);
            }
            // A member that colludes with the author of the join has kept it: it cannot be voided
            // any more.
            Err(Refusal::Unlawful) if broken.flaw != RejectReason::Unlawful => {
                return self.on_not_admitted(cx, session);
            }
            // Usually another member was faster, and the `Voided` event is in flight.
            Err(Refusal::StaleEpoch { .. })
                if broken.flaw != RejectReason::Unlawful && broken.unknown =>
            {
                return Err(Exit::Rejoin);
            }
            Err(Refusal::StaleEpoch { .. }) => {
                broken.unknown = true;
                self.resync(cx, None);
            }
            // The owner got here without having proven this epoch. If the room is just one epoch
            // ahead, other members may not have moved on past the rejected entry either.
            Err(Refusal::NotAdmitted) if self.progress.as_owner.is_some() => {
                if self.progress.current != Some(session.epoch().next()) {
                    return Err(Exit::Rejoin);
                }
                broken.needs_owner = true;
                self.retry_void(cx, session);
            }
            Ok(_) => {
                cx.link.attempts = 0;
                self.resync(cx, None);
            }
            Err(_) => self.resync(cx, None),
        }
        Ok(())
    }

    /// Handles the void of the entry at `seq`; the room continues in `epoch`.
    pub(crate) fn on_voided(
        &mut self,
        cx: &mut Context,
        session: &Session,
        outbox: &mut Outbox,
        (seq, epoch): (Seq, Epoch),
    ) -> Result<(), Exit> {
        self.log.voided(seq);
        let was_staged = self.on_staged_voided(seq);
        let current = session.epoch();
        // Or the epoch that the staged join began was not proven yet.
        if epoch == current && (was_staged || self.is_rejected_at(seq)) {
            self.resume_after_rollback(cx, session, outbox);
        } else if seq <= self.log.cursor() && epoch < current {
            // An entry that this guest had accepted is gone, and the keys of the epoch before it
            // are erased.
            return Err(self.on_applied_voided(seq, epoch));
        } else if was_staged {
            self.on_inconsistency(cx);
        } else if self.progress.as_owner > Some(epoch) {
            // The epoch that the owner is about to enter with the owner token.
            self.progress.admitted = false;
            return self.on_not_admitted(cx, session);
        }
        Ok(())
    }

    /// Handles the void of the entry at `seq`, which this guest has applied or which is its own
    /// join. Members may void a join while only newcomers have acted on it. Anything else would
    /// undo what members have done since, such as a removal.
    fn on_applied_voided(&mut self, seq: Seq, epoch: Epoch) -> Exit {
        let Some(undone) = self.epoch_history.since(seq) else {
            return Exit::End(Ended::DishonestRelay);
        };
        if self.epoch_history.is_own_join(seq) {
            if self.epoch_history.again() {
                return Exit::End(Ended::NotLetIn(JoinFailure::TakenBack));
            }
            return Exit::RejoinAfterVoid { epoch, context: None };
        }
        let Some(context) = undone else {
            return Exit::End(Ended::DishonestRelay);
        };
        // The owner knows of a member that gave the relay false hashes, and may have begun another
        // epoch already.
        let any_door = self.correct_hashes_at().is_some();
        Exit::RejoinAfterVoid { epoch, context: (!any_door).then_some(context) }
    }

    /// Handles empty sequence numbers in the log. If the rejected entry was among them, it was
    /// voided without this guest receiving the event, since the relay keeps such entries. Another
    /// commit may have followed at once: then the relay is never seen in this guest's epoch again.
    pub(crate) fn on_voided_unseen(
        &mut self,
        cx: &mut Context,
        session: &Session,
        outbox: &mut Outbox,
        seqs: &RangeInclusive<Seq>,
    ) {
        if self.rejected.as_ref().is_some_and(|broken| seqs.contains(&broken.seq)) {
            self.resume_after_rollback(cx, session, outbox);
        }
    }

    /// Resumes after the void of the rejected entry: this guest's epoch continues and is proven
    /// again.
    fn resume_after_rollback(&mut self, cx: &mut Context, session: &Session, outbox: &mut Outbox) {
        self.on_rolled_back(cx, session, outbox);
        self.progress.behind = false;
        cx.link.attempts = 0;
        self.progress.owner_is_done();
        self.progress.entering = None;
        cx.link.retry_at = None;
        outbox.not_stale();
        self.enter(cx, session);
    }

    /// Clears the rejected entry: the relay is in this guest's epoch, or the entry can be applied
    /// after all.
    pub(crate) fn on_rolled_back(
        &mut self,
        cx: &mut Context,
        session: &Session,
        outbox: &mut Outbox,
    ) {
        let Some(Rejected { by, kind, .. }) = self.rejected.take() else {
            return;
        };
        cx.emit(RoomEvent::Recovered);
        if !matches!(session.owner_token(), Ok(Some(_))) {
            return;
        }
        if let Some(by) = by {
            // The member could do it again before it is removed by hand.
            outbox.push_first(Job::Change(None, Change::Remove(by)));
        } else if kind == EntryKind::Join && self.junk_joins.count(cx.now) {
            outbox.push_first(Job::Change(None, Change::ReplaceInvite));
        }
    }
}
