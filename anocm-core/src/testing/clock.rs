//! A clock whose time moves only when the test advances it.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::time::{Clock, Timestamp};

/// A clock whose time moves only when [`advance`](Self::advance) is called, which also wakes the
/// tasks that wait for it.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use anocm_core::{Clock, Timestamp, testing::ManualClock};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let clock = ManualClock::new();
/// clock.advance(Duration::from_millis(1_500));
/// assert_eq!(clock.now(), Timestamp::from_millis(1_500));
/// clock.sleep_until(Timestamp::from_millis(1_500)).await; // returns at once
/// # }
/// ```
#[derive(Debug, Default)]
pub struct ManualClock {
    now: watch::Sender<Timestamp>,
}

impl ManualClock {
    /// Creates a clock that starts at [`Timestamp::ZERO`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Advances the time by `duration`, rounded down to milliseconds.
    pub fn advance(&self, duration: Duration) {
        self.now.send_modify(|now| *now = now.saturating_add(duration));
    }
}

#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        let mut now = self.now.subscribe();
        // Fails only when the sender is dropped, and `self` holds it.
        let _ = now.wait_for(|now| *now >= deadline).await;
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, sync::Arc};

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_at_its_deadline_and_not_before() {
        let clock = Arc::new(ManualClock::new());
        let deadline = Timestamp::ZERO.saturating_add(Duration::from_millis(10));
        let mut sleep = pin!(clock.sleep_until(deadline));
        clock.advance(Duration::from_millis(9));
        assert!(sleep.as_mut().now_or_never().is_none());
        clock.advance(Duration::from_millis(1));
        assert!(sleep.now_or_never().is_some());
    }
}
