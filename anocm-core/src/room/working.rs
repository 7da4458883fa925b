//! The work that a relay under load asks for before a room is created or joined.

use std::time::Duration;

use super::{
    Ended, JoinFailure, Machine,
    machine::{Asked, Phase},
};
use crate::{
    time::Timestamp,
    wire::{Puzzle, Refusal, Request},
    work::Solver,
};

/// Tries at one go: a few milliseconds, in which nothing else is done here.
const AT_ONE_GO: u32 = 64;
/// Between two goes others get their turn.
const PAUSE: Duration = Duration::from_millis(1);
/// Whoever is asked for work so often on one way in does not get in.
const MAX_PUZZLES: u32 = 16;

/// A puzzle that is being worked on.
pub(super) struct Working {
    solver: Solver,
    due: Timestamp,
}

impl Working {
    /// When the work goes on.
    pub(super) const fn due(&self) -> Timestamp {
        self.due
    }
}

impl Machine {
    /// The relay asks for work before it lets this guest in.
    pub(super) fn asked_for_work(&mut self, now: Timestamp, puzzle: Puzzle) {
        self.puzzles += 1;
        if self.puzzles > MAX_PUZZLES || puzzle.effort > Puzzle::MAX_EFFORT {
            let failure = JoinFailure::Refused(Refusal::WorkNeeded(puzzle));
            return self.end(Ended::NotLetIn(failure));
        }
        let solver = Solver::new(puzzle, &self.address);
        self.link.working = Some(Working { solver, due: now });
    }

    /// Works for a moment, if there is work to be done.
    pub(super) fn work(&mut self, now: Timestamp) {
        let due = self.link.working.as_mut().filter(|working| working.due <= now);
        let Some(working) = due else {
            return;
        };
        let Some(solution) = working.solver.work(AT_ONE_GO) else {
            working.due = now.after(PAUSE);
            return;
        };
        self.link.working = None;
        if matches!(self.phase, Phase::Entering(_)) {
            let address = self.address;
            self.ask(Asked::Work, Request::Work { address, solution });
            self.knock();
        }
    }
}
