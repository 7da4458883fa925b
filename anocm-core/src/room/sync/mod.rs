//! Following the room's log: entries in order, each applied once, and what is done when relay and
//! members disagree.
//!
//! | file | what it decides |
//! |---|---|
//! | `progress` | what this connection has proven, and how far it has read |
//! | `catch_up` | proving an epoch, catching up with the log |
//! | `log` | log order: which entry is next, what is missing |
//! | `age_bound` | how old an entry can be, whatever age is claimed |
//! | `apply`, `step` | applying an entry at its sequence number, and what follows from it |
//! | `confirmation` | who has shown this guest that it is in the right room |
//! | `counters` | message counters: repeats and gaps |
//! | `staging` | joins, which are merged when the epoch that they begin is proven |
//! | `rollback`, `epoch_history` | rejected commits and joins; what may be voided |
//! | `owner_token` | how the owner goes on where member tokens are refused |

mod age_bound;
mod apply;
mod catch_up;
mod confirmation;
mod counters;
mod epoch_history;
mod log;
mod owner_token;
mod progress;
mod rollback;
mod staging;
pub(crate) mod step;

use std::collections::BTreeSet;

use self::{
    age_bound::AgeBound,
    confirmation::ConfirmationState,
    counters::SenderCounters,
    epoch_history::EpochHistory,
    log::Log,
    owner_token::OwnerToken,
    progress::Progress,
    rollback::{JunkJoins, Rejected},
    staging::Staged,
};
use super::context::Context;
use crate::{
    id::Seq,
    room::{Confirmation, RoomEvent, Trouble},
    session::{MemberKey, Session},
    time::Timestamp,
    wire::Reply,
};

/// The state of following the log. Its methods stand in the files that the table above names.
#[derive(Default)]
pub(crate) struct SyncState {
    progress: Progress,
    log: Log,
    /// A join that is merged once the relay has admitted this guest to the epoch it begins.
    staged: Option<Box<Staged>>,
    age_bound: AgeBound,
    counters: SenderCounters,
    confirmation: ConfirmationState,
    rejected: Option<Rejected>,
    /// The last sequence number of a rejected entry, if the log may be found empty there.
    rolled_back_at: Option<Seq>,
    junk_joins: JunkJoins,
    epoch_history: EpochHistory,
    owner_token: OwnerToken,
    /// Sequence numbers found empty while catching up.
    missed: u64,
}

impl SyncState {
    /// Starts after this guest's join at `seq`: as the guest that `opened` the room, as one that
    /// returned and `knew` these members before, or as a newcomer.
    pub(crate) fn on_joined(
        &mut self,
        session: &Session,
        seq: Seq,
        opened: bool,
        knew: Option<BTreeSet<MemberKey>>,
    ) {
        self.epoch_history.begin(seq, (!opened && knew.is_none()).then(|| session.key()));
        // This guest's own join has given the relay the right hashes.
        self.owner_token.hashes_are_correct();
        self.confirmation = ConfirmationState::begin(session, opened, knew);
        self.log.start_after(seq);
    }

    /// Stops following the log, while this guest rejoins through the door.
    pub(crate) fn on_rejoin(&mut self) {
        self.rejected = None;
        self.staged = None;
        self.progress.on_rejoin();
        // Messages missed on the way cannot be distinguished from a gap.
        self.counters = SenderCounters::default();
    }

    /// Forgets what the connection has proven, after it was lost.
    pub(crate) fn on_disconnected(&mut self) {
        self.unstage();
        self.progress = Progress::default();
    }

    /// Wipes everything.
    pub(crate) fn end(&mut self) {
        *self = Self::default();
    }

    /// Whether the current epoch was proven and everything up to its head was applied.
    pub(crate) const fn is_synced(&self) -> bool {
        self.progress.synced
    }

    /// Whether a rejected commit or join keeps this guest from sending.
    pub(crate) const fn is_broken(&self) -> bool {
        self.rejected.is_some()
    }

    /// Whether this guest says and commits nothing by itself: see
    /// [`ConfirmationState::is_silent`].
    pub(crate) const fn is_silent(&self) -> bool {
        self.confirmation.is_silent()
    }

    /// Lets this guest act by itself: its user does, whose entries confirm the room as well.
    pub(crate) fn end_silence(&mut self) {
        self.confirmation.end_silence();
    }

    pub(crate) const fn confirmation(&self) -> &Confirmation {
        self.confirmation.shown()
    }

    /// Returns when an entry that waits for an earlier one reaches the end of its retention.
    pub(crate) const fn log_deadline(&self) -> Option<Timestamp> {
        self.log.deadline()
    }

    /// Wipes messages that expired while they waited.
    pub(crate) fn expire_log(&mut self, now: Timestamp) {
        self.log.expire(now);
    }

    /// Returns when the owner replaces token hashes at the relay.
    pub(crate) const fn correct_hashes_at(&self) -> Option<Timestamp> {
        self.owner_token.correct_hashes_at()
    }

    /// Records what a reply implies of the log; the request was made at `asked`.
    pub(crate) fn note_reply(&mut self, reply: &Reply, asked: Timestamp) {
        self.age_bound.note_reply(reply, asked, self.log.cursor());
    }

    /// Counts a message that this guest could not show.
    pub(crate) const fn count_missed(&mut self) {
        self.missed = self.missed.saturating_add(1);
    }

    /// Reports how much was missed while offline, once caught up.
    pub(crate) fn emit_missed(&mut self, cx: &mut Context) {
        let count = std::mem::take(&mut self.missed);
        if count > 0 {
            cx.emit(RoomEvent::Trouble(Trouble::Missed { count }));
        }
    }
}
