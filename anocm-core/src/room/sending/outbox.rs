//! Jobs that wait to be sent, and the one append in flight.
//!
//! One append at a time: the next counter is assigned only when the previous append is settled. So
//! the messages of one member are in order for all members, and a refusal leaves no gap.

use std::{collections::VecDeque, ops::RangeInclusive, time::Duration};

use crate::room::{MessageText, SendFailure, context::Ticket};
use crate::{
    id::{Epoch, MessageId, Seq},
    retention::Retention,
    secret::Payload,
    session::{Change, Member, Session},
    time::Timestamp,
    wire::{Entry, EntryDigest, NextEpoch},
};

/// Most own entries that are remembered after they were settled or sealed again.
const MAX_FORMER: usize = 64;
/// How long a live message may wait for the connection.
const MAX_LIVE_WAIT: Duration = Duration::from_secs(60);

/// An entry or commit to be sent.
pub(crate) enum Job {
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
    /// Leaves a room that is too full to store the statement.
    LeavingNow,
    /// A commit; without an id if this client makes it by itself.
    Change(Option<MessageId>, Change),
}

impl Job {
    pub(crate) const fn id(&self) -> Option<MessageId> {
        match self {
            Self::Send { id, .. } | Self::Whisper { id, .. } | Self::Custom { id, .. } => Some(*id),
            Self::Change(id, _) => *id,
            Self::Typing | Self::Here | Self::Leaving | Self::LeavingNow => None,
        }
    }

    /// Returns when it is no longer worth sending. A live message expires after [`MAX_LIVE_WAIT`].
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
    /// The entry as last sealed; `None` when it must be sealed (again).
    pub(super) sealed: Option<Sealed>,
    /// The sequence number that the relay reported.
    pub(super) accepted: Option<Seq>,
    /// When the entry should have been delivered.
    pub(super) overdue: Option<Timestamp>,
    /// When its append was last requested.
    pub(super) asked_at: Timestamp,
    /// The request in flight.
    pub(super) asked: Option<Ticket>,
    /// The relay reported that this epoch has ended: the next one is to be read.
    pub(super) stale: Option<Epoch>,
    /// It was sent and may have been accepted; the reply was lost.
    pub(super) unknown: bool,
}

impl InFlight {
    pub(super) const fn new(job: Job, id: MessageId, now: Timestamp) -> Self {
        Self {
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
        }
    }
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
struct Former {
    digest: EntryDigest,
    /// Its sequence number in the log, once that is known.
    seq: Option<Seq>,
}

/// Whether an entry of the log is one of this guest's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// The one in flight.
    InFlight,
    /// One that was settled or sealed again, at its only possible sequence number.
    Former,
    /// A copy of one at another sequence number: an entry is in the log only once.
    Copy,
    /// An entry of another author, whatever its nonce.
    No,
}

/// A job that will not be sent, and why.
pub(crate) type GivenUp = (MessageId, SendFailure);

/// The jobs that wait, and the append in flight.
#[derive(Default)]
pub(crate) struct Outbox {
    pub(super) queue: VecDeque<Job>,
    pub(super) flight: Option<InFlight>,
    former: VecDeque<Former>,
    pub(super) counter: u64,
}

impl Outbox {
    pub(crate) fn push(&mut self, job: Job) {
        self.queue.push_back(job);
    }

    /// Queues a job before all others.
    pub(crate) fn push_first(&mut self, job: Job) {
        self.queue.push_front(job);
    }

    pub(crate) fn waiting(&self) -> usize {
        self.queue.len() + usize::from(self.flight.is_some())
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.flight.is_none()
    }

    /// Returns the queued jobs, and the one in flight unless it is known to be in the log.
    pub(crate) fn unsent(&self) -> impl Iterator<Item = GivenUp> {
        let flight = self.flight.as_ref().filter(|flight| flight.accepted.is_none());
        let flying = flight.and_then(|flight| {
            let unknown = flight.unknown || flight.asked.is_some();
            let why = if unknown { SendFailure::Unknown } else { SendFailure::Impossible };
            flight.job.id().map(|id| (id, why))
        });
        let queued = self.queue.iter().filter_map(Job::id);
        flying.into_iter().chain(queued.map(|id| (id, SendFailure::Impossible)))
    }

