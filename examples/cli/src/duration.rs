//! Spans of time as people write them: `30s`, `5m`, `1h`, `1d`, `90`, `0`, `live`.

use std::time::Duration;

use anocm_core::{Retention, RetentionError};

/// Why a text is no span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DurationError {
    #[error("write a time like 30s, 5m, 1h, 1d, plain seconds, or live")]
    Malformed,
    #[error(transparent)]
    Retention(#[from] RetentionError),
}

/// Reads whole seconds, minutes, hours or days; seconds without a unit.
pub(crate) fn duration(text: &str) -> Result<Duration, DurationError> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text.strip_prefix(digits).map(str::trim) {
        Some("" | "s") => 1,
        Some("m") => 60,
        Some("h") => 3_600,
        Some("d") => 86_400,
        _ => return Err(DurationError::Malformed),
    };
    // "+5" is a number to Rust, but not to people.
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DurationError::Malformed);
    }
    let count: u64 = digits.parse().map_err(|_| RetentionError::TooLong)?;
    let seconds = count.checked_mul(unit).ok_or(RetentionError::TooLong)?;
    Ok(Duration::from_secs(seconds))
}

/// Reads a retention: a span of time, or `live`, which is also `0`.
pub(crate) fn retention(text: &str) -> Result<Retention, DurationError> {
    if text.trim().eq_ignore_ascii_case("live") {
        return Ok(Retention::Live);
    }
    Ok(Retention::keep(duration(text)?)?)
}

/// What is left of a span, for a countdown: `9s`, `2:41`, `1:02:03`, `3d 4h`. Rounded up, so that
/// what is shown is never zero while something is there.
pub(crate) fn countdown(left: Duration) -> String {
    let seconds = left.as_millis().div_ceil(1_000);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600, seconds / 60);
    if days > 0 {
        format!("{days}d {}h", hours % 24)
    } else if hours > 0 {
        format!("{hours}:{:02}:{:02}", minutes % 60, seconds % 60)
    } else if minutes > 0 {
        format!("{minutes}:{:02}", seconds % 60)
    } else {
        format!("{seconds}s")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, seconds) in [
            ("30s", 30),
            ("5m", 300),
            ("1h", 3_600),
            ("1d", 86_400),
            ("90", 90),
            (" 5 m ", 300),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(retention("live"), Ok(Retention::Live));
        assert_eq!(retention("LIVE"), Ok(Retention::Live));
        assert_eq!(retention("0"), Ok(Retention::Live));
        assert_eq!(retention("5m").unwrap().to_string(), "5m");
    }

    #[test]
    fn refuses_the_rest_and_says_why() {
        for text in ["", "m", "5x", "5mm", "-1", "+5", "1.5h", "5m3s", "½", "٣s"] {
            assert_eq!(duration(text), Err(DurationError::Malformed), "{text}");
        }
        for text in ["31d", "99999999999999999999", "18446744073709551615d"] {
            assert_eq!(
                retention(text),
                Err(DurationError::Retention(RetentionError::TooLong)),
                "{text}"
            );
        }
    }

    #[test]
    fn a_countdown_is_rounded_up() {
        for (millis, shown) in [
            (1, "1s"),
            (9_000, "9s"),
            (59_001, "1:00"),
            (161_000, "2:41"),
            (3_723_000, "1:02:03"),
            (4 * 3_600_000 + 3 * 86_400_000, "3d 4h"),
        ] {
            assert_eq!(countdown(Duration::from_millis(millis)), shown);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,12}") {
            let _ = retention(&text);
        }

        #[test]
        fn what_a_retention_shows_reads_back(seconds in 0_u64..=30 * 86_400) {
            let kept = Retention::keep(Duration::from_secs(seconds)).unwrap();
            prop_assert_eq!(retention(&kept.to_string()), Ok(kept));
        }
    }
}
