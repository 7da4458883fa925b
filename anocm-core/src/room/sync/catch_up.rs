//! Proving an epoch and catching up with the log.

use std::{ops::RangeInclusive, time::Duration};

use crate::room::{
    Connection, Ended, Machine, RoomEvent, Trouble,
    context::{PendingRequest, Ticket},
    phase::Phase,
    sync::log::LogSlot,
};
use crate::{
    id::{Epoch, Seq},
    session::Session,
    time::Timestamp,
    wire::{CloseReason, LogItem, Page, Refusal, Reply, Request},
};

impl Machine {
    /// Proves membership of the session's epoch, or of the one that a staged join begins, unless
    /// that was done on this connection.
    pub(crate) fn enter(&mut self) {
        let Some(epoch) = self.epoch_to_prove() else {
            return;
        };
        if !self.cx.link.up || self.progress.entering == Some(epoch) {
            return;
        }
        let Some(member) = self.token_to_prove() else {
            return;
        };
        self.progress.entering = Some(epoch);
        self.progress.head = None;
        let enter = Request::Enter { address: self.cx.address, epoch, member };
        self.progress.proof = Some(self.cx.send_request(PendingRequest::Enter(epoch), enter));
        self.close();
    }

    /// Whether the last proof has no reply yet.
    fn has_pending_proof(&self) -> bool {
        self.progress.proof.is_some_and(|ticket| self.cx.is_pending(ticket))
    }

    /// Returns how many proofs have no reply yet.
    pub(crate) fn pending_proofs(&self) -> usize {
        self.cx.pending().filter(|asked| matches!(asked, PendingRequest::Enter(_))).count()
    }

    /// Reads the log from the cursor, unless a read is in flight.
    pub(crate) fn read(&mut self) {
        let may_read = self.session().is_some() && self.staged.is_none() && self.cx.link.up;
        if may_read && !self.progress.reading {
            self.progress.reading = true;
            self.progress.wanted = self.log.next_waiting();
            let request = Request::Read { address: self.cx.address, after: self.log.cursor() };
            self.cx.send_request(PendingRequest::Read, request);
        }
    }

    /// Handles the reply to a proof.
    pub(crate) fn on_entered(
        &mut self,
        now: Timestamp,
        ticket: Ticket,
        epoch: Epoch,
        result: Result<Reply, Refusal>,
    ) {
        if matches!(self.phase, Phase::Joining(_)) {
            return self.on_joining_proof(now, epoch, result);
        }
        if self.progress.proof != Some(ticket) || self.epoch_to_prove() != Some(epoch) {
            // The proof of an epoch that has ended since, or of one that was voided; the next proof
            // is in flight. Two joins may begin epochs of the same number.
            return;
        }
        match result {
            Ok(Reply::Entered(entered)) if entered.current >= epoch => {
                let was_staged = self.follow_staged(now);
                if !was_staged && self.progress.as_owner == Some(epoch) {
                    (self.progress.admitted, self.progress.is_owners) = (true, true);
                }
                let Some(reached) = self.session().map(Session::epoch) else {
                    return;
                };
                self.progress.current = Some(entered.current);
                // A page in flight was requested under the proof of an earlier epoch.
                self.progress.lagging |= self.progress.reading;
                if reached != epoch {
                    return self.follow_as_owner(now, reached, epoch, entered.head);
                }
                self.progress.behind = entered.current != epoch;
                self.look_again();
                if self.progress.behind {
                    self.retry_void(now);
                } else {
                    self.on_head_reached(now, entered.head);
                }
                if was_staged {
                    self.follow(now);
                }
                if self.progress.behind || entered.head > self.log.cursor() {
                    self.read();
                }
            }
            Ok(_) => self.on_inconsistency(),
            Err(Refusal::NotAdmitted) if self.on_staged_not_admitted(now) => {}
            Err(Refusal::NotAdmitted) => self.on_not_admitted(now),
            Err(refusal) => self.reconnect_after(refusal.retry_after()),
        }
    }

