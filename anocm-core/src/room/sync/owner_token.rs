//! How the owner goes on where member tokens are refused. A commit may have brought the relay a
//! false hash: then the owner token still admits the owner to the current epoch, and all other
//! members rejoin through the door.

use std::time::Duration;

use super::{SyncState, step::Exit};
use crate::{
    id::Seq,
    room::{
        context::{Context, PendingRequest},
        sending::outbox::{Job, Outbox},
    },
    session::{Change, Session},
    time::Timestamp,
    wire::{Refusal, Reply, Request, SETTLES},
};

/// How often in a row an owner that is not admitted requests the current epoch without delay, while
/// commits or joins advance the room. After that it backs off.
const MAX_OWNER_ADVANCES: u32 = 8;
/// Delay before an owner's commit that was to correct the relay's hashes, and was refused or
/// overtaken, is made again. Shorter than `SETTLES`: before the joins that it settles can be
/// voided.
const CORRECT_HASHES_RETRY: Duration = Duration::from_secs(2);
const _: () = assert!(CORRECT_HASHES_RETRY.as_secs() < SETTLES.as_secs());

/// How the owner goes on where member tokens are refused.
#[derive(Debug, Default)]
pub(crate) struct OwnerToken {
    /// When this guest was last in sync with the room.
    in_sync_at: Timestamp,
    /// How often the owner has entered an epoch with the owner token since then.
    advances: u32,
    /// Set while the hashes that the relay has of the room may be false: when the owner's next
    /// commit, which corrects them, is due.
    correct_hashes_at: Option<Timestamp>,
}

impl OwnerToken {
    pub(crate) const fn correct_hashes_at(&self) -> Option<Timestamp> {
        self.correct_hashes_at
    }

    /// Clears the doubt in the relay's hashes, after a commit or join of this guest.
    pub(crate) const fn hashes_are_correct(&mut self) {
        self.correct_hashes_at = None;
    }

    /// Records that this guest is in sync with the room.
    pub(crate) const fn on_synced(&mut self, now: Timestamp) {
        self.in_sync_at = now;
        self.advances = 0;
    }
}

impl SyncState {
    /// Handles a refused token: the owner requests the current epoch, all other members rejoin.
    pub(crate) fn on_not_admitted(
        &mut self,
        cx: &mut Context,
        session: &Session,
    ) -> Result<(), Exit> {
        // Every entry since then is still in the log, with a margin.
        let kept = session.settings().policy.handshakes.lifetime() / 2;
        let until = self.owner_token.in_sync_at.saturating_add(kept);
        let owner = session.owner_token().ok().flatten().filter(|_| cx.now < until);
        let (Some(token), Ok(restored)) = (owner, session.restored(&mut cx.rng)) else {
            return Err(Exit::Rejoin);
        };
        self.owner_token.correct_hashes_at.get_or_insert(cx.now);
        self.owner_token.advances += 1;
        if self.owner_token.advances > MAX_OWNER_ADVANCES {
            self.owner_token.advances = 0;
            self.resync(cx, None);
            return Ok(());
        }
        self.progress.synced = false;
        cx.link.retry_at = None;
        // The sequence number 0 holds nothing to void, and the refusal returns the current epoch.
        let nothing = Seq::START;
        let request = Request::Void { address: cx.address, token, seq: nothing, restored };
        cx.send_request(PendingRequest::CurrentEpoch, request);
        Ok(())
    }

    /// Handles the room's current epoch, which the owner enters with the owner token.
    pub(crate) fn on_current_epoch(
        &mut self,
        cx: &mut Context,
        session: &Session,
        result: &Result<Reply, Refusal>,
    ) -> Result<(), Exit> {
        match result {
            Err(Refusal::StaleEpoch { current })
                if *current >= session.epoch() && self.progress.in_vain != Some(*current) =>
            {
                self.unstage();
                self.progress.goes_as_owner(Some(*current));
                self.enter(cx, session);
            }
            Err(Refusal::StaleEpoch { .. } | Refusal::NotAdmitted) => return Err(Exit::Rejoin),
            Err(refusal) => self.resync(cx, refusal.retry_after()),
            Ok(_) => self.on_inconsistency(cx),
        }
        Ok(())
    }

    /// Commits a refresh as the owner that was admitted by the owner token only. The commit
    /// replaces the hashes at the relay, so that members are admitted again. If it is overtaken, it
    /// is made again.
    pub(crate) fn correct_hashes(
        &mut self,
        cx: &mut Context,
        session: &Session,
        outbox: &mut Outbox,
    ) {
        if !self.progress.is_owners {
            // A commit settles joins only over a connection that has shown the owner token.
            self.progress.goes_as_owner(Some(session.epoch()));
            self.progress.synced = false;
            return self.enter(cx, session);
        }
        let again = cx.now.saturating_add(CORRECT_HASHES_RETRY);
        self.owner_token.correct_hashes_at = Some(again);
        outbox.push_first(Job::Change(None, Change::Refresh));
    }
}
