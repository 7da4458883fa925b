//! How long a link waits for what.

use std::time::Duration;

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

impl Default for Timing {
    fn default() -> Self {
        Self {
            ping_after: Duration::from_secs(25),
            dead_after: Duration::from_secs(60),
            close_within: Duration::from_secs(3),
        }
    }
}
