//! Simulations in virtual time, over the real client, relay and memory store.
//!
//! [`Simulation::run`] runs an embedder's own actors: a bot, a front end, a whole program.
//!
//! [`simulate`] plays a whole conversation from a seed: guests join, send, leave, are removed and
//! lose their connections. It never panics: it returns the violation with its seed, which replays
//! it.
//!
//! # Examples
//! ```
//! use anocm_core::testing::sim::{Plan, simulate};
//!
//! simulate(7, Plan::default())?;
//! # Ok::<(), anocm_core::testing::sim::Violation>(())
//! ```

mod check;
mod guest;
mod script;
mod simulation;
mod world;

use std::{fmt, time::Duration};

pub use self::simulation::{Simulation, SimulationConfig, SimulationError};
use self::{simulation::in_virtual_time, world::World};

/// The size of a simulation.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The maximum number of guests in one conversation, including the owner: 2 to 12.
    pub guests: usize,
    /// The number of random steps.
    pub steps: usize,
    /// The maximum delay of a frame.
    pub max_delay: Duration,
}

impl Default for Plan {
    /// Up to 12 guests, 24 steps, frames of up to 80 ms.
    fn default() -> Self {
        Self { guests: 12, steps: 24, max_delay: Duration::from_millis(80) }
    }
}

/// The result of a simulation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Guests who joined.
    pub guests: usize,
    /// Messages displayed, summed over all guests.
    pub shown: usize,
    /// The last epoch.
    pub epochs: u64,
    /// Frames on all connections, in both directions.
    pub frames: u64,
}

/// A guarantee that was violated.
#[derive(Clone, PartialEq, Eq)]
pub struct Violation {
    /// The seed that replays it.
    pub seed: u64,
    /// What was expected, what was observed, and the script so far.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {}", self.seed, self.what)
    }
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Violation {}

/// Runs the conversation of `seed` and checks every guarantee.
///
/// # Errors
/// The first [`Violation`].
pub fn simulate(seed: u64, plan: Plan) -> Result<Report, Violation> {
    let violation = |what| Violation { seed, what };
    in_virtual_time(async {
        let world = World::new(seed, plan);
        let mut world = world.map_err(|error| violation(error.to_string()))?;
        let result = world.play().await;
        result.map_err(|what| violation(format!("{what}\nscript:\n{}", world.script())))
    })
    .map_err(|error| violation(error.to_string()))?
}
