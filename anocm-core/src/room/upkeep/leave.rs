//! Leaving a room in order, and committing the leaves of other members.

use std::{collections::BTreeMap, time::Duration};

use crate::room::{Ended, Machine, context::PendingRequest, sending::outbox::Job};
use crate::{
    id::MemberId,
    session::{Change, LeaveStatement, MAX_LEAVES},
    time::Timestamp,
    wire::{CloseReason, Refusal, Reply, Request},
};

/// How long a leaving guest waits for the relay to accept the leave statement.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Delay before a leave that was not committed is committed again.
const RETRY: Duration = Duration::from_secs(30);

/// How long an owner that closes the room waits for its queued messages to be accepted. Shorter
/// than [`LEAVE_TIMEOUT`]: the room is closed before its owner gives up.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// The leaves in progress: this guest's own, and those of other members.
#[derive(Debug, Default)]
pub(crate) struct LeaveState {
    own: Option<Timestamp>,
    /// Until when closing the room waits for messages queued before.
    words_until: Option<Timestamp>,
    others: BTreeMap<MemberId, Leaving>,
}

#[derive(Debug)]
struct Leaving {
    statement: LeaveStatement,
    /// When this guest commits it, unless another member did.
    at: Timestamp,
}

impl LeaveState {
    pub(crate) const fn is_leaving(&self) -> bool {
        self.own.is_some()
    }

    pub(crate) fn member_left(&mut self, member: &MemberId) {
        self.others.remove(member);
    }

    /// Returns when this guest gives up waiting for the relay.
    pub(crate) const fn leave_deadline(&self) -> Option<Timestamp> {
        self.own
    }

    /// Returns when closing the room stops waiting for messages queued before.
    pub(crate) const fn flush_deadline(&self) -> Option<Timestamp> {
        self.words_until
    }

    /// Clears the flush deadline, which has passed.
    pub(crate) const fn stop_flushing(&mut self) {
        self.words_until = None;
    }

    /// Returns when the next leave of another member is to be committed.
    pub(crate) fn commit_due(&self) -> Option<Timestamp> {
        self.others.values().map(|leaving| leaving.at).min()
    }

    /// Returns the statements that are due, as many as one commit can carry. Each stays until it
    /// was committed.
    fn take_due(&mut self, now: Timestamp) -> Vec<LeaveStatement> {
        let due = self.others.values_mut().filter(|leaving| leaving.at <= now);
        due.take(MAX_LEAVES)
            .map(|leaving| {
                leaving.at = now.saturating_add(RETRY);
                leaving.statement.clone()
            })
            .collect()
    }
}

impl Machine {
    /// Leaves the room, with a leave statement if the relay can be reached. The statement is sent
    /// even when this guest knows of no other member: if a join was not read yet, the relay refuses
    /// the statement, and it is sealed again for the epoch of that join.
    pub(crate) fn leave(&mut self, now: Timestamp) {
        if self.closing {
            // Closing takes precedence: a room that its owner has closed is not left open.
            if !self.leave.is_leaving() {
                self.leave.own = Some(now.saturating_add(LEAVE_TIMEOUT));
            }
            return;
        }
        if self.session().is_none() || !self.cx.link.up || self.rejected.is_some() {
            return self.end(Ended::Left);
        }
        if !self.leave.is_leaving() {
            self.leave.own = Some(now.saturating_add(LEAVE_TIMEOUT));
            self.outbox.push(Job::Leaving);
        }
    }

    /// Ends the room for this guest, once the relay has accepted the statement.
    pub(crate) fn finish_leave(&mut self) {
        self.end(Ended::Left);
    }

    /// Starts closing the room; the relay is asked once the owner's queued messages are accepted.
    pub(crate) fn begin_to_close(&mut self, now: Timestamp) {
        if !self.closing {
            self.closing = true;
            self.leave.words_until = Some(now.saturating_add(FLUSH_TIMEOUT));
        }
    }

    /// Requests the end of the room, if the owner wants that, the connection is up, and no message
    /// queued before is unsent, or the flush deadline has passed.
    pub(crate) fn close(&mut self) {
        let asked = self.cx.pending().any(|asked| asked == PendingRequest::Close);
        if !self.closing || !self.cx.link.up || asked || self.cx.link.retry_at.is_some() {
            return;
        }
        let says = self.rejected.is_none() && self.outbox.unsent().next().is_some();
        if says && self.leave.words_until.is_some() {
            return;
        }
        if let Some(owner) = self.session().and_then(|s| s.owner_token().ok().flatten()) {
            self.cx.send_request(
                PendingRequest::Close,
                Request::Close { address: self.cx.address, owner },
            );
        }
    }

    /// Handles the reply to that request, which is repeated until the room has ended.
    pub(crate) fn on_closed(&mut self, now: Timestamp, result: &Result<Reply, Refusal>) {
        match result {
            Ok(_) => self.end(Ended::Closed(CloseReason::Owner)),
            Err(refusal) => self.resync(now, refusal.retry_after()),
        }
    }

    /// Handles a leave statement. Every member may commit it; members further down the roster wait
    /// longer, so that usually only one does.
    pub(crate) fn on_leave_statement(&mut self, now: Timestamp, statement: LeaveStatement) {
        let Some(session) = self.session() else {
            return;
        };
        let me = session.me();
        let rank = session.members().iter().position(|member| member.id == me).unwrap_or(0);
        let rank = u64::try_from(rank).unwrap_or(u64::MAX).min(60);
        let wait = Duration::from_millis(rank * 150 + self.cx.random_below(100));
        let leaving = Leaving { statement, at: now.saturating_add(wait) };
        self.leave.others.insert(leaving.statement.member(), leaving);
    }

    /// Queues a commit of the leaves that are due.
    pub(crate) fn commit_leaves(&mut self, now: Timestamp) {
        let due = self.leave.take_due(now);
        self.outbox.push(Job::Change(None, Change::CarryOut(due)));
    }
}
