//! Leaving a room in order, and committing the leaves of other members.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    id::MemberId,
    room::{
        Ended,
        context::{Context, PendingRequest},
        sending::outbox::{Job, Outbox},
    },
    session::{Change, LeaveStatement, MAX_LEAVES, Session},
    time::Timestamp,
    wire::Request,
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
    /// The owner has requested the end of the room.
    closing: bool,
    /// Until when closing the room waits for messages queued before.
    flush_until: Option<Timestamp>,
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

    /// Whether the owner has requested the end of the room.
    pub(crate) const fn is_closing(&self) -> bool {
        self.closing
    }

    /// Returns when this guest gives up waiting for the relay.
    pub(crate) const fn leave_deadline(&self) -> Option<Timestamp> {
        self.own
    }

    /// Returns when closing the room stops waiting for messages queued before.
    pub(crate) const fn flush_deadline(&self) -> Option<Timestamp> {
        self.flush_until
    }

    /// Clears the flush deadline, which has passed.
    pub(crate) const fn stop_flushing(&mut self) {
        self.flush_until = None;
    }

    /// Leaves the room with a leave statement, if that `can_be_sent`. The statement is sent even
    /// when this guest knows of no other member: if a join was not read yet, the relay refuses the
    /// statement, and it is sealed again for the epoch of that join.
    ///
    /// Returns the end of the room, if it ends at once.
    pub(crate) fn leave(
        &mut self,
        cx: &Context,
        outbox: &mut Outbox,
        can_be_sent: bool,
    ) -> Option<Ended> {
        let deadline = cx.now.saturating_add(LEAVE_TIMEOUT);
        if self.closing {
            // Closing takes precedence: a room that its owner has closed is not left open.
            self.own.get_or_insert(deadline);
            return None;
        }
        if !can_be_sent {
            return Some(Ended::Left);
        }
        if !self.is_leaving() {
            self.own = Some(deadline);
            outbox.push(Job::Leaving);
        }
        None
    }

    /// Starts closing the room; the relay is asked once the owner's queued messages are accepted.
    pub(crate) fn begin_to_close(&mut self, now: Timestamp) {
        if !self.closing {
            self.closing = true;
            self.flush_until = Some(now.saturating_add(FLUSH_TIMEOUT));
        }
    }

    /// Requests the end of the room, if the owner wants that, the connection is up, and no message
    /// queued before is unsent, or the flush deadline has passed. A room that `is_broken` accepts
    /// no message. The request is repeated until the room has ended.
    pub(crate) fn request_close(
        &self,
        cx: &mut Context,
        session: &Session,
        outbox: &Outbox,
        is_broken: bool,
    ) {
        let is_pending = cx.pending().any(|asked| asked == PendingRequest::Close);
        if !self.closing || !cx.link.up || is_pending || cx.link.retry_at.is_some() {
            return;
        }
        let has_unsent = !is_broken && outbox.unsent().next().is_some();
        if has_unsent && self.flush_until.is_some() {
            return;
        }
        if let Some(owner) = session.owner_token().ok().flatten() {
            let address = cx.address;
            cx.send_request(PendingRequest::Close, Request::Close { address, owner });
        }
    }

    /// Handles a leave statement. Every member may commit it; members further down the roster wait
    /// longer, so that usually only one does.
    pub(crate) fn on_leave_statement(
        &mut self,
        cx: &mut Context,
        session: &Session,
        statement: LeaveStatement,
    ) {
        let me = session.me();
        let rank = session.members().iter().position(|member| member.id == me).unwrap_or(0);
        let rank = u64::try_from(rank).unwrap_or(u64::MAX).min(60);
        let wait = Duration::from_millis(rank * 150 + cx.random_below(100));
        let leaving = Leaving { statement, at: cx.now.saturating_add(wait) };
        self.others.insert(leaving.statement.member(), leaving);
    }

    /// Drops the statements of members that are gone, or in another stay.
    pub(crate) fn drop_void(&mut self, session: &Session) {
        self.others.retain(|_, leaving| session.accepts_leave(&leaving.statement));
    }

    /// Returns when the next leave of another member is to be committed.
    pub(crate) fn commit_due(&self) -> Option<Timestamp> {
        self.others.values().map(|leaving| leaving.at).min()
    }

    /// Queues a commit of the leaves that are due.
    pub(crate) fn commit(&mut self, now: Timestamp, outbox: &mut Outbox) {
        outbox.push(Job::Change(None, Change::CarryOut(self.take_due(now))));
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
