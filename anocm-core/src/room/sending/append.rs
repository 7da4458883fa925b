//! Sealing queued jobs and requesting their append, one at a time.

use std::time::Duration;

use super::outbox::{InFlight, Job, Outbox, Sealed};
use crate::{
    id::Seq,
    retention::Retention,
    room::{
        RoomEvent, SendFailure, Trouble,
        context::{Context, PendingRequest, Ticket},
    },
    session::{Content, Envelope, Session, SessionError},
    wire::{Refusal, Reply, Request},
};

/// An accepted entry is delivered within this time; otherwise this guest re-synchronises.
const OVERDUE: Duration = Duration::from_secs(10);

/// What the reply to an append means for the rest of the room.
#[derive(Debug)]
pub(crate) enum AppendReply {
    /// Nothing: the entry was delivered before, and is settled already.
    Settled,
    /// The relay has accepted the entry at this sequence number.
    Accepted(Seq),
    /// A reply of the wrong kind.
    Inconsistent,
    Refused(Refusal),
}

/// What has to be done after a refused append.
#[derive(Debug)]
pub(crate) enum AfterRefusal {
    /// Nothing but the next job.
    Next,
    /// The relay contradicts itself.
    Inconsistent,
    /// The epoch has ended: the commit that ended it is to be read.
    Read,
    /// The epoch is to be proven again, no sooner than after this.
    Resync(Option<Duration>),
}

impl Outbox {
    /// Sends the next job, if nothing is in flight.
    pub(crate) fn send_next(&mut self, cx: &mut Context, session: &mut Session) {
        let expired = self.expire(cx.now);
        cx.emit_failures(expired);
        while cx.link.up {
            if self.flight.is_none() {
                let Some(job) = self.queue.pop_front() else {
                    return;
                };
                let id = job.id().unwrap_or_else(|| cx.new_message_id());
                self.flight = Some(InFlight::new(job, id, cx.now));
            }
            let Err(why) = self.launch(cx, session) else {
                return;
            };
            let own = |flight: &InFlight| matches!(flight.job, Job::Change(None, _));
            let fails = matches!(why, SessionError::Internal | SessionError::TooLong { .. });
            if fails && self.flight.as_ref().is_some_and(own) {
                cx.emit(RoomEvent::Trouble(Trouble::CannotCommit));
            }
            cx.emit_failures(self.abandon(SendFailure::Impossible));
        }
    }

    /// Seals the job in flight, unless it is sealed for this epoch already, and requests its
    /// append. Returns an error when the job cannot be done at all.
    fn launch(&mut self, cx: &mut Context, session: &mut Session) -> Result<(), SessionError> {
        let Some(flight) = &mut self.flight else {
            return Ok(());
        };
        let stale = flight.stale == Some(session.epoch());
        if flight.asked.is_some() || flight.accepted.is_some() || stale {
            return Ok(());
        }
        let is_change = matches!(flight.job, Job::Change(..));
        let fits = |sealed: &Sealed| sealed.entry.epoch == session.epoch();
        // A commit is sent again unchanged, so that either copy is recognised as this guest's own.
        // A message is sealed again: receivers drop the duplicate.
        if !(is_change && flight.sealed.as_ref().is_some_and(fits)) {
            self.retire();
            self.seal(cx, session)?;
        }
        self.request_append(cx);
        Ok(())
    }

