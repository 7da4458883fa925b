//! Settings are validated where they are set, and refused by name.

use std::ops::RangeInclusive;
#[cfg(any(feature = "client", feature = "relay"))]
use std::time::Duration;

/// A setting that is out of range.
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
    /// The name of the field in the struct that was passed.
    pub field: &'static str,
    /// The allowed values: a range, with units.
    pub allowed: &'static str,
}

impl SettingError {
    /// Creates the error: `field` is not within `allowed`.
    #[must_use]
    pub const fn new(field: &'static str, allowed: &'static str) -> Self {
        Self { field, allowed }
    }

    /// Checks that `value` is in `range`; `allowed` describes the range in words.
    ///
    /// # Errors
    /// [`SettingError`] when it is not.
    pub fn unless_in<T: PartialOrd>(
        range: &RangeInclusive<T>,
        value: &T,
        field: &'static str,
        allowed: &'static str,
    ) -> Result<(), Self> {
        if range.contains(value) { Ok(()) } else { Err(Self::new(field, allowed)) }
    }
}

/// Returns a duration of `count` days.
#[cfg(any(feature = "client", feature = "relay"))]
pub(crate) const fn days(count: u64) -> Duration {
    Duration::from_secs(count * 86_400)
}
