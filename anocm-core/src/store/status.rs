//! The state of a store, for operators and for admission control.

/// The state of a store: for an operator's metrics, for readiness checks, and for the difficulty of
/// the proof of work that is required before more of its memory is used.
///
/// # Examples
/// ```
/// use anocm_core::store::{Health, Level, StoreStatus};
///
/// let mut status = StoreStatus::default();
/// assert_eq!((status.health, status.memory), (Health::Ready, None));
/// status.memory = Some(Level { used: 750, limit: 1_000 });
/// assert_eq!(status.memory.map(|memory| memory.thousandths()), Some(750));
/// assert!(status.memory.is_some_and(|memory| memory.has(250) && !memory.has(251)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreStatus {
    /// Whether the back end can be used at this moment.
    pub health: Health,
    /// Bytes used by all rooms, and the limit for new rooms and messages. The reserve for commits
    /// and joins is above that limit. `None` when the store does not know.
    pub memory: Option<Level>,
    /// Number of rooms, including those that only linger. `None` when the store does not know.
    pub rooms: Option<Level>,
    /// Number of kept entries of all rooms. `None` when the store does not know.
    pub entries: Option<u64>,
}

/// Whether a back end can be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "stores outside this crate tell it")]
pub enum Health {
    /// It responds.
    #[default]
    Ready,
    /// It was not reached, or not in time. Requests are refused as unavailable.
    Unreachable,
}

/// The current amount of a resource and its limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// The amount in use.
    pub used: u64,
    /// The limit.
    pub limit: u64,
}

impl Level {
    /// Whether `more` fits below the limit.
    #[must_use]
    pub fn has(self, more: usize) -> bool {
        u64::try_from(more).is_ok_and(|more| more <= self.limit.saturating_sub(self.used))
    }

    /// Returns the used part in thousandths of the limit; 1,000 at most.
    #[must_use]
    pub fn thousandths(self) -> u64 {
        self.used.min(self.limit).saturating_mul(1_000) / self.limit.max(1)
    }
}
