//! Durations and sizes as people write them: `90s`, `7d`, `512MiB`.

use std::time::Duration;

/// Reads a duration: a whole number and `ms`, `s`, `m`, `h` or `d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err("give a unit: ms, s, m, h or d".to_owned()),
    };
    number
        .checked_mul(millis)
        .filter(|millis| *millis <= 100 * 365 * 86_400_000)
        .map(Duration::from_millis)
        .ok_or_else(|| "longer than a century".to_owned())
}

/// As [`duration`], but not zero.
pub(crate) fn timeout(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than nothing".to_owned()),
        some => Ok(some),
    }
}

/// Reads a size in bytes: a whole number and nothing, `KiB`, `MiB` or `GiB`.
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
    use super::*;

    #[test]
    fn durations_and_sizes_read_as_people_write_them() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2 m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        assert_eq!(bytes("512MiB"), Ok(512 << 20));
        assert_eq!(bytes("1G"), Ok(1 << 30));
        assert_eq!(bytes("64"), Ok(64));
    }

    #[test]
    fn anything_else_is_an_error() {
        for bad in ["", "s", "-1s", "1.5h", "10", "10 parsecs", "99999999999999999999s", "1000000d"]
        {
            assert!(duration(bad).is_err(), "{bad}");
        }
        for bad in ["", "MiB", "-1", "1 TB", "99999999999GiB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
        assert!(timeout("0s").is_err());
    }
}
