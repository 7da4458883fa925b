//! Random numbers from a seed; the state does not reveal earlier output.

use std::{convert::Infallible, fmt};

use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng, TryCryptoRng, TryRng};

use crate::secret::Secret;

/// A generator that replaces its key at each draw (fast key erasure): its state reveals nothing
/// about earlier output. Wiped on drop.
pub(crate) struct FastKeyErasureRng(Secret<32>);

impl FastKeyErasureRng {
    /// Creates a generator from `seed`, which must be unpredictable and determines all output.
    pub(crate) const fn new(seed: Secret<32>) -> Self {
        Self(seed)
    }

    /// Draws a secret in place.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn secret(&mut self) -> Secret<32> {
        let Ok(secret) = Secret::fill(|bytes| {
            self.fill_bytes(bytes);
            Ok::<(), Infallible>(())
        });
        secret
    }
}

impl TryRng for FastKeyErasureRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        let mut stream = ChaCha20Rng::from_seed(*self.0.expose());
        let Ok(next) = Secret::fill(|key| {
            stream.fill_bytes(key);
            Ok::<(), Infallible>(())
        });
        self.0 = next;
        stream.fill_bytes(bytes);
        Ok(())
    }
}

impl TryCryptoRng for FastKeyErasureRng {}

impl fmt::Debug for FastKeyErasureRng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FastKeyErasureRng(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_from_the_seed_and_do_not_repeat() {
        let mut one = FastKeyErasureRng::new(Secret::new([1; 32]));
        let mut same = FastKeyErasureRng::new(Secret::new([1; 32]));
        let mut other = FastKeyErasureRng::new(Secret::new([2; 32]));
        let drawn: Vec<u64> = (0..100).map(|_| one.next_u64()).collect();
        assert!(drawn.iter().all(|&number| number == same.next_u64()));
        assert!(drawn.iter().all(|&number| number != other.next_u64()));
        let mut unique = drawn.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), drawn.len());
    }

    #[test]
    fn the_key_is_another_after_each_draw() {
        let mut rng = FastKeyErasureRng::new(Secret::new([1; 32]));
        let before = rng.0.clone();
        let drawn = rng.secret();
        assert!(rng.0 != before);
        assert!(rng.0 != drawn);
    }
}
