//! Settings of a client.

use std::{fmt, sync::Arc, time::Duration};

#[cfg(not(target_arch = "wasm32"))]
use crate::time::ContinuousClock;
use crate::{room::MachineConfig, setting::SettingError, time::Clock};

/// Settings of a client.
///
/// # Examples
/// ```
/// use anocm_core::client::ClientConfig;
///
/// let config = ClientConfig { max_rooms: 8, ..ClientConfig::default() };
/// assert_eq!(config.check(), Ok(()));
/// ```
#[derive(Clone)]
pub struct ClientConfig {
    /// The clock. Default: tokio's clock plus the time for which the machine slept, for drivers on
    /// a tokio runtime; on another one see [`ContinuousClock::over`]. No default on wasm32, where
    /// the embedder provides one.
    pub clock: Arc<dyn Clock>,
    /// The maximum delay before a reconnect. Delays are random and their bound grows from a quarter
    /// of a second. From 10 ms to an hour. Default: 30 seconds.
    pub max_backoff: Duration,
    /// The timeout for the transport to reach the relay. From 10 ms to an hour. Default: two and a
    /// half minutes. It serves transports without a timeout of their own; that of `anocm-ws` has
    /// one: 30 seconds, and two minutes through a proxy.
    pub connect_timeout: Duration,
    /// The timeout for the relay's greeting, once the relay is reached. From 10 ms to an hour.
    /// Default: 30 seconds.
    pub greeting_timeout: Duration,
    /// The timeout for a reply; after it the connection is closed. From 10 ms to an hour. Default:
    /// two minutes, enough to carry the longest frame over a slow network.
    pub answer_timeout: Duration,
    /// The maximum number of rooms at one time, at least one; beyond it
    /// [`ClientError::TooManyRooms`](super::ClientError::TooManyRooms). Default: 64, the relay's default limit for one connection.
    /// For more rooms use another client, which has its own connection.
    pub max_rooms: usize,
    /// Settings of every room.
    pub rooms: MachineConfig,
}

impl ClientConfig {
    /// Returns the default settings with this clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            max_backoff: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(150),
            greeting_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(120),
            max_rooms: 64,
            rooms: MachineConfig::default(),
        }
    }

    /// Checks that a client can work with these settings.
    ///
    /// # Errors
    /// [`SettingError`] names the first field that is out of its range.
    pub fn check(&self) -> Result<(), SettingError> {
        let times = Duration::from_millis(10)..=Duration::from_secs(3_600);
        for (value, field) in [
            (self.max_backoff, "max_backoff"),
            (self.connect_timeout, "connect_timeout"),
            (self.greeting_timeout, "greeting_timeout"),
            (self.answer_timeout, "answer_timeout"),
        ] {
            SettingError::unless_in(&times, &value, field, "from 10ms to 1h")?;
        }
        SettingError::unless_in(&(1..=usize::MAX), &self.max_rooms, "max_rooms", "at least 1")?;
        self.rooms.check()
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl Default for ClientConfig {
    fn default() -> Self {
        Self::new(Arc::new(ContinuousClock::new()))
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig").field("rooms", &self.rooms).finish_non_exhaustive()
    }
}