    /// Reads the log up to `epoch`, to which the owner was admitted with the owner token.
    fn follow_as_owner(&mut self, now: Timestamp, reached: Epoch, epoch: Epoch, head: Seq) {
        if reached < epoch {
            self.progress.head = Some(head);
            self.progress.behind = true;
            self.look_again();
            self.retry_void(now);
            self.read();
        }
    }

    /// Handles a relay in this guest's epoch, whose log ends at `head`.
    fn on_head_reached(&mut self, now: Timestamp, head: Seq) {
        self.progress.head = Some(head);
        self.outbox.not_stale();
        self.rolled_back_at = self.rejected_at();
        self.on_rolled_back(now);
        if head < self.log.cursor() {
            // The log was longer before. Continue with the next entry after `head`.
            self.cx.report_inconsistency();
            self.log.start_after(head);
        }
        if self.outbox.accepted_after(head) {
            self.cx.report_inconsistency();
        }
    }

    /// Handles a contradiction of the relay: reports it, and re-synchronises after a delay.
    pub(crate) fn on_inconsistency(&mut self) {
        self.cx.report_inconsistency();
        self.resync(None);
    }

    /// Re-synchronises when the state of this guest and of the relay may differ: proves the epoch
    /// again and catches up before anything else is sent.
    pub(crate) fn resync(&mut self, at_least: Option<Duration>) {
        self.progress.synced = false;
        self.reconnect_after(at_least);
    }

    /// Retries the proof after a delay with exponential backoff.
    pub(crate) fn reconnect_after(&mut self, at_least: Option<Duration>) {
        self.progress.entering = None;
        self.cx.back_off(at_least);
    }

    /// Handles the reply to a read.
    pub(crate) fn on_page(&mut self, now: Timestamp, result: Result<Reply, Refusal>) {
        self.progress.reading = false;
        if self.session().is_none() {
            return;
        }
        match result {
            Ok(Reply::Page(page)) => self.take_page(now, page),
            Ok(_) => self.on_inconsistency(),
            // The proof is repeated, and the read with it.
            Err(refusal) => self.reconnect_after(refusal.retry_after()),
        }
    }

    fn take_page(&mut self, now: Timestamp, mut page: Page) {
        let more = page.more;
        let (cursor, wanted) = (self.log.cursor(), self.progress.wanted);
        // A live entry is never stored, so a page must not hold one.
        let items = page.items.len();
        page.items.retain(|item| !item.entry.retention.is_live());
        if page.items.len() < items {
            self.cx.report_inconsistency();
        }
        let lawful = page.items.iter().all(|item| item.entry.has_lawful_size());
        page.items.iter_mut().for_each(|item| self.bound_age(now, item));
        if !lawful || self.log.read(now, page).is_err() {
            return self.on_inconsistency();
        }
        self.follow(now);
        if self.staged.is_some() {
            // The log is read on from there when the next epoch is proven.
            return;
        }
        let lagging = std::mem::take(&mut self.progress.lagging);
        if more || lagging {
            // If no epoch is proven, a proof is about to be repeated, and the read with it.
            if self.progress.entering.is_some() {
                self.read();
            }
        } else if self.rejected.is_some() {
            self.reconnect_after(None);
        } else if self.progress.behind {
            // The log no longer holds the commit that ended this guest's epoch, unless this page
            // was requested under an earlier proof.
            if self.has_pending_proof() {
                return;
            }
            match self.progress.as_owner {
                // The room's current epoch has been requested already.
                Some(_) if !self.progress.admitted => {}
                // Or the room has left the epoch to which the owner was admitted.
                Some(walked) => {
                    self.progress.in_vain = Some(walked);
                    self.on_not_admitted(now);
                }
                None => self.rejoin(now),
            }
        } else if self.session().is_some_and(|s| self.outbox.is_stale(s.epoch())) {
            self.reconnect_after(None);
        } else if self.log.has_gap() {
            let proven = self.progress.entering.is_some();
            if proven && wanted == self.log.next_waiting() && cursor == self.log.cursor() {
                // The waiting entry was delivered before this read was requested, and the log does
                // not reach it.
                self.log.forget_waiting();
                return self.on_inconsistency();
            }
            self.read();
        } else if self.progress.head.is_some_and(|head| head > self.log.cursor()) {
            self.reconnect_after(None);
        }
    }

