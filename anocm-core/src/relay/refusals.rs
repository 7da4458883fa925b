//! Refusals of requests.

use std::time::Duration;

use crate::{store::StoreError, time::millis, wire::Refusal};

/// Refuses with *not admitted* unless `is`.
pub(crate) fn ensure_admitted(is: bool) -> Result<(), Refusal> {
    if is { Ok(()) } else { Err(Refusal::NotAdmitted) }
}

/// Returns *busy*: the client is to retry after `wait`.
pub(crate) fn busy(wait: Duration) -> Refusal {
    let retry_after = u32::try_from(millis(wait)).unwrap_or(u32::MAX);
    Refusal::Busy { retry_after }
}

/// Returns *crowded*: others are joining; join pacing allows the next door query after `wait`.
pub(crate) fn crowded(wait: Duration) -> Refusal {
    let retry_after = u32::try_from(millis(wait)).unwrap_or(u32::MAX).max(1);
    Refusal::Crowded { retry_after }
}

/// Returns the refusal for an error of the store.
pub(crate) fn refusal(error: StoreError) -> Refusal {
    match error {
        StoreError::NoSuchRoom => Refusal::NoSuchRoom,
        StoreError::AddressInUse => Refusal::AddressInUse,
        StoreError::StaleEpoch { current } => Refusal::StaleEpoch { current },
        StoreError::TooEarly { wait } => busy(wait),
        StoreError::Full => Refusal::Full,
        StoreError::Mismatched | StoreError::Settled => Refusal::Unlawful,
        StoreError::ReadOnly => Refusal::ReadOnly,
        StoreError::Unavailable | StoreError::Backend => Refusal::Unavailable,
    }
}
