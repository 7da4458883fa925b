//! Checking that newcomers can get in.
//!
//! The relay takes any group information that a commit brings, so a member could leave a door
//! through which no newcomer can join. Newcomers have no way to report that, so members check:
//! after each commit or join of another member a few of them look at the door, and a member that
//! finds it useless makes the commit that repairs it.

use std::time::Duration;

use crate::{
    id::Epoch,
    room::{
        context::{Context, PendingRequest},
        sending::outbox::Outbox,
        upkeep::forced_refresh::ForcedRefresh,
    },
    session::Session,
    time::Timestamp,
    wire::{Refusal, Reply, Request},
};

/// How long a commit that replaces the invite may take to arrive.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// How often members are chosen to look at the door of one epoch.
const ROUNDS: u32 = 6;
/// Delay between the first two rounds; it doubles for each later round.
const ROUND: Duration = Duration::from_secs(15);

/// When this guest looks at the door.
#[derive(Debug, Default)]
pub(crate) struct DoorCheck {
    look_at: Option<Timestamp>,
    /// The epoch in which the relay did not know the door token.
    denied: Option<Epoch>,
}

impl DoorCheck {
    pub(crate) const fn due(&self) -> Option<Timestamp> {
        self.look_at
    }

    /// Schedules a check after another member began an epoch, in a room of so many members. About
    /// four members look at the new door, and about four more in each later round, unless the next
    /// epoch comes first: the members of one round may all be absent or dishonest.
    pub(crate) fn schedule(&mut self, cx: &mut Context, members: usize) {
        let chosen = (0..ROUNDS).find(|_| cx.is_drawn_to_act(members));
        let wait = Duration::from_millis(500 + cx.random_below(1_500));
        self.look_at = chosen.map(|round| cx.now.saturating_add(ROUND * ((1 << round) - 1) + wait));
    }

    /// Looks at the door, to check it.
    pub(crate) fn look(&mut self, cx: &mut Context, session: &Session) {
        self.look_at = None;
        let door = session.door_token().clone();
        let request = Request::Look { address: cx.address, door };
        cx.send_request(PendingRequest::Inspect(session.epoch()), request);
    }

    /// Handles the relay's reply with the door, requested in `epoch`. A useless door is repaired by
    /// a forced refresh.
    pub(crate) fn on_reply(
        &mut self,
        cx: &mut Context,
        session: &mut Session,
        epoch: Epoch,
        result: &Result<Reply, Refusal>,
        (forced_refresh, outbox): (&mut ForcedRefresh, &mut Outbox),
    ) {
        if session.epoch() != epoch {
            return;
        }
        let sound = match result {
            Ok(Reply::Door(door)) if door.epoch != epoch => return,
            Ok(Reply::Door(door)) => session.vouches_for(door, &mut cx.rng),
            // The invite may have been replaced by a commit that has not arrived yet.
            Err(Refusal::NotAdmitted) if self.denied != Some(epoch) => {
                self.denied = Some(epoch);
                self.look_at = Some(cx.now.saturating_add(LOOK_AGAIN));
                return;
            }
            Err(Refusal::NotAdmitted) => false,
            Ok(_) | Err(_) => return,
        };
        if !sound {
            self.look_at = forced_refresh.commit(cx.now, outbox).err();
        }
    }
}