    /// Handles an entry that the relay delivered as an event.
    pub(crate) fn on_entry(&mut self, now: Timestamp, mut item: LogItem) {
        if !item.entry.has_lawful_size() {
            return self.on_inconsistency();
        }
        self.bound_age(now, &mut item);
        self.log.push(now, item);
        self.follow(now);
        // While a rejected commit is in the log, nothing beyond it can be read.
        if self.log.has_gap() && self.rejected.is_none() && self.staged.is_none() {
            self.read();
        }
    }

    /// Applies every entry whose turn has come.
    fn follow(&mut self, now: Timestamp) {
        while matches!(self.phase, Phase::Inside(_))
            && self.staged.is_none()
            && self.progress.may_follow()
        {
            match self.log.next(now) {
                Some(LogSlot::Item { item, waited }) => self.apply(now, item, waited),
                Some(LogSlot::Holes(seqs)) => self.on_holes(now, &seqs),
                Some(LogSlot::Voided) => self.outbox.not_accepted_at(self.log.cursor()),
                None => break,
            }
        }
    }

    /// Runs after each input: updates the sync state, and sends what is due.
    pub(crate) fn proceed(&mut self, now: Timestamp) {
        let Some(session) = self.session() else {
            return;
        };
        let epoch = session.epoch();
        if !self.cx.link.up {
            // The wait for a refresh is paused while this guest is offline.
            return self.pause_key_refresh();
        }
        self.close();
        let current = self.progress.entering == Some(epoch);
        let caught_up = self.progress.head.is_some_and(|head| head <= self.log.cursor());
        if self.progress.synced {
            self.in_sync_at = now;
            self.owner_advances = 0;
            self.emit_missed();
        }
        if current && caught_up && self.rejected.is_none() && !self.progress.synced {
            self.progress.synced = true;
            self.emit_missed();
            self.cx.emit_connection(Connection::Online);
        }
        if self.progress.synced && self.outbox.is_idle() {
            self.cx.link.attempts = 0;
        }
        self.pause_key_refresh();
        self.run_upkeep(now);
        let in_sync = self.may_act();
        self.upkeep.key_refresh.resume(now, in_sync);
        self.push(now);
    }

    fn pause_key_refresh(&mut self) {
        let (members, in_sync) = (self.members(), self.may_act());
        self.upkeep.key_refresh.pause(&mut self.cx, members, in_sync);
    }

    /// Requests the end of the room, if its owner wants that.
    fn close(&mut self) {
        if let Phase::Inside(session) = &self.phase {
            let (leave, is_broken) = (&self.upkeep.leave, self.rejected.is_some());
            leave.request_close(&mut self.cx, session, &self.outbox, is_broken);
        }
    }

    /// Handles the reply to that request, which is repeated until the room has ended.
    pub(crate) fn on_closed(&mut self, result: &Result<Reply, Refusal>) {
        match result {
            Ok(_) => self.end(Ended::Closed(CloseReason::Owner)),
            Err(refusal) => self.resync(refusal.retry_after()),
        }
    }

    /// Handles sequence numbers that the relay has passed without an entry.
    fn on_holes(&mut self, now: Timestamp, seqs: &RangeInclusive<Seq>) {
        let (first, last) = (seqs.start().value(), seqs.end().value());
        let mut missed = last.saturating_sub(first).saturating_add(1);
        if let Some(seq) = self.outbox.accepted_in(seqs) {
            missed = missed.saturating_sub(1);
            self.on_own_entry_left_log(now, seq);
        }
        if self.rejected_at().or(self.rolled_back_at).is_some_and(|seq| seqs.contains(&seq)) {
            // The rejected entry was there and was voided.
            missed = missed.saturating_sub(1);
        }
        self.missed = self.missed.saturating_add(missed);
        self.on_voided_unseen(now, seqs);
    }

    /// Reports how much was missed while offline, once caught up.
    pub(crate) fn emit_missed(&mut self) {
        let count = std::mem::take(&mut self.missed);
        if count > 0 {
            self.cx.emit(RoomEvent::Trouble(Trouble::Missed { count }));
        }
    }
}
