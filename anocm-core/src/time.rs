//! Time as a value: the pure layer receives it from the caller, drivers use a [`Clock`].

#[cfg(not(target_arch = "wasm32"))]
mod continuous;

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

#[cfg(not(target_arch = "wasm32"))]
pub use self::continuous::ContinuousClock;

/// A point on a monotonic clock, in whole milliseconds since an arbitrary origin.
///
/// Points of different clocks cannot be compared; frames carry ages, never timestamps.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The clock's origin.
    pub const ZERO: Self = Self(0);

    /// Returns the point `millis` milliseconds after the origin.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the origin.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Returns this point plus `duration`, rounded down to milliseconds; saturates at the maximum.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// Returns this point minus `duration`; saturates at the origin.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// Returns the time from `earlier` to this point; zero when `earlier` is later.
    #[must_use]
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Returns the whole milliseconds of a duration; `u64::MAX` when they do not fit.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A monotonic clock that can be waited on. Drivers take one, so that tests and embedders (a
/// browser, or a runtime that is not tokio's, has no tokio timer) can supply their own.
#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
pub trait Clock: Send + Sync + 'static {
    /// Returns the current time. Never goes back.
    fn now(&self) -> Timestamp;

    /// Returns when [`now`](Self::now) has reached `deadline`; immediately if it already has.
    /// Cancel safe.
    async fn sleep_until(&self, deadline: Timestamp);
}

/// The clock of tokio's timer, which follows `tokio::time::pause`. Waiting on it panics outside a
/// tokio runtime with a timer.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    origin: tokio::time::Instant,
}

#[cfg(not(target_arch = "wasm32"))]
impl TokioClock {
    /// Creates a clock whose origin is now.
    #[must_use]
    pub fn new() -> Self {
        Self { origin: tokio::time::Instant::now() }
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl Default for TokioClock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(not(target_arch = "wasm32"))]
#[async_trait]
impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        Timestamp(millis(self.origin.elapsed()))
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        match self.origin.checked_add(Duration::from_millis(deadline.0)) {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            // Later than this system can tell.
            None => std::future::pending().await,
        }
    }
}
