//! Proving an epoch and catching up with the log.

use std::{ops::RangeInclusive, time::Duration};

use super::{
    SyncState,
    log::LogSlot,
    step::{Exit, Step},
};
use crate::{
    id::{Epoch, Seq},
    room::{
        Connection,
        context::{Context, PendingRequest, Ticket},
        sending::outbox::Outbox,
    },
    session::Session,
    wire::{Entered, LogItem, Page, Request},
};

/// A page of the log that was read, and where this guest was in the log before.
pub(crate) struct PageRead {
    /// The log goes on after the page.
    more: bool,
    cursor: Seq,
    /// The first entry that waited for its turn when the page was requested.
    wanted: Option<Seq>,
}

impl SyncState {
    /// Proves membership of the session's epoch, or of the one that a staged join begins, unless
    /// that was done on this connection.
    pub(crate) fn enter(&mut self, cx: &mut Context, session: &Session) {
        let epoch = self.epoch_to_prove(session);
        if !cx.link.up || self.progress.entering == Some(epoch) {
            return;
        }
        let Some(member) = self.token_to_prove(session) else {
            return;
        };
        self.progress.entering = Some(epoch);
        self.progress.head = None;
        let enter = Request::Enter { address: cx.address, epoch, member };
        self.progress.proof = Some(cx.send_request(PendingRequest::Enter(epoch), enter));
    }

    /// Whether this is the last proof. An earlier one is of an epoch that has ended since, or of
    /// one that was voided; two joins may begin epochs of the same number.
    pub(crate) fn is_last_proof(&self, session: &Session, ticket: Ticket, epoch: Epoch) -> bool {
        self.progress.proof == Some(ticket) && self.epoch_to_prove(session) == epoch
    }

    /// Reads the log from the cursor, unless a read is in flight.
    pub(crate) fn read(&mut self, cx: &mut Context) {
        if self.staged.is_none() && cx.link.up && !self.progress.reading {
            self.progress.reading = true;
            self.progress.wanted = self.log.next_waiting();
            let request = Request::Read { address: cx.address, after: self.log.cursor() };
            cx.send_request(PendingRequest::Read, request);
        }
    }

    /// Handles the admission to `epoch`, to which a staged join has led if it `was_staged`. Returns
    /// whether the session is in that epoch.
    pub(crate) fn on_admitted(
        &mut self,
        cx: &mut Context,
        session: &Session,
        outbox: &mut Outbox,
        (epoch, entered): (Epoch, &Entered),
        was_staged: bool,
    ) -> bool {
        if !was_staged && self.progress.as_owner == Some(epoch) {
            (self.progress.admitted, self.progress.is_owners) = (true, true);
        }
        self.progress.current = Some(entered.current);
        // A page in flight was requested under the proof of an earlier epoch.
        self.progress.lagging |= self.progress.reading;
        if session.epoch() != epoch {
            if session.epoch() < epoch {
                self.follow_as_owner(cx, session, entered.head);
            }
            return false;
        }
        self.progress.behind = entered.current != epoch;
        self.look_again();
        if self.progress.behind {
            self.retry_void(cx, session);
        } else {
            self.on_head_reached(cx, session, outbox, entered.head);
        }
        true
    }

    /// Reads the log up to the epoch to which the owner was admitted with the owner token.
    fn follow_as_owner(&mut self, cx: &mut Context, session: &Session, head: Seq) {
        self.progress.head = Some(head);
        self.progress.behind = true;
        self.look_again();
        self.retry_void(cx, session);
        self.read(cx);
    }

    /// Reads on, if the log may hold more.
    pub(crate) fn read_on(&mut self, cx: &mut Context, head: Seq) {
        if self.progress.behind || head > self.log.cursor() {
            self.read(cx);
        }
    }

