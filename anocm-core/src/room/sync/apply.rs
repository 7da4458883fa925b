//! Applies a log entry at its sequence number.

use std::time::Duration;

use super::{
    SyncState,
    age_bound::own_since,
    counters::CounterCheck,
    epoch_history::EpochAuthor,
    rollback::RejectReason,
    step::{Exit, MessageMeta, Step},
};
use crate::{
    id::{MemberId, Seq},
    room::{
        Ended, RoomEvent, Trouble,
        context::Context,
        sending::outbox::{Outbox, Own},
    },
    session::{Envelope, EpochChange, OpenError, Opened, Session, SessionError},
    time::Timestamp,
    wire::{EntryKind, LogItem},
};

impl SyncState {
    /// Applies the next entry in sequence. `waited` is the part of its age, in milliseconds, that
    /// it spent buffered in this client.
    pub(crate) fn apply(
        &mut self,
        cx: &mut Context,
        session: &mut Session,
        outbox: &mut Outbox,
        mut item: LogItem,
        waited: u64,
    ) -> Result<Step, Exit> {
        self.age_bound.bound(cx, &mut item);
        if item.entry.epoch != session.epoch() {
            // After a rejected commit the log continues without this guest.
            if self.rejected.is_none() {
                self.log.count_unreadable();
                cx.report_inconsistency();
            }
            return Ok(Step::Done);
        }
        if self.rejected.is_some() && !self.is_rejected_at(item.seq) {
            return Ok(Step::Done);
        }
        if !item.entry.kind.begins_epoch() {
            self.on_rolled_back(cx, session, outbox);
        }
        let lifetime = u64::from(item.entry.retention.as_millis());
        if !item.entry.retention.is_live() && item.age >= lifetime {
            if item.age.saturating_sub(waited) >= lifetime {
                cx.report_inconsistency();
            }
            // A membership change is applied at any age: it holds no message content.
            if !item.entry.kind.begins_epoch() {
                return self.on_expired(cx, outbox, item.seq);
            }
        }
        match outbox.own(&item.entry.digest(), item.seq) {
            Own::InFlight => self.on_own_entry(cx, session, outbox, &item),
            // A commit that was abandoned and was accepted all the same: its keys are gone.
            Own::Former if item.entry.kind.begins_epoch() => Err(Exit::Rejoin),
            Own::Former => Ok(Step::Done),
            Own::Copy => {
                self.on_unreadable(cx, item.seq);
                Ok(Step::Done)
            }
            Own::No => {
                self.on_displaced_own_entry(cx, outbox, item.seq);
                self.open(cx, session, outbox, &item)
            }
        }
    }

    /// Handles a message whose retention has ended.
    fn on_expired(
        &mut self,
        cx: &mut Context,
        outbox: &mut Outbox,
        seq: Seq,
    ) -> Result<Step, Exit> {
        if outbox.accepted_in(&(seq..=seq)).is_some() {
            return self.on_own_entry_left_log(cx, outbox, seq);
        }
        self.count_missed();
        self.log.count_unreadable();
        Ok(Step::Done)
    }

    /// Opens an entry of another author.
    fn open(
        &mut self,
        cx: &mut Context,
        session: &mut Session,
        outbox: &mut Outbox,
        item: &LogItem,
    ) -> Result<Step, Exit> {
        let LogItem { seq, entry, .. } = item;
        let at = cx.now.saturating_sub(Duration::from_millis(item.age));
        if entry.kind == EntryKind::Join {
            return match session.stage_join(entry) {
                Ok(join) => self.stage(cx, session, outbox, (*seq, at), join),
                Err(why) => {
                    self.on_open_error(cx, session, (*seq, entry.kind), &why);
                    Ok(Step::Done)
                }
            };
        }
        if entry.kind.begins_epoch() {
            outbox.was_overtaken(session);
        }
        let context = session.context();
        match session.open(entry) {
            Ok(Opened::Message { sender, envelope }) => {
                let meta = MessageMeta { seq: *seq, at, retention: entry.retention };
                Ok(self.on_message(cx, session, sender, envelope, meta))
            }
            Ok(Opened::Epoch(change)) => {
                self.on_rolled_back(cx, session, outbox);
                self.on_epoch_began(cx, session, (*seq, context), change, false)
            }
            Err(OpenError::NewerProgram) => Err(Exit::End(Ended::NewerProgram)),
            Err(why) if entry.kind.begins_epoch() => {
                self.on_open_error(cx, session, (*seq, entry.kind), &why);
                Ok(Step::Done)
            }
            Err(why) => {
                self.on_unreadable(cx, *seq);
                Ok(match why {
                    OpenError::RatchetSkipped => Step::RatchetSkipped,
                    _ => Step::Done,
                })
            }
        }
    }

    /// Rejects the commit or join at `at`, which this guest cannot apply.
    fn on_open_error(
        &mut self,
        cx: &mut Context,
        session: &Session,
        at: (Seq, EntryKind),
        why: &OpenError,
    ) {
        let (by, flaw) = match *why {
            OpenError::Rejected { by } => (by, RejectReason::Unlawful),
            OpenError::Garbled { by } => (by, RejectReason::Garbled),
            _ => (None, RejectReason::Unlawful),
        };
        self.on_rejected(cx, session, at, by, flaw);
    }

