//! A whole conversation from a seed: guests come, talk, leave, are removed, lose their
//! connections, all in virtual time, over the real client, relay and memory store.
//!
//! [`simulate`] panics nowhere: it returns what was violated, with the seed, which replays it.
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
mod world;

use std::{fmt, time::Duration};

use self::world::World;

/// What may happen, and how much of it.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The most guests in one conversation, the owner included: 2 to 12.
    pub guests: usize,
    /// How many things happen.
    pub steps: usize,
    /// The longest a frame takes.
    pub max_delay: Duration,
}

impl Default for Plan {
    /// Up to 12 guests, 24 steps, frames of up to 80 ms.
    fn default() -> Self {
        Self { guests: 12, steps: 24, max_delay: Duration::from_millis(80) }
    }
}

/// What a simulation came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Guests who got in.
    pub guests: usize,
    /// Messages shown, on all screens together.
    pub shown: usize,
    /// The last epoch.
    pub epochs: u64,
    /// Frames on all connections together, in both directions.
    pub frames: u64,
}

/// A promise that did not hold.
#[derive(Clone, PartialEq, Eq)]
pub struct Violation {
    /// Replays it.
    pub seed: u64,
    /// What was expected, what was seen, and the script so far.
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

/// Plays the conversation of `seed` and checks every promise.
///
/// # Errors
/// The first [`Violation`].
pub fn simulate(seed: u64, plan: Plan) -> Result<Report, Violation> {
    let violation = |what| Violation { seed, what };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| violation(error.to_string()))?;
    runtime.block_on(async {
        let world = World::new(seed, plan);
        let mut world = world.map_err(|error| violation(error.to_string()))?;
        let result = world.play().await;
        result.map_err(|what| violation(format!("{what}\nscript:\n{}", world.script())))
    })
}
