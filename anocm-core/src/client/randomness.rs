//! Where the seeds of rooms come from.

#[cfg(feature = "testing")]
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(feature = "testing")]
use crate::rng::FastKeyErasureRng;
use crate::secret::Secret;

/// Where the seeds of rooms come from.
#[derive(Clone)]
pub(super) enum Randomness {
    /// The operating system, or the browser.
    System,
    /// A seed: the same numbers in every run.
    #[cfg(feature = "testing")]
    Seeded(Arc<Mutex<FastKeyErasureRng>>),
}

impl Randomness {
    #[cfg(feature = "testing")]
    pub(super) fn seeded(seed: [u8; 32]) -> Self {
        Self::Seeded(Arc::new(Mutex::new(FastKeyErasureRng::new(Secret::new(seed)))))
    }

    /// The seed of one room; `None` when the system has none to give.
    pub(super) fn seed(&self) -> Option<Secret<32>> {
        match self {
            Self::System => Secret::fill(|bytes| getrandom::fill(bytes)).ok(),
            #[cfg(feature = "testing")]
            Self::Seeded(entropy) => {
                Some(entropy.lock().unwrap_or_else(PoisonError::into_inner).secret())
            }
        }
    }
}
