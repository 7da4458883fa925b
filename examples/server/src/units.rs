//! Timeouts and sizes as people write them: `90s`, `7d`, `512MiB`.

use std::time::Duration;

use anocm_core::parse_duration;

/// Parses a duration that is not zero.
pub(crate) fn timeout(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(Duration::ZERO) => Err("must be longer than nothing".to_owned()),
        read => read.map_err(|error| error.to_string()),
    }
}

/// Parses a size in bytes: a whole number, with `B`, `K`, `KiB`, `M`, `MiB`, `G`, `GiB` or no unit.
pub(crate) fn bytes(text: &str) -> Result<usize, String> {
    let (number, unit) = split(text)?;
    let factor = match unit {
        "" | "B" => 1,
        "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        _ => return Err("give a unit: B, KiB, MiB or GiB".to_owned()),
    };
    number
        .checked_mul(factor)
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| "more than this machine can count".to_owned())
}

fn split(text: &str) -> Result<(u64, &str), String> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    match number.parse() {
        Ok(number) => Ok((number, unit.trim_start())),
        Err(_) => Err("not a number with a unit".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use anocm_core::{Retention, format_duration};

    use super::*;

    #[test]
    fn durations_and_sizes_read_as_people_write_them() {
        assert_eq!(timeout("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(timeout("90"), Ok(Duration::from_secs(90)));
        assert_eq!(timeout("1.5s"), Ok(Duration::from_millis(1_500)));
        assert_eq!(bytes("512MiB"), Ok(512 << 20));
        assert_eq!(bytes("1G"), Ok(1 << 30));
        assert_eq!(bytes("64"), Ok(64));
    }

    #[test]
    fn what_programs_print_can_be_given() {
        for millis in [1_000, 1_500, 61_000, 161_000, 3_723_004, 273_600_000, 2_592_000_000] {
            let time = Duration::from_millis(millis);
            assert_eq!(timeout(&format_duration(time).to_string()), Ok(time));
            assert_eq!(timeout(&Retention::keep(time).unwrap().to_string()), Ok(time));
        }
    }

    #[test]
    fn anything_else_is_an_error() {
        for bad in ["", "s", "-1s", "10 parsecs", "99999999999999999999s", "1000000d", "0s", "0"] {
            assert!(timeout(bad).is_err(), "{bad}");
        }
        for bad in ["", "MiB", "-1", "1 TB", "99999999999GiB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }
}
