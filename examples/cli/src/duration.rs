//! Durations for display.

use std::time::Duration;

use anocm_core::format_duration;

/// Formats a remaining time as a countdown that the options and commands accept as well: `9s`,
/// `2m 41s`, `1h 2m 3s`, `3d 4h`. Rounds up to seconds, so that the display is never zero while time
/// is left; from a day on it shows whole hours.
pub(crate) fn countdown(left: Duration) -> String {
    let seconds = u64::try_from(left.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX);
    let shown = if seconds < 86_400 { seconds } else { seconds - seconds % 3_600 };
    format_duration(Duration::from_secs(shown)).to_string()
}

#[cfg(test)]
mod tests {
    use anocm_core::{Retention, parse_duration};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_countdown_is_rounded_up() {
        for (millis, shown) in [
            (1, "1s"),
            (9_000, "9s"),
            (59_001, "1m"),
            (161_000, "2m 41s"),
            (3_723_000, "1h 2m 3s"),
            (4 * 3_600_000 + 3 * 86_400_000, "3d 4h"),
        ] {
            assert_eq!(countdown(Duration::from_millis(millis)), shown);
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_can_be_given(millis in 1..2_592_000_000_u64) {
            let shown = countdown(Duration::from_millis(millis));
            prop_assert!(parse_duration(&shown).is_ok(), "{shown}");
            prop_assert!(shown.parse::<Retention>().is_ok(), "{shown}");
        }
    }
}
