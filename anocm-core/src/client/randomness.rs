//! The source of the rooms' seeds.

#[cfg(feature = "testing")]
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(feature = "testing")]
use crate::rng::FastKeyErasureRng;
use crate::secret::Secret;

/// The source of the rooms' seeds.
#[derive(Clone)]
pub(super) enum Randomness {
    /// The operating system, or the browser.
    System,
    /// A fixed seed: the same numbers in every run.
    #[cfg(feature = "testing")]
    Seeded(Arc<Mutex<FastKeyErasureRng>>),
}

impl Randomness {
    #[cfg(feature = "testing")]
    pub(super) fn seeded(seed: [u8; 32]) -> Self {
        Self::Seeded(Arc::new(Mutex::new(FastKeyErasureRng::new(Secret::new(seed)))))
    }

    /// Returns the seed of one room; `None` when the system provides no randomness.
    pub(super) fn seed(&self) -> Option<Secret<32>> {
        match self {
            Self::System => Secret::fill(|bytes| getrandom::fill(bytes)).ok(),
            #[cfg(feature = "testing")]
            Self::Seeded(rng) => Some(rng.lock().unwrap_or_else(PoisonError::into_inner).secret()),
        }
    }
}
