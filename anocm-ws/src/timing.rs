//! Keepalive interval and timeouts of a link.

use std::time::Duration;

use anocm_core::SettingError;

/// Keepalive interval and timeouts of a link. The same on both sides.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// let behind_an_impatient_proxy = anocm_ws::Timing {
///     ping_after: Duration::from_secs(10),
///     ..Default::default()
/// };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// The time without received data after which a ping is sent. 25 seconds: many proxies and NATs
    /// drop idle connections after 30. At most half of [`dead_after`](Self::dead_after) is used, so
    /// that the peer has time to respond.
    pub ping_after: Duration,
    /// The link is dead when nothing was received, or none of the queued data was accepted, for
    /// this long. 60 seconds.
    pub dead_after: Duration,
    /// The timeout for closing, after which the connection is dropped. 3 seconds.
    pub close_within: Duration,
}

impl Timing {
    /// Checks that each value is from 1 ms to a day.
    ///
    /// # Errors
    /// [`SettingError`] names the first field that is out of its range.
    pub fn check(&self) -> Result<(), SettingError> {
        let range = Duration::from_millis(1)..=Duration::from_secs(86_400);
        for (value, field) in [
            (self.ping_after, "timing.ping_after"),
            (self.dead_after, "timing.dead_after"),
            (self.close_within, "timing.close_within"),
        ] {
            SettingError::unless_in(&range, &value, field, "from 1ms to 1d")?;
        }
        Ok(())
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            ping_after: Duration::from_secs(25),
            dead_after: Duration::from_secs(60),
            close_within: Duration::from_secs(3),
        }
    }
}
