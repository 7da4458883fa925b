//! The proof of work that a relay under load requires before a room is created or joined.

use std::time::Duration;

use crate::room::{Ended, JoinFailure, Machine, context::PendingRequest, phase::Phase};
use crate::{
    pow::Solver,
    time::Timestamp,
    wire::{Puzzle, Refusal, Request},
};

/// Attempts per step: a few milliseconds, during which this machine does nothing else.
const TRIES_PER_STEP: u32 = 64;
/// Pause between two steps, in which other tasks run.
const PAUSE: Duration = Duration::from_millis(1);
/// A guest that is required to do proof of work this often in one join gives up.
const MAX_POW_ATTEMPTS: u32 = 16;

/// A puzzle that is being solved.
pub(crate) struct PowSearch {
    solver: Solver,
    due: Timestamp,
}

impl PowSearch {
    /// Returns when the next step is due.
    pub(crate) const fn due(&self) -> Timestamp {
        self.due
    }
}

impl Machine {
    /// Starts the proof of work that the relay requires before it admits this guest.
    pub(crate) fn on_pow_required(&mut self, now: Timestamp, puzzle: Puzzle) {
        self.pow_attempts += 1;
        if self.pow_attempts > MAX_POW_ATTEMPTS || puzzle.difficulty > Puzzle::MAX_DIFFICULTY {
            let failure = JoinFailure::Refused(Refusal::WorkNeeded(puzzle));
            return self.end(Ended::NotLetIn(failure));
        }
        let solver = Solver::new(puzzle, &self.cx.address);
        self.pow_search = Some(PowSearch { solver, due: now });
    }

    /// Runs one step of the proof of work, if there is one.
    pub(crate) fn continue_pow(&mut self, now: Timestamp) {
        let due = self.pow_search.as_mut().filter(|working| working.due <= now);
        let Some(working) = due else {
            return;
        };
        let Some(solution) = working.solver.try_some(TRIES_PER_STEP) else {
            working.due = now.saturating_add(PAUSE);
            return;
        };
        self.pow_search = None;
        if matches!(self.phase, Phase::Joining(_)) {
            let address = self.cx.address;
            self.cx.send_request(PendingRequest::Work, Request::Work { address, solution });
            self.advance_joining();
        }
    }
}
