//! Spans of time as people write them: `500ms`, `10s`, `5m`, `1h`.

use std::time::Duration;

use anocm_core::Retention;

/// Reads a span: a whole number and `ms`, `s`, `m` or `h`. Not zero.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let number: u64 = number.parse().map_err(|_| "not a number with a unit".to_owned())?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("give a unit: ms, s, m or h".to_owned()),
    };
    match number.checked_mul(millis) {
        Some(0) => Err("must be longer than nothing".to_owned()),
        Some(millis) if millis <= 7 * 86_400_000 => Ok(Duration::from_millis(millis)),
        _ => Err("longer than a week".to_owned()),
    }
}

/// Reads a retention: a span, or `live`.
pub(crate) fn retention(text: &str) -> Result<Retention, String> {
    if text == "live" {
        return Ok(Retention::Live);
    }
    Retention::keep(span(text)?).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_people_write_them() {
        assert_eq!(span("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(span("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(span("2h"), Ok(Duration::from_secs(7_200)));
        assert_eq!(retention("live"), Ok(Retention::Live));
        assert_eq!(retention("5m").unwrap().to_string(), "5m");
    }

    #[test]
    fn anything_else_is_an_error() {
        for bad in ["", "s", "10", "-1s", "1.5h", "0s", "8d", "999h", "99999999999999999999s", "½s"]
        {
            assert!(span(bad).is_err(), "{bad}");
        }
        assert!(retention("10ms").is_err());
    }
}