    /// Drops plain refreshes: another member began the next epoch, which already has fresh keys.
    fn drop_refreshes(&mut self) {
        let renews = |job: &Job| matches!(job, Job::Change(None, Change::Refresh));
        self.queue.retain(|job| !renews(job));
        if self.flight.as_ref().is_some_and(|flight| renews(&flight.job)) {
            self.retire();
            self.flight = None;
        }
    }

    /// Whether a commit that only refreshes keys waits to be sent or is in flight.
    pub(crate) fn has_refresh(&self) -> bool {
        let flying = self.flight.iter().map(|flight| &flight.job);
        self.queue.iter().chain(flying).any(|job| matches!(job, Job::Change(None, Change::Refresh)))
    }

    /// Whether a commit of the upkeep of settings waits to be sent or is in flight.
    pub(crate) fn has_settings_upkeep(&self) -> bool {
        let flying = self.flight.iter().map(|flight| &flight.job);
        let is = |job: &Job| {
            matches!(job, Job::Change(None, Change::StrikeModerators(_) | Change::RenewSettings))
        };
        self.queue.iter().chain(flying).any(is)
    }

    /// Marks a sent append as possibly accepted, after the connection was lost.
    pub(crate) fn outcome_unknown(&mut self) {
        if let Some(flight) = &mut self.flight
            && flight.asked.take().is_some()
        {
            flight.unknown = true;
        }
    }

    /// Whether the entry at `seq` is this guest's own. Compares the digest of the whole entry,
    /// since any member can choose a nonce.
    pub(crate) fn own(&mut self, digest: &EntryDigest, seq: Seq) -> Own {
        let sealed = self.flight.as_ref().and_then(|flight| flight.sealed.as_ref());
        if sealed.is_some_and(|sealed| sealed.digest == *digest) {
            return Own::InFlight;
        }
        let Some(former) = self.former.iter_mut().find(|former| former.digest == *digest) else {
            return Own::No;
        };
        if *former.seq.get_or_insert(seq) == seq { Own::Former } else { Own::Copy }
    }

    /// Returns when the entry in flight was last sent. `None` for a commit, which is sent again
    /// unchanged: an earlier copy may have been accepted.
    pub(crate) fn sent_at(&self) -> Option<Timestamp> {
        let sealed_again = |flight: &&InFlight| !matches!(flight.job, Job::Change(..));
        self.flight.as_ref().filter(sealed_again).map(|flight| flight.asked_at)
    }

    /// Returns the sequence number that the relay reported, if it is one of these.
    pub(crate) fn accepted_in(&self, seqs: &RangeInclusive<Seq>) -> Option<Seq> {
        self.flight.as_ref()?.accepted.filter(|seq| seqs.contains(seq))
    }

    /// Whether the sequence number that the relay reported is beyond `head`, the end of the log.
    /// Then nothing was accepted.
    pub(crate) fn accepted_after(&mut self, head: Seq) -> bool {
        let beyond = self.flight.as_ref().and_then(|flight| flight.accepted) > Some(head);
        if beyond {
            self.not_accepted();
        }
        beyond
    }

    /// Marks the entry as not in the log, whatever the relay reported: it is sent again.
    pub(crate) const fn not_accepted(&mut self) {
        if let Some(flight) = &mut self.flight {
            flight.accepted = None;
            flight.overdue = None;
            flight.unknown = true;
        }
    }

    /// Handles the void of the entry at `seq`.
    pub(crate) fn not_accepted_at(&mut self, seq: Seq) {
        if self.accepted_in(&(seq..=seq)).is_some() {
            self.not_accepted();
        }
    }

