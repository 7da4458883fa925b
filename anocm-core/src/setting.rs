//! Settings that cannot work are refused where they are set, by name.

use std::{fmt::Debug, ops::RangeInclusive, time::Duration};

/// A setting that cannot work.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use anocm_core::NewRoom;
///
/// let new = NewRoom { linger: Duration::ZERO, ..NewRoom::default() };
/// let error = new.check().unwrap_err();
/// assert_eq!(error.field, "linger");
/// assert_eq!(error.to_string(), "linger must be from 1s to 365d");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be {allowed}")]
#[non_exhaustive]
pub struct SettingError {
    /// The field, by its name in the struct that was given.
    pub field: &'static str,
    /// What it may be: a range, with units.
    pub allowed: &'static str,
}

impl SettingError {
    /// `field` is not what it may be, which is `allowed`.
    #[must_use]
    pub const fn new(field: &'static str, allowed: &'static str) -> Self {
        Self { field, allowed }
    }

    /// Checks that `value` is in `range`, which `allowed` puts in words.
    ///
    /// # Errors
    /// Unless it is.
    pub fn unless_in<T: PartialOrd + Debug>(
        range: &RangeInclusive<T>,
        value: &T,
        field: &'static str,
        allowed: &'static str,
    ) -> Result<(), Self> {
        if range.contains(value) { Ok(()) } else { Err(Self::new(field, allowed)) }
    }
}

/// So many days.
pub(crate) const fn days(count: u64) -> Duration {
    Duration::from_secs(count * 86_400)
}
