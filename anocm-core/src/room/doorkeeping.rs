//! Seeing to it that newcomers can get in.
//!
//! The relay takes whatever group information a commit brings, so a member could leave a door
//! that nobody gets through. Newcomers cannot complain to anybody, so members look: after each
//! commit or join of somebody else a few of them, and one who finds the door useless makes the
//! commit that repairs it.

use std::time::Duration;

use super::{
    Machine,
    machine::{Asked, Phase},
};
use crate::{
    id::Epoch,
    time::Timestamp,
    wire::{Refusal, Reply, Request},
};

/// How long a commit that replaces the invite may be on its way.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// How often members are chosen to look at the door of one epoch.
const ROUNDS: u32 = 6;
/// Between the first round and the second; twice as long between each two after that.
const ROUND: Duration = Duration::from_secs(15);

/// When this guest looks at the door.
#[derive(Debug, Default)]
pub(super) struct Doorkeeping {
    look_at: Option<Timestamp>,
    /// The epoch in which the relay did not know the door token.
    denied: Option<Epoch>,
}

impl Doorkeeping {
    pub(super) const fn look_at(&self) -> Option<Timestamp> {
        self.look_at
    }
}

impl Machine {
    /// Somebody else began an epoch: about four members look at the door it brought, and about four
    /// more in each later round, unless the next epoch comes first: one round may choose nobody who
    /// is there and honest.
    pub(super) fn doubt_door(&mut self, now: Timestamp) {
        let chosen = (0..ROUNDS).find(|_| self.acts_for_all());
        let wait = Duration::from_millis(500 + self.random_below(1_500));
        self.doorkeeping.look_at = chosen.map(|round| now.after(ROUND * ((1 << round) - 1) + wait));
    }

    /// Looks at the door, when it is time.
    pub(super) fn keep_door(&mut self, now: Timestamp) {
        if !self.may_act() || self.doorkeeping.look_at.is_none_or(|at| at > now) {
            return;
        }
        self.doorkeeping.look_at = None;
        let Some(session) = self.session() else { return };
        let (epoch, door) = (session.epoch(), session.door_token().clone());
        self.ask(Asked::Inspect(epoch), Request::Look { address: self.address, door });
    }

    /// What the relay shows of the door, asked for in `epoch`.
    pub(super) fn inspected(
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
            Ok(Reply::Door(door)) => session.vouches_for(door, &mut self.rng),
            // The invite may have been replaced by a commit that is on its way.
            Err(Refusal::NotAdmitted) if self.doorkeeping.denied != Some(epoch) => {
                self.doorkeeping.denied = Some(epoch);
                self.doorkeeping.look_at = Some(now.after(LOOK_AGAIN));
                return;
            }
            Err(Refusal::NotAdmitted) => false,
            Ok(_) | Err(_) => return,
        };
        if !sound {
            self.doorkeeping.look_at = self.renew(now).err();
        }
    }
}