    /// Seals the job in flight.
    fn seal(&mut self, cx: &mut Context, session: &mut Session) -> Result<(), SessionError> {
        let Some(flight) = &mut self.flight else {
            return Ok(());
        };
        let room = session.settings().retention;
        let wanted = match &flight.job {
            Job::Send { retention, .. }
            | Job::Whisper { retention, .. }
            | Job::Custom { retention, .. } => room.keep(*retention, cx.guest_retention),
            Job::Leaving => room.max(),
            Job::LeavingNow => Retention::Live,
            Job::Typing | Job::Here | Job::Change(..) => Retention::Live,
        };
        let content = match &flight.job {
            Job::Change(_, change) => {
                session.discard();
                let bundle = session.propose(change.clone(), &mut cx.rng)?;
                flight.sealed = Some(Sealed::new(bundle.entry, Some(bundle.next)));
                return Ok(());
            }
            Job::Send { text, .. } => Ok(Content::Text(text.clone())),
            // Another guest may have chosen this id by now.
            Job::Whisper { to, .. }
                if session.member(to.id).is_none_or(|now| now.key != to.key) =>
            {
                Err(SessionError::NoSuchMember)
            }
            Job::Whisper { to, text, .. } => {
                session.whisper(to.id, &Content::Text(text.clone()), &mut cx.rng)
            }
            Job::Custom { kind, body, .. } => {
                Ok(Content::Custom { kind: *kind, body: body.clone() })
            }
            Job::Typing => Ok(Content::Typing),
            Job::Here => Ok(Content::Here),
            Job::Leaving | Job::LeavingNow => session.leave_statement().map(Content::Leaving),
        };
        flight.retention = wanted;
        let envelope = Envelope { id: flight.id, counter: self.counter, content: content? };
        let entry = session.seal(&envelope, wanted, &mut cx.rng)?;
        flight.sealed = Some(Sealed::new(entry, None));
        Ok(())
    }

    fn request_append(&mut self, cx: &mut Context) {
        let Some(flight) = &mut self.flight else {
            return;
        };
        let Some(Sealed { entry, next, .. }) = flight.sealed.clone() else {
            return;
        };
        let request = Request::Publish { address: cx.address, entry, next };
        flight.asked = Some(cx.send_request(PendingRequest::Append, request));
        flight.asked_at = cx.now;
    }

    /// Handles the reply to an append.
    pub(crate) fn on_append_reply(
        &mut self,
        cx: &Context,
        ticket: Ticket,
        result: Result<Reply, Refusal>,
    ) -> AppendReply {
        let Some(flight) = self.flight.as_mut().filter(|flight| flight.asked == Some(ticket))
        else {
            return AppendReply::Settled;
        };
        flight.asked = None;
        match result {
            Ok(Reply::Accepted { seq }) => {
                flight.accepted = Some(seq);
                flight.overdue = Some(cx.now.saturating_add(OVERDUE));
                AppendReply::Accepted(seq)
            }
            Ok(_) => {
                flight.unknown = true;
                AppendReply::Inconsistent
            }
            Err(refusal) => AppendReply::Refused(refusal),
        }
    }

    /// Handles a refused append.
    pub(crate) fn on_append_refused(
        &mut self,
        cx: &mut Context,
        session: &mut Session,
        refusal: Refusal,
    ) -> AfterRefusal {
        let Some(flight) = &mut self.flight else {
            return AfterRefusal::Next;
        };
        match refusal {
            Refusal::StaleEpoch { current } => {
                let sealed_for = flight.sealed.as_ref().map(|sealed| sealed.entry.epoch);
                if sealed_for == Some(current) {
                    return AfterRefusal::Inconsistent;
                }
                if current != session.epoch() {
                    flight.stale = sealed_for;
                    return AfterRefusal::Read;
                }
            }
            Refusal::NotAdmitted | Refusal::Busy { .. } => {
                return AfterRefusal::Resync(refusal.retry_after());
            }
            Refusal::Unavailable => {
                flight.unknown = true;
                return AfterRefusal::Resync(None);
            }
            Refusal::Full if matches!(flight.job, Job::Leaving) => flight.job = Job::LeavingNow,
            refusal => {
                session.discard();
                if refusal == Refusal::ReadOnly {
                    cx.emit(RoomEvent::Trouble(Trouble::ReadOnly));
                }
                cx.emit_failures(self.abandon(SendFailure::Refused(refusal)));
            }
        }
        AfterRefusal::Next
    }
}
