//! Checking that newcomers can get in.
//!
//! The relay takes any group information that a commit brings, so a member could leave a door
//! through which no newcomer can join. Newcomers have no way to report that, so members check:
//! after each commit or join of another member a few of them look at the door, and a member that
//! finds it useless makes the commit that repairs it.

use std::time::Duration;

use crate::room::{Machine, context::PendingRequest, phase::Phase};
use crate::{
    id::Epoch,
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
}

impl Machine {
    /// Schedules a door check after another member began an epoch. About four members look at the
    /// new door, and about four more in each later round, unless the next epoch comes first: the
    /// members of one round may all be absent or dishonest.
    pub(crate) fn schedule_door_check(&mut self, now: Timestamp) {
        let chosen = (0..ROUNDS).find(|_| self.is_drawn_to_act());
        let wait = Duration::from_millis(500 + self.cx.random_below(1_500));
        self.door_check.look_at =
            chosen.map(|round| now.saturating_add(ROUND * ((1 << round) - 1) + wait));
    }

    /// Looks at the door, to check it.
    pub(crate) fn check_door(&mut self) {
        self.door_check.look_at = None;
        let Some(session) = self.session() else { return };
        let (epoch, door) = (session.epoch(), session.door_token().clone());
        self.cx.send_request(
            PendingRequest::Inspect(epoch),
            Request::Look { address: self.cx.address, door },
        );
    }

    /// Handles the relay's reply with the door, requested in `epoch`.
    pub(crate) fn on_door_inspected(
        &mut self,
        now: Timestamp,
        epoch: Epoch,
        result: &Result<Reply, Refusal>,
    ) {
        let Phase::Inside(session) = &mut self.phase else { return };
        if session.epoch() != epoch {
            return;
        }
        let sound = match result {
            Ok(Reply::Door(door)) if door.epoch != epoch => return,
            Ok(Reply::Door(door)) => session.vouches_for(door, &mut self.cx.rng),
            // The invite may have been replaced by a commit that has not arrived yet.
            Err(Refusal::NotAdmitted) if self.door_check.denied != Some(epoch) => {
                self.door_check.denied = Some(epoch);
                self.door_check.look_at = Some(now.saturating_add(LOOK_AGAIN));
                return;
            }
            Err(Refusal::NotAdmitted) => false,
            Ok(_) | Err(_) => return,
        };
        if !sound {
            self.door_check.look_at = self.force_refresh(now).err();
        }
    }
}
