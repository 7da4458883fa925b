//! What functions leave behind on the stack.

use std::hint::black_box;

/// The cryptography reaches some 60 KiB below whoever sweeps; as much again, to be safe. It takes
/// two microseconds.
const DEPTH: usize = 128 * 1024;

/// Sweeps the stack when dropped: first in a function, it comes last.
pub(crate) struct StackScrubGuard;

impl Drop for StackScrubGuard {
    fn drop(&mut self) {
        scrub();
    }
}

/// Overwrites what the functions called so far have left below their caller. They work with copies
/// of keys and words there, and nobody wipes those: not the libraries, and not the allocator.
#[inline(never)]
fn scrub() {
    let mut below = [0_u8; DEPTH];
    // Somebody could read it: so it is written.
    black_box(&mut below);
}
