//! How the machine follows the room's log: passes replies and events to the parts, and carries out
//! what they decide for the whole room.

use super::{
    Ended, Machine,
    context::{PendingRequest, Ticket},
    phase::Phase,
    sending::append::{AfterRefusal, AppendReply},
    sync::step::Exit,
};
use crate::{
    id::{Epoch, Seq},
    wire::{CloseReason, Entered, LogItem, Refusal, Reply},
};

impl Machine {
    /// Proves the epoch to the relay, unless that was done on this connection.
    pub(super) fn enter(&mut self) {
        if let Phase::Inside(session) = &self.phase {
            self.sync.enter(&mut self.cx, session);
        }
    }

    /// Handles the reply to a proof.
    pub(super) fn on_entered(
        &mut self,
        ticket: Ticket,
        epoch: Epoch,
        result: Result<Reply, Refusal>,
    ) {
        let Phase::Inside(session) = &self.phase else {
            return self.on_joining_reply(PendingRequest::Enter(epoch), result);
        };
        if !self.sync.is_last_proof(session, ticket, epoch) {
            // The reply to the last one is in flight.
            return;
        }
        match result {
            Ok(Reply::Entered(entered)) if entered.current >= epoch => {
                self.on_admitted(epoch, &entered);
            }
            Ok(_) => self.sync.on_inconsistency(&mut self.cx),
            Err(Refusal::NotAdmitted) => {
                let outcome = self.sync.on_proof_refused(&mut self.cx, session);
                self.exit_if(outcome);
            }
            Err(refusal) => self.sync.prove_later(&mut self.cx, refusal.retry_after()),
        }
    }

    /// Handles the admission to `epoch`: merges the join that has led to it, and reads on.
    fn on_admitted(&mut self, epoch: Epoch, entered: &Entered) {
        let was_staged = self.sync.has_staged();
        if let Phase::Inside(session) = &mut self.phase {
            match self.sync.merge_staged(&mut self.cx, session, &mut self.outbox) {
                Ok(step) => self.on_step(step),
                Err(exit) => self.exit(exit),
            }
        }
        let Phase::Inside(session) = &self.phase else { return };
        let (cx, outbox) = (&mut self.cx, &mut self.outbox);
        if !self.sync.on_admitted(cx, session, outbox, (epoch, entered), was_staged) {
            return;
        }
        if was_staged {
            self.follow();
        }
        if self.is_inside() {
            self.sync.read_on(&mut self.cx, entered.head);
        }
    }

    /// Handles the reply to a read.
    pub(super) fn on_page(&mut self, result: Result<Reply, Refusal>) {
        self.sync.on_read_reply();
        if !self.is_inside() {
            return;
        }
        let page = match result {
            Ok(Reply::Page(page)) => page,
            Ok(_) => return self.sync.on_inconsistency(&mut self.cx),
            // The proof is repeated, and the read with it.
            Err(refusal) => return self.sync.prove_later(&mut self.cx, refusal.retry_after()),
        };
        let Some(page) = self.sync.take_page(&mut self.cx, page) else {
            return;
        };
        self.follow();
        if let Phase::Inside(session) = &self.phase {
            let outcome = self.sync.after_page(&mut self.cx, session, &self.outbox, &page);
            self.exit_if(outcome);
        }
    }

    /// Handles an entry that the relay delivered as an event.
    pub(super) fn on_entry(&mut self, item: LogItem) {
        if !self.sync.take_entry(&mut self.cx, item) {
            return;
        }
        self.follow();
        if self.is_inside() {
            self.sync.fill_gap(&mut self.cx);
        }
    }

    /// Applies every entry whose turn has come.
    fn follow(&mut self) {
        while let Phase::Inside(session) = &mut self.phase {
            match self.sync.apply_next(&mut self.cx, session, &mut self.outbox) {
                Some(Ok(step)) => self.on_step(step),
                Some(Err(exit)) => self.exit(exit),
                None => return,
            }
        }
    }

