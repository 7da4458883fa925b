//! The proof of work that a relay under load requires before a room is created or joined.

use std::time::Duration;

use crate::{
    pow::Solver,
    room::{Ended, JoinFailure, context::Context},
    time::Timestamp,
    wire::{Puzzle, Refusal, Solution},
};

/// Attempts per step: a few milliseconds, during which this machine does nothing else.
const TRIES_PER_STEP: u32 = 64;
/// Pause between two steps, in which other tasks run.
const PAUSE: Duration = Duration::from_millis(1);
/// A guest that is required to do proof of work this often in one join gives up.
const MAX_POW_ATTEMPTS: u32 = 16;

/// The proof of work of one join.
#[derive(Default)]
pub(crate) struct PowState {
    search: Option<PowSearch>,
    /// How often the relay has required proof of work since this guest was last in the room.
    attempts: u32,
}

/// A puzzle that is being solved.
struct PowSearch {
    solver: Solver,
    due: Timestamp,
}

impl PowState {
    /// Returns when the next step is due.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        self.search.as_ref().map(|search| search.due)
    }

    /// Starts the proof of work that the relay requires before it admits this guest.
    ///
    /// # Errors
    /// The end of the room, if the relay requires too much.
    pub(crate) fn on_required(&mut self, cx: &Context, puzzle: Puzzle) -> Result<(), Ended> {
        self.attempts += 1;
        if self.attempts > MAX_POW_ATTEMPTS || puzzle.difficulty > Puzzle::MAX_DIFFICULTY {
            return Err(Ended::NotLetIn(JoinFailure::Refused(Refusal::WorkNeeded(puzzle))));
        }
        let solver = Solver::new(puzzle, &cx.address);
        self.search = Some(PowSearch { solver, due: cx.now });
        Ok(())
    }

    /// Runs the step that is due. Returns the solution once it is found.
    pub(crate) fn run(&mut self, now: Timestamp) -> Option<Solution> {
        let search = self.search.as_mut()?;
        let solution = search.solver.try_some(TRIES_PER_STEP);
        if solution.is_some() {
            self.search = None;
        } else {
            search.due = now.saturating_add(PAUSE);
        }
        solution
    }

    /// Drops the puzzle: the connection is lost, or the room is over.
    pub(crate) fn stop(&mut self) {
        self.search = None;
    }

    /// Counts anew, after a join.
    pub(crate) const fn on_joined(&mut self) {
        self.attempts = 0;
    }
}