    /// Handles a relay in this guest's epoch, whose log ends at `head`.
    fn on_head_reached(
        &mut self,
        cx: &mut Context,
        session: &Session,
        outbox: &mut Outbox,
        head: Seq,
    ) {
        self.progress.head = Some(head);
        outbox.not_stale();
        self.rolled_back_at = self.rejected_at();
        self.on_rolled_back(cx, session, outbox);
        if head < self.log.cursor() {
            // The log was longer before. Continue with the next entry after `head`.
            cx.report_inconsistency();
            self.log.start_after(head);
        }
        if outbox.accepted_after(head) {
            cx.report_inconsistency();
        }
    }

    /// Handles a contradiction of the relay: reports it, and re-synchronises after a delay.
    pub(crate) fn on_inconsistency(&mut self, cx: &mut Context) {
        cx.report_inconsistency();
        self.resync(cx, None);
    }

    /// Re-synchronises when the state of this guest and of the relay may differ: proves the epoch
    /// again and catches up before anything else is sent.
    pub(crate) fn resync(&mut self, cx: &mut Context, at_least: Option<Duration>) {
        self.progress.synced = false;
        self.prove_later(cx, at_least);
    }

    /// Retries the proof after a delay with exponential backoff.
    pub(crate) fn prove_later(&mut self, cx: &mut Context, at_least: Option<Duration>) {
        self.progress.entering = None;
        cx.back_off(at_least);
    }

    /// Handles the end of the proof: the relay has to admit this guest again.
    pub(crate) fn on_lapsed(&mut self) {
        self.progress.entering = None;
        self.progress.synced = false;
    }

    /// Handles entries that the relay left out.
    pub(crate) fn on_lagging(&mut self) {
        self.progress.lagging = self.progress.reading;
    }

    /// Records that the read in flight has its reply.
    pub(crate) fn on_read_reply(&mut self) {
        self.progress.reading = false;
    }

    /// Buffers the entries of a page. Returns `None` if it contradicts itself or earlier replies.
    pub(crate) fn take_page(&mut self, cx: &mut Context, mut page: Page) -> Option<PageRead> {
        let (more, cursor) = (page.more, self.log.cursor());
        // A live entry is never stored, so a page must not hold one.
        let items = page.items.len();
        page.items.retain(|item| !item.entry.retention.is_live());
        if page.items.len() < items {
            cx.report_inconsistency();
        }
        let valid = page.items.iter().all(|item| item.entry.has_valid_size());
        page.items.iter_mut().for_each(|item| self.age_bound.bound(cx, item));
        if !valid || self.log.read(cx.now, page).is_err() {
            self.on_inconsistency(cx);
            return None;
        }
        Some(PageRead { more, cursor, wanted: self.progress.wanted })
    }

    /// Decides what comes after a page, whose entries were applied as far as possible.
    pub(crate) fn after_page(
        &mut self,
        cx: &mut Context,
        session: &Session,
        outbox: &Outbox,
        page: &PageRead,
    ) -> Result<(), Exit> {
        if self.staged.is_some() {
            // The log is read on from there when the next epoch is proven.
            return Ok(());
        }
        let lagging = std::mem::take(&mut self.progress.lagging);
        if page.more || lagging {
            // If no epoch is proven, a proof is about to be repeated, and the read with it.
            if self.progress.entering.is_some() {
                self.read(cx);
            }
        } else if self.rejected.is_some() {
            self.prove_later(cx, None);
        } else if self.progress.behind {
            return self.on_commit_missing(cx, session);
        } else if outbox.is_stale(session.epoch()) {
            self.prove_later(cx, None);
        } else if self.log.has_gap() {
            let proven = self.progress.entering.is_some();
            let same = page.wanted == self.log.next_waiting() && page.cursor == self.log.cursor();
            if proven && same {
                // The waiting entry was delivered before this read was requested, and the log does
                // not reach it.
                self.log.forget_waiting();
                self.on_inconsistency(cx);
            } else {
                self.read(cx);
            }
        } else if self.progress.head.is_some_and(|head| head > self.log.cursor()) {
            self.prove_later(cx, None);
        }
        Ok(())
    }

