//! Latencies of messages.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hdrhistogram::{CreationError, Histogram};

use crate::report::{Row, Value};

/// The longest time that is recorded, in microseconds: ten minutes.
const LONGEST: u64 = 600_000_000;
/// Significant decimal digits.
const DIGITS: u8 = 3;

/// A histogram of times in microseconds, shared by concurrent tasks. Locked only briefly, never
/// across an await.
#[derive(Debug)]
pub(crate) struct Latencies(Mutex<Histogram<u64>>);

impl Latencies {
    pub(crate) fn new() -> Result<Self, CreationError> {
        Ok(Self(Mutex::new(Histogram::new_with_bounds(1, LONGEST, DIGITS)?)))
    }

    pub(crate) fn record(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.lock().saturating_record(micros);
    }

    /// Returns the percentiles in milliseconds.
    pub(crate) fn row(&self) -> Row {
        let at = |quantile| self.quantile(quantile).map_or(Value::Unknown, |ms| Value::Real(ms, 3));
        Row::default()
            .with("p50_ms", at(0.5))
            .with("p90_ms", at(0.9))
            .with("p99_ms", at(0.99))
            .with("p99_9_ms", at(0.999))
            .with("max_ms", at(1.0))
    }

    /// Returns a quantile in milliseconds; `None` when nothing was measured.
    pub(crate) fn quantile(&self, quantile: f64) -> Option<f64> {
        let histogram = self.lock();
        let micros = Duration::from_micros(histogram.value_at_quantile(quantile));
        (!histogram.is_empty()).then_some(micros.as_secs_f64() * 1_000.0)
    }

    /// Returns what was measured so far, and resets.
    pub(crate) fn take(&self) -> Self {
        let mut histogram = self.lock();
        let taken = histogram.clone();
        histogram.reset();
        Self(Mutex::new(taken))
    }

    /// Adds the times of another histogram.
    pub(crate) fn add(&self, other: &Self) {
        // Both have the same bounds, so every value fits.
        let _ = self.lock().add(&*other.lock());
    }

    fn lock(&self) -> MutexGuard<'_, Histogram<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_measured_is_nothing_known() {
        let none = Latencies::new().unwrap();
        assert_eq!(none.quantile(0.5), None);
        let row = serde_json::to_value(none.row()).unwrap();
        assert!(row["p50_ms"].is_null() && row["max_ms"].is_null());
    }

    #[test]
    fn what_is_beyond_all_bounds_counts_as_the_longest() {
        let times = Latencies::new().unwrap();
        times.record(Duration::from_secs(86_400));
        times.record(Duration::ZERO);
        assert!(times.quantile(0.5).unwrap() < 1.0);
        assert!(times.quantile(1.0).unwrap() >= 600_000.0);
    }

    #[test]
    fn what_was_taken_is_counted_where_it_is_added() {
        let times = Latencies::new().unwrap();
        times.record(Duration::from_millis(7));
        let (taken, both) = (times.take(), Latencies::new().unwrap());
        assert_eq!(times.quantile(0.5), None);
        times.record(Duration::from_millis(1));
        both.add(&taken);
        both.add(&times);
        let rounded = |quantile| both.quantile(quantile).unwrap().round();
        assert_eq!([0.5, 1.0].map(rounded), [1.0, 7.0]);
    }

    proptest! {
        // The quantile is halfway between two ranks: at a rank itself, rounding decides which of
        // two neighbours is meant.
        #[test]
        fn a_quantile_is_where_sorting_finds_it(
            mut micros in prop::collection::vec(1_u64..10_000_000, 1..200),
            any in any::<prop::sample::Index>(),
        ) {
            let times = Latencies::new().unwrap();
            for micros in &micros {
                times.record(Duration::from_micros(*micros));
            }
            micros.sort_unstable();
            let below = any.index(micros.len());
            let exact = Duration::from_micros(micros[below]).as_secs_f64() * 1_000.0;
            let found = times.quantile((below as f64 + 0.5) / micros.len() as f64).unwrap();
            prop_assert!((found - exact).abs() <= exact * 0.001 + 0.001, "{found} for {exact}");
        }
    }
}