    /// Reports that the entry at `seq` holds no readable message.
    fn on_unreadable(&mut self, cx: &mut Context, seq: Seq) {
        self.log.count_unreadable();
        cx.emit(RoomEvent::Trouble(Trouble::Unreadable { seq }));
    }

    /// Handles an entry of another author at `seq`. If the relay reported that sequence number as
    /// the place of this guest's own entry, it contradicts itself.
    fn on_displaced_own_entry(&mut self, cx: &mut Context, outbox: &mut Outbox, seq: Seq) {
        if outbox.accepted_in(&(seq..=seq)).is_some() {
            outbox.not_accepted();
            self.on_inconsistency(cx);
        }
    }

    /// Handles this guest's own entry when the relay delivers it at its sequence number.
    fn on_own_entry(
        &mut self,
        cx: &mut Context,
        session: &mut Session,
        outbox: &mut Outbox,
        item: &LogItem,
    ) -> Result<Step, Exit> {
        let at = own_since(cx, outbox, item.age);
        let own = settle(cx, outbox, item.seq, at);
        if item.entry.kind == EntryKind::Message {
            return Ok(own);
        }
        let context = session.context();
        let change = session.accept().map_err(|_| Exit::End(Ended::DishonestRelay))?;
        self.on_epoch_began(cx, session, (item.seq, context), change, true)
    }

    /// Handles an own entry that the relay accepted at `seq` and has left the log since.
    pub(crate) fn on_own_entry_left_log(
        &mut self,
        cx: &mut Context,
        outbox: &mut Outbox,
        seq: Seq,
    ) -> Result<Step, Exit> {
        if outbox.change_in_flight() {
            // A commit that is gone from the log cannot be followed.
            return Err(Exit::Rejoin);
        }
        if outbox.is_to_be_kept(cx.now) {
            // The entry should still be in the log. Send it again; members that received it drop
            // the duplicate.
            outbox.not_accepted();
            self.resync(cx, None);
            return Ok(Step::Done);
        }
        let now = cx.now;
        Ok(settle(cx, outbox, seq, now))
    }

    /// Checks a decrypted message of another member against those before it.
    fn on_message(
        &mut self,
        cx: &mut Context,
        session: &Session,
        sender: MemberId,
        envelope: Envelope,
        meta: MessageMeta,
    ) -> Step {
        self.confirmation.on_entry_of(cx, session, sender);
        let Envelope { id, counter, content } = envelope;
        match self.counters.check(sender, counter, id, self.log.holes()) {
            CounterCheck::Again => return Step::Done,
            CounterCheck::Forged => {
                cx.emit(RoomEvent::Trouble(Trouble::Repeated { by: sender }));
                return Step::Done;
            }
            CounterCheck::New { missing: 0 } => {}
            CounterCheck::New { missing: count } => {
                cx.emit(RoomEvent::Trouble(Trouble::Gap { from: sender, count }));
            }
        }
        match session.member(sender).cloned() {
            Some(from) => Step::Message { from, id, content, meta },
            None => Step::Done,
        }
    }

    /// Handles the epoch that the entry at `seq` began, after an epoch with this `context`.
    pub(crate) fn on_epoch_began(
        &mut self,
        cx: &mut Context,
        session: &Session,
        (seq, context): (Seq, Result<[u8; 32], SessionError>),
        change: EpochChange,
        own: bool,
    ) -> Result<Step, Exit> {
        if let (Some(by), Ok(context)) = (author(session, &change), context) {
            self.epoch_history.step(seq, by, context);
        }
        if change.removed_me {
            return Err(Exit::End(Ended::Removed { by: change.by }));
        }
        let commits = change.joined.is_none();
        if !own && commits {
            self.confirmation.on_entry_of(cx, session, change.by);
        }
        self.progress.behind = self.progress.as_owner > Some(change.epoch);
        self.progress.in_vain = None;
        // A commit before the epoch that the owner token proved corrects nothing, and a commit over
        // a connection that was not entered with the owner token settles nothing.
        let by_me = session.me() == change.by;
        let comes_after = self.progress.as_owner < Some(change.epoch);
        if commits && by_me && comes_after && self.progress.is_owners {
            self.owner_token.hashes_are_correct();
        }
        if let Some(member) = change.joined.as_ref().filter(|_| !change.again) {
            self.counters.joined(member.id, self.log.holes());
        }
        for (member, _) in &change.departed {
            self.counters.left(&member.id);
        }
        Ok(Step::EpochBegan { change: Box::new(change), own })
    }
}

/// Completes the job in flight: its entry is in the log at `seq`, accepted at `at`.
fn settle(cx: &mut Context, outbox: &mut Outbox, seq: Seq, at: Timestamp) -> Step {
    let Some((job, retention)) = outbox.settle(seq) else {
        return Step::Done;
    };
    cx.link.attempts = 0;
    Step::Own { job, meta: MessageMeta { seq, at, retention } }
}

/// Returns the author of an applied commit or join.
fn author(session: &Session, change: &EpochChange) -> Option<EpochAuthor> {
    Some(match (&change.joined, change.again) {
        (Some(_), true) => EpochAuthor::Returning,
        (Some(member), false) => EpochAuthor::Joiner(member.key),
        (None, _) => EpochAuthor::Member(session.member(change.by)?.key),
    })
}
