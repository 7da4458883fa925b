//! The work that a relay under load asks for before a room is created or joined.

use std::time::Duration;

use super::{
    Ended, JoinFailure, Machine,
    machine::{PendingRequest, Phase},
};
use crate::{
    pow::Solver,
    time::Timestamp,
    wire::{Puzzle, Refusal, Request},
};

/// Tries at one go: a few milliseconds, in which nothing else is done here.
const TRIES_PER_STEP: u32 = 64;
/// Between two goes others get their turn.
const PAUSE: Duration = Duration::from_millis(1);
/// Whoever is asked for work so often on one way in does not get in.
const MAX_POW_ATTEMPTS: u32 = 16;

/// A puzzle that is being worked on.
pub(super) struct PowSearch {
    solver: Solver,
    due: Timestamp,
}

impl PowSearch {
    /// When the work goes on.
    pub(super) const fn due(&self) -> Timestamp {
        self.due
    }
}

impl Machine {
    /// The relay asks for work before it lets this guest in.
    pub(super) fn on_pow_required(&mut self, now: Timestamp, puzzle: Puzzle) {
        self.pow_attempts += 1;
        if self.pow_attempts > MAX_POW_ATTEMPTS || puzzle.difficulty > Puzzle::MAX_DIFFICULTY {
            let failure = JoinFailure::Refused(Refusal::WorkNeeded(puzzle));
            return self.end(Ended::NotLetIn(failure));
        }
        let solver = Solver::new(puzzle, &self.address);
        self.link.working = Some(PowSearch { solver, due: now });
    }

    /// Works for a moment, if there is work to be done.
    pub(super) fn continue_pow(&mut self, now: Timestamp) {
        let due = self.link.working.as_mut().filter(|working| working.due <= now);
        let Some(working) = due else {
            return;
        };
        let Some(solution) = working.solver.try_some(TRIES_PER_STEP) else {
            working.due = now.saturating_add(PAUSE);
            return;
        };
        self.link.working = None;
        if matches!(self.phase, Phase::Joining(_)) {
            let address = self.address;
            self.send_request(PendingRequest::Work, Request::Work { address, solution });
            self.advance_joining();
        }
    }
}
