//! A clock that continues while the machine sleeps.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use async_trait::async_trait;

use super::{Clock, Timestamp, TokioClock, millis};

/// Polling interval of a wait: no timer reports that the machine slept.
const CHECK: Duration = Duration::from_secs(1);

/// Another clock, by default that of tokio's timer, plus the time for which the machine slept. A
/// message kept for five minutes is thus gone after a night in a closed laptop or a pocket. A
/// deadline that passes during sleep is noticed within a second after it.
///
/// Sleep time is known on Linux, Android, macOS and iOS; on other systems this equals the other
/// clock. Over a [`TokioClock`] it follows `tokio::time::pause`.
pub struct ContinuousClock<C = TokioClock> {
    awake: C,
    /// How long the machine has slept since a fixed time; a single reading may be too low.
    asleep: Box<dyn Fn() -> Duration + Send + Sync>,
    /// The highest reading in milliseconds, so that time never goes back.
    seen: AtomicU64,
}

impl ContinuousClock {
    /// Creates a clock whose origin is now. Its waits need a tokio timer; for other runtimes see
    /// [`over`](Self::over).
    #[must_use]
    pub fn new() -> Self {
        Self::over(TokioClock::new())
    }
}

impl<C: Clock> ContinuousClock<C> {
    /// Creates a clock that is `awake` plus the time for which the machine sleeps from now on.
    /// `awake` must stand still during sleep, as [`std::time::Instant`] and the timers of runtimes
    /// do; otherwise sleep is counted twice.
    ///
    /// # Examples
    /// ```
    /// # use anocm_core::{Clock, ContinuousClock, TokioClock};
    /// // In place of `TokioClock` the clock of another runtime.
    /// let clock = ContinuousClock::over(TokioClock::new());
    /// assert!(clock.now().as_millis() < 1_000);
    /// ```
    #[must_use]
    pub fn over(awake: C) -> Self {
        Self::with(awake, system::asleep())
    }

    fn with(awake: C, asleep: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { awake, asleep: Box::new(asleep), seen: AtomicU64::new(0) }
    }

    fn asleep(&self) -> Duration {
        let asleep = millis((self.asleep)());
        Duration::from_millis(self.seen.fetch_max(asleep, Ordering::Relaxed).max(asleep))
    }
}

impl Default for ContinuousClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl<C: Clock> Clock for ContinuousClock<C> {
    fn now(&self) -> Timestamp {
        self.awake.now().saturating_add(self.asleep())
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        loop {
            let left = deadline.saturating_duration_since(self.now());
            if left.is_zero() {
                return;
            }
            let check = self.awake.now().saturating_add(left.min(CHECK));
            self.awake.sleep_until(check).await;
        }
    }
}

impl<C> fmt::Debug for ContinuousClock<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContinuousClock(..)")
    }
}

/// The difference between two clocks of the system, one of which continues during sleep.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
mod system {
    use std::time::{Duration, Instant};

    use nix::time::{ClockId, clock_gettime};

    // `Instant` reads the same clock without sleep time, on both systems.
    #[cfg(target_vendor = "apple")]
    const CONTINUOUS: ClockId = ClockId::from_raw(nix::libc::CLOCK_MONOTONIC_RAW);
    #[cfg(not(target_vendor = "apple"))]
    const CONTINUOUS: ClockId = ClockId::CLOCK_BOOTTIME;

    /// Never too high: a delay between the two readings only lowers the result, until the next
    /// call.
    #[expect(clippy::disallowed_methods, reason = "this is a clock that drivers ask")]
    pub(super) fn asleep() -> impl Fn() -> Duration + Send + Sync + 'static {
        let awake = Instant::now();
        let origin = continuous();
        move || continuous().saturating_sub(origin).saturating_sub(awake.elapsed())
    }

    fn continuous() -> Duration {
        clock_gettime(CONTINUOUS).map_or(Duration::ZERO, Into::into)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
mod system {
    use std::time::Duration;

    pub(super) fn asleep() -> impl Fn() -> Duration + Send + Sync + 'static {
        || Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A clock, and the sleep time of its machine.
    fn clock() -> (ContinuousClock, Arc<Mutex<Duration>>) {
        let slept = Arc::new(Mutex::new(Duration::ZERO));
        let asleep = slept.clone();
        (ContinuousClock::with(TokioClock::new(), move || *asleep.lock().unwrap()), slept)
    }

    #[tokio::test(start_paused = true)]
    async fn time_goes_on_during_sleep() {
        let (clock, slept) = clock();
        tokio::time::advance(Duration::from_secs(2)).await;
        *slept.lock().unwrap() = Duration::from_secs(3_600);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(clock.now(), Timestamp::from_millis(3_605_000));
    }

    #[tokio::test(start_paused = true)]
    async fn time_never_goes_back() {
        let (clock, slept) = clock();
        *slept.lock().unwrap() = Duration::from_millis(10);
        assert_eq!(clock.now(), Timestamp::from_millis(10));
        *slept.lock().unwrap() = Duration::from_millis(4);
        assert_eq!(clock.now(), Timestamp::from_millis(10));
    }

    #[tokio::test(start_paused = true)]
    async fn what_falls_due_during_sleep_is_noticed_within_a_second() {
        let (clock, slept) = clock();
        let start = tokio::time::Instant::now();
        let waits = clock.sleep_until(Timestamp::from_millis(300_000));
        let sleeps = async {
            tokio::time::sleep(Duration::from_millis(10_500)).await;
            *slept.lock().unwrap() = Duration::from_secs(3_600);
        };
        tokio::join!(waits, sleeps);
        assert_eq!(start.elapsed(), Duration::from_secs(11));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_on_time_while_awake() {
        let clock = ContinuousClock::new();
        clock.sleep_until(Timestamp::from_millis(90_250)).await;
        assert_eq!(clock.now(), Timestamp::from_millis(90_250));
        clock.sleep_until(Timestamp::from_millis(1)).await;
    }

    #[test]
    fn a_machine_that_is_awake_was_not_asleep() {
        let asleep = system::asleep();
        assert!(asleep() < Duration::from_secs(1));
    }
}
