//! How a store is doing, for operators and for admission.

/// How a store is doing: for an operator's numbers, for readiness, and for the price of taking more
/// of its memory.
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
    /// Bytes taken by all rooms, and the most that new rooms and messages may bring them to; what
    /// is kept back for commits and joins is above that. `None` when the store does not know.
    pub memory: Option<Level>,
    /// Rooms, those that only linger included. `None` when the store does not know.
    pub rooms: Option<Level>,
    /// Kept entries of all rooms. `None` when the store does not know.
    pub entries: Option<u64>,
}

/// Whether a back end can be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "stores outside this crate tell it")]
pub enum Health {
    /// It answers.
    #[default]
    Ready,
    /// It was not reached, or not in time: requests are refused as unavailable.
    Unreachable,
}

/// How much of something there is, and how much there may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// How much there is.
    pub used: u64,
    /// How much there may be.
    pub limit: u64,
}

impl Level {
    /// Whether there may be so many more.
    #[must_use]
    pub fn has(self, more: usize) -> bool {
        u64::try_from(more).is_ok_and(|more| more <= self.limit.saturating_sub(self.used))
    }

    /// How much is taken, in thousandths of the limit; 1,000 at most.
    #[must_use]
    pub fn thousandths(self) -> u64 {
        self.used.min(self.limit).saturating_mul(1_000) / self.limit.max(1)
    }
}
