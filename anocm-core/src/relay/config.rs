//! The operator's settings of a relay.

use std::time::Duration;

use crate::{
    retention::{Lifetime, Retention},
    wire::MAX_FRAME,
};

/// Limits and timeouts of a [`Relay`](super::Relay).
///
/// # Examples
/// ```
/// use anocm_core::relay::RelayConfig;
///
/// let config = RelayConfig { max_connections: 500, ..RelayConfig::default() };
/// assert_eq!(config.check(), Ok(()));
/// ```
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// How long a new connection may take to send its hello. 10 s.
    pub hello_timeout: Duration,
    /// How long a connection may stay open without being in a room. 60 s.
    pub idle_timeout: Duration,
    /// How long a connection continues to receive after a commit without proving the epoch that the
    /// commit began. 10 s.
    pub epoch_grace: Duration,
    /// Write timeout: how long sending [`batch_bytes`](Self::batch_bytes) may take before the
    /// connection is closed. 20 s.
    pub write_timeout: Duration,
    /// How often the relay queries the store for the state of its memory-only promise. 60 s.
    pub posture_interval: Duration,
    /// The longest frame that is accepted, in bytes. [`MAX_FRAME`].
    pub max_frame: usize,
    /// The maximum number of concurrent connections. 10,000.
    pub max_connections: usize,
    /// The maximum number of rooms per connection. 64.
    pub max_rooms_per_connection: usize,
    /// The maximum number of bytes of room events queued for one connection. Above that the room
    /// lags. Backpressure: requests are not read while more than half of it is queued, replies
    /// included. 256 KiB.
    pub outbox_bytes: usize,
    /// The maximum number of room events queued for one connection. 4,096.
    pub outbox_frames: usize,
    /// The maximum number of bytes handed to a link in one send, unless a single frame is longer.
    /// 64 KiB.
    pub batch_bytes: usize,
    /// Requests per second and connection; the reader waits above that. 100, with a burst of 400.
    pub requests: Rate,
    /// Bytes per second and connection; the reader waits above that. 512 KiB, with a burst of 4
    /// MiB.
    pub bytes: Rate,
    /// Rooms created per minute and connection; refused with `Busy` above that. 10, with a burst of
    /// 10.
    pub creations: Rate,
    /// Joins per minute and connection; refused with `Busy` above that. 30, with a burst of 30.
    pub joins: Rate,
    /// Rooms created and joined on the whole relay. Proof of work is required when less than half
    /// of the burst is left, see [`max_difficulty`](Self::max_difficulty). 50 per second, with a
    /// burst of 2,000.
    pub admissions: Rate,
    /// Joins of one room, over all connections. Proof of work is required when less than half of
    /// the burst is left. 600 per minute, with a burst of 600.
    pub room_joins: Rate,
    /// The maximum proof-of-work difficulty for creating or joining a room under load, or when
    /// connections run out; in attempts of some 40 µs each. 65,536, about three seconds; 0 disables
    /// proof of work.
    pub max_difficulty: u32,
    /// Entries per second and room, over all connections; refused with `Busy` above that. 400, with
    /// a burst of 1,600.
    pub room_entries: Rate,
    /// Sealed bytes per second and room; refused with `Busy` above that. 2 MiB, with a burst of 16
    /// MiB.
    pub room_bytes: Rate,
    /// The limits of a room's policy.
    pub policy: PolicyLimits,
}

/// A rate limit: a token bucket's refill rate and capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many tokens are added per period.
    pub amount: u64,
    /// The period.
    pub period: Duration,
    /// The burst: how many tokens the full bucket holds.
    pub burst: u64,
}

/// The upper limits of a room's policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyLimits {
    /// Retention of messages, and of commits and joins. 30 days, which is also the absolute
    /// maximum.
    pub max_retention: Retention,
    /// How long a room may outlive its last connection. One day.
    pub linger: Duration,
    /// How old a room may become. 30 days.
    pub max_age: Duration,
    /// The number of entries kept at one time. 50,000.
    pub max_entries: u32,
    /// The number of bytes of sealed entries kept at one time. 64 MiB.
    pub max_bytes: u64,
}

impl Default for PolicyLimits {
    fn default() -> Self {
        Self {
            max_retention: Retention::For(Lifetime::MAX),
            linger: Duration::from_secs(24 * 3_600),
            max_age: Duration::from_secs(30 * 24 * 3_600),
            max_entries: 50_000,
            max_bytes: 64 << 20,
        }
    }
}

impl Default for RelayConfig {
    fn default() -> Self {
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        let rate = |amount, period, burst| Rate { amount, period, burst };
        Self {
            hello_timeout: 10 * second,
            idle_timeout: minute,
            epoch_grace: 10 * second,
            write_timeout: 20 * second,
            posture_interval: minute,
            max_frame: MAX_FRAME,
            max_connections: 10_000,
            max_rooms_per_connection: 64,
            outbox_bytes: 256 << 10,
            outbox_frames: 4_096,
            batch_bytes: 64 << 10,
            requests: rate(100, second, 400),
            bytes: rate(512 << 10, second, 4 << 20),
            creations: rate(10, minute, 10),
            joins: rate(30, minute, 30),
            admissions: rate(50, second, 2_000),
            room_joins: rate(600, minute, 600),
            max_difficulty: 65_536,
            room_entries: rate(400, second, 1_600),
            room_bytes: rate(2 << 20, second, 16 << 20),
            policy: PolicyLimits::default(),
        }
    }
}
