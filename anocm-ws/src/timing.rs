//! How long a link waits for what.

use std::time::Duration;

use anocm_core::SettingError;

/// How long a link waits for what. The same on both sides.
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
    /// A ping goes out when nothing was heard for so long. 25 seconds: many proxies and address
    /// translators forget a connection after 30. It goes out after half of
    /// [`dead_after`](Self::dead_after) at the latest, or nobody could answer in time.
    pub ping_after: Duration,
    /// The link is dead when nothing was heard, or nothing of what waits was taken, for so long.
    /// 60 seconds.
    pub dead_after: Duration,
    /// How long closing may take before the connection is just dropped. 3 seconds.
    pub close_within: Duration,
}

impl Timing {
    /// Checks that a link can live by these: each from 1 ms to a day.
    ///
    /// # Errors
    /// [`SettingError`] names the first that is out of its range.
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
