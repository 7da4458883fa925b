//! Nonzero time spans.

use std::time::Duration;

use anocm_core::parse_duration;

/// Parses a time span: not zero, and at most a week.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(Duration::ZERO) => Err("must be longer than nothing".to_owned()),
        Ok(span) if span > Duration::from_secs(7 * 86_400) => Err("longer than a week".to_owned()),
        read => read.map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use anocm_core::{Retention, format_duration};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_span_is_neither_nothing_nor_longer_than_a_week() {
        assert_eq!(span("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(span("7d"), Ok(Duration::from_secs(604_800)));
        for bad in ["", "s", "-1s", "0s", "8d", "999h", "99999999999999999999s"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_programs_print_can_be_given(millis in 1_000..=604_800_000_u64) {
            let time = Duration::from_millis(millis);
            prop_assert_eq!(span(&format_duration(time).to_string()), Ok(time));
            let kept = Retention::keep(time).unwrap();
            prop_assert_eq!(span(&kept.to_string()), Ok(time));
        }
    }
}
