//! What waits to be said, and the one append that is in flight.
//!
//! One append at a time: the next counter is given only when the one before is settled, so what
//! one member says is in order for everybody, and a refusal leaves no gap.

use std::{collections::VecDeque, ops::RangeInclusive, time::Duration};

use super::{MessageText, SendFailure, machine::Ticket};
use crate::{
    id::{Epoch, MessageId, Seq},
    retention::Retention,
    secret::Payload,
    session::{Change, Member},
    time::Timestamp,
    wire::{Entry, EntryDigest, NextEpoch},
};

/// Own entries that are remembered after they were settled or sealed again.
const MAX_FORMER: usize = 64;
/// How long something live may wait for the connection.
const MAX_LIVE_WAIT: Duration = Duration::from_secs(60);

/// Something to be said or done.
pub(super) enum Job {
    Send {
        id: MessageId,
        text: MessageText,
        retention: Retention,
        queued: Timestamp,
    },
    Whisper {
        id: MessageId,
        to: Member,
        text: MessageText,
        retention: Retention,
        queued: Timestamp,
    },
    Custom {
        id: MessageId,
        kind: u16,
        body: Payload,
        retention: Retention,
        queued: Timestamp,
    },
    Typing,
    Here,
    Leaving,
    /// Leaving a room that is too full to keep the statement.
    LeavingNow,
    /// A commit; without a name when it is nobody's wish in particular.
    Change(Option<MessageId>, Change),
}

impl Job {
    pub(super) const fn id(&self) -> Option<MessageId> {
        match self {
            Self::Send { id, .. } | Self::Whisper { id, .. } | Self::Custom { id, .. } => Some(*id),
            Self::Change(id, _) => *id,
            Self::Typing | Self::Here | Self::Leaving | Self::LeavingNow => None,
        }
    }

    /// When it is no longer worth sending. "Now" is over soon, too.
    fn expires(&self) -> Option<Timestamp> {
        match self {
            Self::Send { retention, queued, .. }
            | Self::Whisper { retention, queued, .. }
            | Self::Custom { retention, queued, .. } => {
                let waits = if retention.is_live() { MAX_LIVE_WAIT } else { retention.lifetime() };
                Some(queued.saturating_add(waits))
            }
            _ => None,
        }
    }
}

/// The append in flight.
pub(super) struct InFlight {
    pub(super) job: Job,
    pub(super) id: MessageId,
    pub(super) retention: Retention,
    /// As sealed last; `None` when it must be sealed (again).
    pub(super) sealed: Option<Sealed>,
    /// The place the relay named.
    pub(super) accepted: Option<Seq>,
    /// When its entry should have come back.
    pub(super) overdue: Option<Timestamp>,
    /// When its append was asked for last.
    pub(super) asked_at: Timestamp,
    /// The request under way.
    pub(super) asked: Option<Ticket>,
    /// The relay said that this epoch has ended: the next one is on its way.
    pub(super) stale: Option<Epoch>,
    /// It was sent and may have been accepted without this guest's knowing.
    pub(super) unknown: bool,
}

#[derive(Clone)]
pub(super) struct Sealed {
    pub(super) entry: Entry,
    pub(super) digest: EntryDigest,
    pub(super) next: Option<NextEpoch>,
}

impl Sealed {
    pub(super) fn new(entry: Entry, next: Option<NextEpoch>) -> Self {
        Self { digest: entry.digest(), entry, next }
    }
}

/// An own entry that was settled or sealed again.
pub(super) struct Former {
    digest: EntryDigest,
    /// Where it stands in the log, once that is known.
    seq: Option<Seq>,
}

/// Whether an entry of the log is one of this guest's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// The one in flight.
    InFlight,
    /// One that was settled or sealed again, at the one place where it can stand.
    Former,
    /// A copy of one, at another place: only its author or the relay's log has it once.
    Copy,
    /// Of another author, whatever its nonce.
    No,
}

/// Something that will not be sent, and why.
pub(super) type GivenUp = (MessageId, SendFailure);

/// What waits and what is in flight.
#[derive(Default)]
pub(super) struct Outbox {
    pub(super) queue: VecDeque<Job>,
    pub(super) flight: Option<InFlight>,
    pub(super) former: VecDeque<Former>,
    pub(super) counter: u64,
    pub(super) entered: bool,
}