    /// Whether the entry in flight, once accepted, must still be in the log. Half of its retention
    /// is a margin for clock differences.
    pub(crate) fn is_to_be_kept(&self, now: Timestamp) -> bool {
        let ends =
            |flight: &InFlight| flight.asked_at.saturating_add(flight.retention.lifetime() / 2);
        self.flight.as_ref().is_some_and(|flight| ends(flight) > now)
    }

    /// Whether an accepted entry has not been delivered for too long. Returns true once.
    pub(crate) fn is_overdue(&mut self, now: Timestamp) -> bool {
        let overdue = self.flight.as_mut().and_then(|flight| {
            let accepted = flight.accepted.is_some();
            flight.overdue.take_if(|at| accepted && *at <= now)
        });
        overdue.is_some()
    }

    pub(crate) fn change_in_flight(&self) -> bool {
        self.flight.as_ref().is_some_and(|flight| matches!(flight.job, Job::Change(..)))
    }

    /// Clears the mark of an ended epoch: the room is in that epoch after all.
    pub(crate) const fn not_stale(&mut self) {
        if let Some(flight) = &mut self.flight {
            flight.stale = None;
        }
    }

    /// Whether the append waits for the end of `epoch`.
    pub(crate) fn is_stale(&self, epoch: Epoch) -> bool {
        self.flight.as_ref().is_some_and(|flight| flight.stale == Some(epoch))
    }

    /// Handles an overtaken change: another member's commit or join was accepted first, so this
    /// guest's own change is made again for the new epoch.
    pub(crate) fn was_overtaken(&mut self, session: &mut Session) {
        session.discard();
        self.drop_refreshes();
        if self.change_in_flight() {
            self.retire();
        }
    }

    /// Remembers the sealed entry by its digest, and drops the rest of it: it was sealed for a
    /// session or an epoch that is over, or is sealed again.
    pub(crate) fn retire(&mut self) {
        self.retire_at(None);
    }

    /// Does the same for an entry that is in the log at `seq`.
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
        // An entry that was or may have been accepted may have been received under its counter.
        flight.unknown |= flight.accepted.is_some() || flight.asked.is_some();
        flight.accepted = None;
        flight.overdue = None;
    }

    /// Completes the job in flight.
    pub(crate) fn settle(&mut self, seq: Seq) -> Option<(Job, Retention)> {
        self.retire_at(Some(seq));
        let flight = self.flight.take()?;
        if !matches!(flight.job, Job::Change(..)) {
            self.counter += 1;
        }
        Some((flight.job, flight.retention))
    }

    /// Gives up the job in flight. If it may have been accepted all the same, a `Here` entry takes
    /// its id and counter: a member that received the original drops it as a duplicate, and no
    /// member sees a gap.
    ///
    /// Returns its id and `why` it is given up, or [`SendFailure::Unknown`] if its outcome is
    /// unknown.
    pub(crate) fn abandon(&mut self, why: SendFailure) -> Option<GivenUp> {
        self.retire();
        let mut flight = self.flight.take()?;
        let why = if flight.unknown { SendFailure::Unknown } else { why };
        let given_up = flight.job.id().map(|id| (id, why));
        if matches!(flight.job, Job::Here) {
            // The `Here` entry itself cannot be sent: its counter must not be used again.
            self.counter += u64::from(flight.unknown);
        } else if flight.unknown && !matches!(flight.job, Job::Change(..)) {
            flight.job = Job::Here;
            flight.asked = None;
            self.flight = Some(flight);
        }
        given_up
    }

    /// Drops jobs that are no longer worth sending, and returns their ids.
    pub(crate) fn expire(&mut self, now: Timestamp) -> Vec<GivenUp> {
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

    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        let flight = self.flight.as_ref().filter(|flight| flight.accepted.is_none());
        let overdue = self.flight.as_ref().and_then(|flight| flight.overdue);
        let expiries = self.queue.iter().chain(flight.map(|flight| &flight.job));
        expiries.filter_map(Job::expires).chain(overdue).min()
    }
}