    /// Handles the void of the entry at `seq`; the room continues in `epoch`.
    pub(super) fn on_voided(&mut self, seq: Seq, epoch: Epoch) {
        if let Phase::Inside(session) = &self.phase {
            let (cx, outbox) = (&mut self.cx, &mut self.outbox);
            let outcome = self.sync.on_voided(cx, session, outbox, (seq, epoch));
            self.exit_if(outcome);
        }
    }

    /// Handles the reply to a request to void an entry, or for the room's current epoch.
    pub(super) fn on_void_reply(&mut self, asked: PendingRequest, result: &Result<Reply, Refusal>) {
        let Phase::Inside(session) = &self.phase else { return };
        let cx = &mut self.cx;
        let outcome = match asked {
            PendingRequest::Void => self.sync.on_void_reply(cx, result),
            PendingRequest::TakeBack => self.sync.on_take_back_reply(cx, session, result),
            _ => self.sync.on_current_epoch(cx, session, result),
        };
        self.exit_if(outcome);
    }

    /// Handles the reply to an append.
    pub(super) fn on_appended(&mut self, ticket: Ticket, result: Result<Reply, Refusal>) {
        match self.outbox.on_append_reply(&self.cx, ticket, result) {
            AppendReply::Accepted(seq) if seq <= self.sync.cursor() => {
                let (cx, outbox) = (&mut self.cx, &mut self.outbox);
                match self.sync.on_own_entry_left_log(cx, outbox, seq) {
                    Ok(step) => self.on_step(step),
                    Err(exit) => self.exit(exit),
                }
            }
            AppendReply::Settled | AppendReply::Accepted(_) => {}
            AppendReply::Inconsistent => self.sync.on_inconsistency(&mut self.cx),
            AppendReply::Refused(refusal) => self.on_append_refused(refusal),
        }
    }

    fn on_append_refused(&mut self, refusal: Refusal) {
        let Phase::Inside(session) = &mut self.phase else { return };
        match self.outbox.on_append_refused(&mut self.cx, session, refusal) {
            AfterRefusal::Next => {}
            AfterRefusal::Inconsistent => self.sync.on_inconsistency(&mut self.cx),
            AfterRefusal::Read => self.sync.read(&mut self.cx),
            AfterRefusal::Resync(at_least) => self.sync.resync(&mut self.cx, at_least),
        }
    }

    /// Handles the reply to a look at the door, by which it is checked.
    pub(super) fn on_door_inspected(&mut self, epoch: Epoch, result: &Result<Reply, Refusal>) {
        if let Phase::Inside(session) = &mut self.phase {
            self.upkeep.on_door(&mut self.cx, session, &mut self.outbox, epoch, result);
        }
    }

    /// Requests the end of the room, if its owner wants that.
    pub(super) fn request_close(&mut self) {
        if let Phase::Inside(session) = &self.phase {
            let is_broken = self.sync.is_broken();
            self.upkeep.leave.request_close(&mut self.cx, session, &self.outbox, is_broken);
        }
    }

    /// Handles the reply to that request, which is repeated until the room has ended.
    pub(super) fn on_closed(&mut self, result: &Result<Reply, Refusal>) {
        match result {
            Ok(_) => self.end(Ended::Closed(CloseReason::Owner)),
            Err(refusal) => self.sync.resync(&mut self.cx, refusal.retry_after()),
        }
    }

    pub(super) fn exit_if(&mut self, outcome: Result<(), Exit>) {
        if let Err(exit) = outcome {
            self.exit(exit);
        }
    }

    /// Stops following the log.
    fn exit(&mut self, exit: Exit) {
        match exit {
            Exit::End(ended) => self.end(ended),
            Exit::Rejoin => self.rejoin(None, None),
            Exit::RejoinAfterVoid { epoch, context } => {
                self.rejoin(Some(epoch), context.map(|context| (epoch, context)));
            }
        }
    }
}
