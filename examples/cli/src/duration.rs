//! Durations for display.

use std::time::Duration;

/// Formats a remaining time as a countdown: `9s`, `2:41`, `1:02:03`, `3d 4h`. Rounds up, so that
/// the display is never zero while time is left.
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
    use super::*;

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
}