impl Outbox {
    /// The guest is in the room.
    pub(super) const fn enter(&mut self) {
        self.entered = true;
    }

    /// Whether the guest was in the room before.
    pub(super) const fn has_entered(&self) -> bool {
        self.entered
    }

    pub(super) fn push(&mut self, job: Job) {
        self.queue.push_back(job);
    }

    /// Before everything else that waits.
    pub(super) fn push_first(&mut self, job: Job) {
        self.queue.push_front(job);
    }

    pub(super) fn waiting(&self) -> usize {
        self.queue.len() + usize::from(self.flight.is_some())
    }

    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.flight.is_none()
    }

    /// What was asked for and is not known to stand in the log.
    pub(super) fn unsent(&self) -> impl Iterator<Item = GivenUp> {
        let flight = self.flight.as_ref().filter(|flight| flight.accepted.is_none());
        let flying = flight.and_then(|flight| {
            let unknown = flight.unknown || flight.asked.is_some();
            let why = if unknown { SendFailure::Unknown } else { SendFailure::Impossible };
            flight.job.id().map(|id| (id, why))
        });
        let queued = self.queue.iter().filter_map(Job::id);
        flying.into_iter().chain(queued.map(|id| (id, SendFailure::Impossible)))
    }

    /// Somebody else began the next epoch: fresh keys, if that was all there was to be, are there.
    pub(super) fn drop_refreshes(&mut self) {
        let renews = |job: &Job| matches!(job, Job::Change(None, Change::Refresh));
        self.queue.retain(|job| !renews(job));
        if self.flight.as_ref().is_some_and(|flight| renews(&flight.job)) {
            self.retire();
            self.flight = None;
        }
    }

    /// Whether fresh keys, and nothing else, are waiting to be committed.
    pub(super) fn has_refresh(&self) -> bool {
        let flying = self.flight.iter().map(|flight| &flight.job);
        self.queue.iter().chain(flying).any(|job| matches!(job, Job::Change(None, Change::Refresh)))
    }

    /// The connection was cut: whatever was sent may have been accepted.
    pub(super) fn outcome_unknown(&mut self) {
        if let Some(flight) = &mut self.flight
            && flight.asked.take().is_some()
        {
            flight.unknown = true;
        }
    }

    /// The session is a new one: what was sealed for the old one is of no use.
    pub(super) fn new_session(&mut self) {
        self.retire();
    }

    /// Whether what stands at `seq` is this guest's own: recognised by every byte of it, since a
    /// nonce alone can be chosen by any member.
    pub(super) fn own(&mut self, digest: &EntryDigest, seq: Seq) -> Own {
        let sealed = self.flight.as_ref().and_then(|flight| flight.sealed.as_ref());
        if sealed.is_some_and(|sealed| sealed.digest == *digest) {
            return Own::InFlight;
        }
        let Some(former) = self.former.iter_mut().find(|former| former.digest == *digest) else {
            return Own::No;
        };
        if *former.seq.get_or_insert(seq) == seq { Own::Former } else { Own::Copy }
    }

    /// The place that was named, if it is one of these.
    pub(super) fn accepted_in(&self, seqs: &RangeInclusive<Seq>) -> Option<Seq> {
        self.flight.as_ref()?.accepted.filter(|seq| seqs.contains(seq))
    }

    /// Whether the place that was named is beyond `head`, where the log ends: nothing was
    /// accepted, then.
    pub(super) fn accepted_after(&mut self, head: Seq) -> bool {
        let beyond = self.flight.as_ref().and_then(|flight| flight.accepted) > Some(head);
        if beyond {
            self.not_accepted();
        }
        beyond
    }

    /// Whatever the relay said, the entry does not stand in the log: it is to be sent again.
    pub(super) const fn not_accepted(&mut self) {
        if let Some(flight) = &mut self.flight {
            flight.accepted = None;
            flight.overdue = None;
            flight.unknown = true;
        }
    }

    /// What stood at `seq` was taken back.
    pub(super) fn not_accepted_at(&mut self, seq: Seq) {
        if self.accepted_in(&(seq..=seq)).is_some() {
            self.not_accepted();
        }
    }

    /// Whether what is in flight, once accepted, must still stand in the log; with a margin, since
    /// no two clocks agree.
    pub(super) fn is_to_be_kept(&self, now: Timestamp) -> bool {
        let ends =
            |flight: &InFlight| flight.asked_at.saturating_add(flight.retention.lifetime() / 2);
        self.flight.as_ref().is_some_and(|flight| ends(flight) > now)
    }

    /// Whether an accepted entry has not come back for too long; true once.
    pub(super) fn is_overdue(&mut self, now: Timestamp) -> bool {
        let overdue = self.flight.as_mut().and_then(|flight| {
            let accepted = flight.accepted.is_some();
            flight.overdue.take_if(|at| accepted && *at <= now)
        });
        overdue.is_some()
    }

    pub(super) fn change_in_flight(&self) -> bool {
        self.flight.as_ref().is_some_and(|flight| matches!(flight.job, Job::Change(..)))
    }

    /// The room is in the epoch it was said to have left.
    pub(super) const fn not_stale(&mut self) {
        if let Some(flight) = &mut self.flight {
            flight.stale = None;
        }
    }

    /// Whether the append waits for the end of `epoch`.
    pub(super) fn is_stale(&self, epoch: Epoch) -> bool {
        self.flight.as_ref().is_some_and(|flight| flight.stale == Some(epoch))
    }

    /// Somebody else began the next epoch: a change of one's own must be made again.
    pub(super) fn reseal_change(&mut self) {
        if self.change_in_flight() {
            self.retire();
        }
    }

    /// Remembers what was sealed by its digest, and forgets the rest of it.
    pub(super) fn retire(&mut self) {
        self.retire_at(None);
    }

    /// The same of an entry that stands at `seq`.
    fn retire_at(&mut self, seq: Option<Seq>) {
        let Some(flight) = &mut self.flight else {
            return;
        };
        let Some(sealed) = flight.sealed.take() else {
            return;
        };
        if self.former.len() == MAX_FORMER {
            self.former.pop_front();
        }
        self.former.push_back(Former { digest: sealed.digest, seq });
        // What was accepted, or may have been, may have been heard under its counter.
        flight.unknown |= flight.accepted.is_some() || flight.asked.is_some();
        flight.accepted = None;
        flight.overdue = None;
    }

    /// The job in flight is done.
    pub(super) fn settle(&mut self, seq: Seq) -> Option<(Job, Retention)> {
        self.retire_at(Some(seq));
        let flight = self.flight.take()?;
        if !matches!(flight.job, Job::Change(..)) {
            self.counter += 1;
        }
        Some((flight.job, flight.retention))
    }

    /// The job in flight will not be done. If it may have been accepted all the same, a sign of
    /// life takes its name and counter: who has heard it drops that, and nobody misses anything.
    ///
    /// Gives its name and `why` it is given up, or that nobody knows what became of it.
    pub(super) fn abandon(&mut self, why: SendFailure) -> Option<GivenUp> {
        self.retire();
        let mut flight = self.flight.take()?;
        let why = if flight.unknown { SendFailure::Unknown } else { why };
        let given_up = flight.job.id().map(|id| (id, why));
        if matches!(flight.job, Job::Here) {
            // The sign of life that cannot be sent: its counter must not be used again.
            self.counter += u64::from(flight.unknown);
        } else if flight.unknown && !matches!(flight.job, Job::Change(..)) {
            flight.job = Job::Here;
            flight.asked = None;
            self.flight = Some(flight);
        }
        given_up
    }

    /// Drops what is no longer worth sending, and names it.
    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<GivenUp> {
        let due = |job: &Job| job.expires().is_some_and(|at| at <= now);
        let late = |id| (id, SendFailure::Expired);
        let mut expired: Vec<_> =
            self.queue.iter().filter(|job| due(job)).filter_map(Job::id).map(late).collect();
        self.queue.retain(|job| !due(job));
        let waits = |flight: &InFlight| flight.accepted.is_none();
        if self.flight.as_ref().is_some_and(|flight| waits(flight) && due(&flight.job)) {
            expired.extend(self.abandon(SendFailure::Expired));
        }
        expired
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let flight = self.flight.as_ref().filter(|flight| flight.accepted.is_none());
        let overdue = self.flight.as_ref().and_then(|flight| flight.overdue);
        let expiries = self.queue.iter().chain(flight.map(|flight| &flight.job));
        expiries.filter_map(Job::expires).chain(overdue).min()
    }
}