    /// Handles a log that no longer holds the commit that ended this guest's epoch.
    fn on_commit_missing(&mut self, cx: &mut Context, session: &Session) -> Result<(), Exit> {
        if self.progress.proof.is_some_and(|ticket| cx.is_pending(ticket)) {
            // The page was requested under an earlier proof.
            return Ok(());
        }
        match self.progress.as_owner {
            // The room's current epoch has been requested already.
            Some(_) if !self.progress.admitted => Ok(()),
            // Or the room has left the epoch to which the owner was admitted.
            Some(entered) => {
                self.progress.in_vain = Some(entered);
                self.on_not_admitted(cx, session)
            }
            None => Err(Exit::Rejoin),
        }
    }

    /// Buffers an entry that the relay delivered as an event. Returns whether the relay may send
    /// such an entry at all.
    pub(crate) fn take_entry(&mut self, cx: &mut Context, mut item: LogItem) -> bool {
        if !item.entry.has_valid_size() {
            self.on_inconsistency(cx);
            return false;
        }
        self.age_bound.bound(cx, &mut item);
        self.log.push(cx.now, item);
        true
    }

    /// Reads the log, if an entry waits for one that was not delivered.
    pub(crate) fn fill_gap(&mut self, cx: &mut Context) {
        // While a rejected commit is in the log, nothing beyond it can be read.
        if self.log.has_gap() && self.rejected.is_none() && self.staged.is_none() {
            self.read(cx);
        }
    }

    /// Applies the next entry, if its turn has come.
    pub(crate) fn apply_next(
        &mut self,
        cx: &mut Context,
        session: &mut Session,
        outbox: &mut Outbox,
    ) -> Option<Result<Step, Exit>> {
        if self.staged.is_some() || !self.progress.may_follow() {
            return None;
        }
        Some(match self.log.next(cx.now)? {
            LogSlot::Item { item, waited } => self.apply(cx, session, outbox, item, waited),
            LogSlot::Holes(seqs) => self.on_holes(cx, session, outbox, &seqs),
            LogSlot::Voided => {
                outbox.not_accepted_at(self.log.cursor());
                Ok(Step::Done)
            }
        })
    }

    /// Handles sequence numbers that the relay has passed without an entry.
    fn on_holes(
        &mut self,
        cx: &mut Context,
        session: &Session,
        outbox: &mut Outbox,
        seqs: &RangeInclusive<Seq>,
    ) -> Result<Step, Exit> {
        let (first, last) = (seqs.start().value(), seqs.end().value());
        let mut missed = last.saturating_sub(first).saturating_add(1);
        let mut step = Ok(Step::Done);
        if let Some(seq) = outbox.accepted_in(seqs) {
            missed = missed.saturating_sub(1);
            step = self.on_own_entry_left_log(cx, outbox, seq);
        }
        if self.rejected_at().or(self.rolled_back_at).is_some_and(|seq| seqs.contains(&seq)) {
            // The rejected entry was there and was voided.
            missed = missed.saturating_sub(1);
        }
        self.missed = self.missed.saturating_add(missed);
        if step.is_ok() {
            self.on_voided_unseen(cx, session, outbox, seqs);
        }
        step
    }

    /// Updates whether this guest is in sync, after each input.
    pub(crate) fn update(&mut self, cx: &mut Context, session: &Session) {
        if self.progress.synced {
            self.owner_token.on_synced(cx.now);
            return self.emit_missed(cx);
        }
        let is_proven = self.progress.entering == Some(session.epoch());
        let caught_up = self.progress.head.is_some_and(|head| head <= self.log.cursor());
        if is_proven && caught_up && self.rejected.is_none() {
            self.progress.synced = true;
            self.emit_missed(cx);
            cx.emit_connection(Connection::Online);
        }
    }

    /// Returns the last sequence number that was taken from the log.
    pub(crate) const fn cursor(&self) -> Seq {
        self.log.cursor()
    }

    /// Whether no epoch is proven or being proven.
    pub(crate) const fn is_unproven(&self) -> bool {
        self.progress.entering.is_none()
    }
}
