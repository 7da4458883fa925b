//! Human-readable time spans: the one grammar of all options, commands, settings and messages.

use std::{fmt, time::Duration};

/// The longest accepted span: a hundred years, which every clock can add to the present.
const LONGEST: Duration = Duration::from_secs(36_525 * 86_400);

/// Why a text is not a time span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// Not a number with a unit.
    #[error("write a time like 500ms, 30s, 5m, 1h 30m, 1d, or plain seconds")]
    Malformed,
    /// Longer than a hundred years.
    #[error("longer than a hundred years")]
    TooLong,
}

/// Parses a time span: numbers with a unit (`ms`, `s`, `m`, `h`, `d`, `w`, or their names) in
/// sequence, or a whole number of seconds. At most a hundred years. Months and years have no fixed
/// length and are not accepted as units: `5M` is most likely a typo for `5m`.
///
/// Accepts what [`format_duration`] and [`Retention`](crate::Retention) display.
///
/// # Errors
/// [`DurationError`] when the text is not a time span, or the span is too long.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use anocm_core::{DurationError, parse_duration};
///
/// assert_eq!(parse_duration("1h 30m"), Ok(Duration::from_secs(5_400)));
/// assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1_500)));
/// assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
/// assert_eq!(parse_duration("soon"), Err(DurationError::Malformed));
/// ```
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let span = if is_number {
        // A number of seconds that overflows is longer than any span.
        Duration::from_secs(text.parse().map_err(|_| DurationError::TooLong)?)
    } else if units(text).any(|unit| unit.starts_with("mo") || unit.starts_with(['M', 'y'])) {
        return Err(DurationError::Malformed);
    } else {
        humantime::parse_duration(text).map_err(|error| match error {
            humantime::DurationError::NumberOverflow => DurationError::TooLong,
            _ => DurationError::Malformed,
        })?
    };
    if span <= LONGEST { Ok(span) } else { Err(DurationError::TooLong) }
}

/// Returns a time span as [`parse_duration`] reads it: `0s`, `500ms`, `2m 41s`, `1d 3h`. Exact to
/// the nanosecond; the largest unit is the day.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use anocm_core::{format_duration, parse_duration};
///
/// let span = Duration::from_millis(5_400_500);
/// assert_eq!(format_duration(span).to_string(), "1h 30m 500ms");
/// assert_eq!(parse_duration("1h 30m 500ms"), Ok(span));
/// ```
#[must_use]
pub const fn format_duration(span: Duration) -> FormattedDuration {
    FormattedDuration(span)
}

/// A time span to display, see [`format_duration`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormattedDuration(Duration);

impl fmt::Display for FormattedDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.as_secs(), u64::from(self.0.subsec_nanos()));
        let parts = [
            (seconds / 86_400, "d"),
            (seconds / 3_600 % 24, "h"),
            (seconds / 60 % 60, "m"),
            (seconds % 60, "s"),
            (nanos / 1_000_000, "ms"),
            (nanos / 1_000 % 1_000, "us"),
            (nanos % 1_000, "ns"),
        ];
        let mut separator = "";
        for (count, unit) in parts.into_iter().filter(|(count, _)| *count != 0) {
            write!(f, "{separator}{count}{unit}")?;
            separator = " ";
        }
        if self.0.is_zero() { f.write_str("0s") } else { Ok(()) }
    }
}

fn units(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphabetic()).filter(|unit| !unit.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Retention;

    #[test]
    fn shows_the_units_that_count() {
        for (millis, shown) in [
            (0, "0s"),
            (9_000, "9s"),
            (161_000, "2m 41s"),
            (3_600_000, "1h"),
            (3_723_004, "1h 2m 3s 4ms"),
            (40 * 86_400_000, "40d"),
        ] {
            assert_eq!(format_duration(Duration::from_millis(millis)).to_string(), shown);
        }
        assert_eq!(format_duration(Duration::from_nanos(1_002)).to_string(), "1us 2ns");
    }

    #[test]
    fn reads_what_people_write() {
        for (text, millis) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("5m", 300_000),
            (" 5 m ", 300_000),
            ("1h", 3_600_000),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            ("1d", 86_400_000),
            ("2 days", 172_800_000),
            ("1w", 604_800_000),
            ("1.500s", 1_500),
            ("90", 90_000),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest_and_says_why() {
        for text in
            ["", " ", "s", "m", "5x", "5mm", "-1", "-1s", "+5", "1.5", "½", "٣s", "5M", "1 month"]
        {
            assert_eq!(parse_duration(text), Err(DurationError::Malformed), "{text}");
        }
        for text in ["36526d", "99999999999999999999", "18446744073709551615d", "5218w"] {
            assert_eq!(parse_duration(text), Err(DurationError::TooLong), "{text}");
        }
        for text in ["1y", "2 years", "1yr"] {
            assert_eq!(parse_duration(text), Err(DurationError::Malformed), "{text}");
        }
        assert_eq!(parse_duration("36525d"), Ok(LONGEST));
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(seconds in 0..LONGEST.as_secs(), nanos in 0..1_000_000_000_u32) {
            let span = Duration::new(seconds, nanos);
            prop_assert_eq!(parse_duration(&format_duration(span).to_string()), Ok(span));
        }

        #[test]
        fn what_is_shown_reads_back_as_a_retention(millis in 1_000..2_592_000_000_u64) {
            let span = Duration::from_millis(millis);
            let kept: Retention = format_duration(span).to_string().parse().unwrap();
            prop_assert_eq!(kept.lifetime(), span);
            prop_assert_eq!(parse_duration(&kept.to_string()), Ok(span));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,16}") {
            let _ = parse_duration(&text);
        }

        #[test]
        fn whole_numbers_and_units_mean_what_they_say(count in 0_u64..10_000) {
            for (unit, seconds) in [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)] {
                let read = parse_duration(&format!("{count}{unit}"));
                prop_assert_eq!(read, Ok(Duration::from_secs(count * seconds)));
            }
        }
    }
}
