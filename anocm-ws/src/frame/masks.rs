//! Masks for the frames of a client.

use std::io;

/// The number of masks drawn at once: a system call takes longer than masking a short frame.
const POOL: usize = 16;

/// Masks from the system's random numbers: they must be unpredictable for those who chose the
/// payload (RFC 6455, section 10.3). Each is used once.
#[derive(Default)]
pub(super) struct Masks {
    pool: [[u8; 4]; POOL],
    left: usize,
}

impl Masks {
    pub(super) fn next(&mut self) -> io::Result<[u8; 4]> {
        if self.left == 0 {
            getrandom::fill(self.pool.as_flattened_mut()).map_err(|_| io::ErrorKind::Other)?;
            self.left = POOL;
        }
        self.left -= 1;
        self.pool.get(self.left).copied().ok_or_else(|| io::ErrorKind::Other.into())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_mask_comes_twice() {
        let mut masks = Masks::default();
        let drawn: BTreeSet<_> = (0..10 * POOL).map(|_| masks.next().unwrap()).collect();
        // Two of 160 random masks are the same once in 300,000 times.
        assert!(drawn.len() >= 10 * POOL - 1);
    }
}
