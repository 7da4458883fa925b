//! Sealing queued jobs and requesting their append, one at a time.

use std::time::Duration;

use crate::room::{
    Machine, RoomEvent, SendFailure, Trouble,
    context::{PendingRequest, Ticket},
    phase::Phase,
    sending::outbox::{InFlight, Job, Sealed},
};
use crate::{
    retention::Retention,
    session::{Content, Envelope, SessionError},
    time::Timestamp,
    wire::{Refusal, Reply, Request},
};

/// An accepted entry is delivered within this time; otherwise this guest re-synchronises.
const OVERDUE: Duration = Duration::from_secs(10);

impl Machine {
    /// Sends the next job, if nothing is in flight and the room is in sync.
    pub(crate) fn push(&mut self, now: Timestamp) {
        if !self.progress.synced || self.rejected.is_some() || self.cx.link.retry_at.is_some() {
            return;
        }
        let expired = self.outbox.expire(now);
        self.cx.emit_failures(expired);
        while self.cx.link.up {
            if self.outbox.flight.is_none() {
                let Some(job) = self.outbox.queue.pop_front() else {
                    return;
                };
                let id = job.id().unwrap_or_else(|| self.cx.new_message_id());
                self.outbox.flight = Some(InFlight {
                    job,
                    id,
                    retention: Retention::Live,
                    sealed: None,
                    accepted: None,
                    overdue: None,
                    asked_at: now,
                    asked: None,
                    stale: None,
                    unknown: false,
                });
            }
            let Err(why) = self.launch(now) else {
                return;
            };
            let own = |flight: &InFlight| matches!(flight.job, Job::Change(None, _));
            let fails = matches!(why, SessionError::Internal | SessionError::TooLong { .. });
            if fails && self.outbox.flight.as_ref().is_some_and(own) {
                self.cx.emit(RoomEvent::Trouble(Trouble::CannotCommit));
            }
            let impossible = self.outbox.abandon(SendFailure::Impossible);
            self.cx.emit_failures(impossible);
        }
    }

    /// Seals the job in flight, unless it is sealed for this epoch already, and requests its
    /// append. Returns an error when the job cannot be done at all.
    fn launch(&mut self, now: Timestamp) -> Result<(), SessionError> {
        let Phase::Inside(session) = &mut self.phase else {
            return Ok(());
        };
        let Some(flight) = &mut self.outbox.flight else {
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
            self.outbox.retire();
            return self.seal_and_append(now);
        }
        self.send_append(now);
        Ok(())
    }

    fn seal_and_append(&mut self, now: Timestamp) -> Result<(), SessionError> {
        let Phase::Inside(session) = &mut self.phase else {
            return Ok(());
        };
        let Some(flight) = &mut self.outbox.flight else {
            return Ok(());
        };
        let room = session.settings().retention;
        let wanted = match &flight.job {
            Job::Send { retention, .. }
            | Job::Whisper { retention, .. }
            | Job::Custom { retention, .. } => room.keep(*retention, self.cx.guest_retention),
            Job::Leaving => room.max(),
            Job::LeavingNow => Retention::Live,
            Job::Typing | Job::Here | Job::Change(..) => Retention::Live,
        };
        let content = match &flight.job {
            Job::Change(_, change) => {
                session.discard();
                let outgoing = session.propose(change.clone(), &mut self.cx.rng)?;
                flight.sealed = Some(Sealed::new(outgoing.entry, Some(outgoing.next)));
                self.send_append(now);
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
                session.whisper(to.id, &Content::Text(text.clone()), &mut self.cx.rng)
            }
            Job::Custom { kind, body, .. } => {
                Ok(Content::Custom { kind: *kind, body: body.clone() })
            }
            Job::Typing => Ok(Content::Typing),
            Job::Here => Ok(Content::Here),
            Job::Leaving | Job::LeavingNow => session.leave_statement().map(Content::Leaving),
        };
        flight.retention = wanted;
        let envelope = |content| Envelope { id: flight.id, counter: self.outbox.counter, content };
        let entry = session.seal(&envelope(content?), wanted, &mut self.cx.rng)?;
        flight.sealed = Some(Sealed::new(entry, None));
        self.send_append(now);
        Ok(())
    }

    fn send_append(&mut self, now: Timestamp) {
        let flight = self.outbox.flight.as_ref();
        let Some(Sealed { entry, next, .. }) = flight.and_then(|flight| flight.sealed.clone())
        else {
            return;
        };
        let request = Request::Publish { address: self.cx.address, entry, next };
        let ticket = self.cx.send_request(PendingRequest::Append, request);
        if let Some(flight) = &mut self.outbox.flight {
            flight.asked = Some(ticket);
            flight.asked_at = now;
        }
    }

    /// Handles the reply to an append.
    pub(crate) fn on_appended(
        &mut self,
        now: Timestamp,
        ticket: Ticket,
        result: Result<Reply, Refusal>,
    ) {
        let Some(flight) = &mut self.outbox.flight else {
            return;
        };
        if flight.asked != Some(ticket) {
            // The entry was delivered before the reply: it is settled already.
            return;
        }
        flight.asked = None;
        match result {
            Ok(Reply::Accepted { seq }) => {
                flight.accepted = Some(seq);
                flight.overdue = Some(now.saturating_add(OVERDUE));
                if seq <= self.log.cursor() {
                    self.on_own_entry_left_log(now, seq);
                }
            }
            Ok(_) => {
                flight.unknown = true;
                self.on_inconsistency();
            }
            Err(refusal) => self.on_append_refused(refusal),
        }
    }

    fn on_append_refused(&mut self, refusal: Refusal) {
        let (Phase::Inside(session), Some(flight)) = (&mut self.phase, &mut self.outbox.flight)
        else {
            return;
        };
        match refusal {
            Refusal::StaleEpoch { current } => {
                let sealed_for = flight.sealed.as_ref().map(|sealed| sealed.entry.epoch);
                if sealed_for == Some(current) {
                    self.on_inconsistency();
                } else if current != session.epoch() {
                    flight.stale = sealed_for;
                    self.read();
                }
            }
            Refusal::NotAdmitted | Refusal::Busy { .. } => {
                self.resync(refusal.retry_after());
            }
            Refusal::Unavailable => {
                flight.unknown = true;
                self.resync(None);
            }
            Refusal::Full if matches!(flight.job, Job::Leaving) => flight.job = Job::LeavingNow,
            refusal => {
                session.discard();
                if refusal == Refusal::ReadOnly {
                    self.cx.emit(RoomEvent::Trouble(Trouble::ReadOnly));
                }
                let refused = self.outbox.abandon(SendFailure::Refused(refusal));
                self.cx.emit_failures(refused);
            }
        }
    }
}
