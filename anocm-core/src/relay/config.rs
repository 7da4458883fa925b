//! What an operator sets.

use std::time::Duration;

use crate::{
    retention::{Lifetime, Retention},
    wire::MAX_FRAME,
};

/// How much a [`Relay`](super::Relay) grants, and how long it waits.
///
/// # Examples
/// ```
/// use anocm_core::relay::RelayConfig;
///
/// let mut config = RelayConfig::default();
/// config.max_connections = 500;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RelayConfig {
    /// How long a new connection may take for its hello. 10 s.
    pub hello_timeout: Duration,
    /// How long a connection may be in no room at all. 60 s.
    pub idle_timeout: Duration,
    /// How long a connection goes on receiving after a commit without proving the epoch that it
    /// began. 10 s.
    pub epoch_grace: Duration,
    /// How long the sending of [`batch_bytes`](Self::batch_bytes) may take before the
    /// connection is given up. 20 s.
    pub write_timeout: Duration,
    /// How often the store is asked about its memory-only promise. 60 s.
    pub posture_interval: Duration,
    /// The longest frame in bytes that is read. [`MAX_FRAME`].
    pub max_frame: usize,
    /// The most connections at one time. 10,000.
    pub max_connections: usize,
    /// The most rooms per connection. 64.
    pub max_rooms_per_connection: usize,
    /// The most bytes of room events that wait for one connection. Above that the room lags.
    /// Requests are not read while half as much waits, replies included. 256 KiB.
    pub outbox_bytes: usize,
    /// The most room events that wait for one connection. 4,096.
    pub outbox_frames: usize,
    /// The most bytes handed to a link in one send, unless a single frame is longer. 64 KiB.
    pub batch_bytes: usize,
    /// Requests per second and connection; more are read later. 100, and 400 at once.
    pub requests: Rate,
    /// Bytes per second and connection; more are read later. 512 KiB, and 4 MiB at once.
    pub bytes: Rate,
    /// Rooms created per minute and connection; more are refused for now. 10, and 10 at once.
    pub creations: Rate,
    /// Joins per minute and connection; more are refused for now. 30, and 30 at once.
    pub joins: Rate,
    /// Rooms created and joined in all. From the half of what comes at once on, a guest has to
    /// work for it, see [`max_difficulty`](Self::max_difficulty). 50 a second, and 2,000 at once.
    pub admissions: Rate,
    /// Joins of one room, whoever asks for them; also to be worked for from the half on. 600 a
    /// minute, and 600 at once.
    pub room_joins: Rate,
    /// The most work, in tries of some 40 µs, that is asked of whoever creates or joins a room
    /// while many do, or while connections run out. 65,536, some three seconds; 0 asks for none.
    pub max_difficulty: u32,
    /// Entries of one room in a second, whoever publishes them; more are refused for now. 400,
    /// and 1,600 at once.
    pub room_entries: Rate,
    /// Sealed bytes of one room in a second; more are refused for now. 2 MiB, and 16 MiB at once.
    pub room_bytes: Rate,
    /// What the policy of a room may be at most.
    pub policy: PolicyLimits,
}

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many in each period.
    pub amount: u64,
    /// The period.
    pub period: Duration,
    /// How many at once after a pause.
    pub burst: u64,
}

/// The most that the policy of a room may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyLimits {
    /// Of messages, and of commits and joins. 30 days, which is also the most there can be.
    pub max_retention: Retention,
    /// How long a room outlives its last connection. One day.
    pub linger: Duration,
    /// How old a room gets. 30 days.
    pub max_age: Duration,
    /// Entries kept at one time. 50,000.
    pub max_entries: u32,
    /// Bytes of sealed entries kept at one time. 64 MiB.
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
        let rate = |each, per, burst| Rate { amount: each, period: per, burst };
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
