//! Wiping of what functions leave behind on the stack.

use std::hint::black_box;

/// The cryptography uses some 60 KiB of stack below the function that holds the guard; the depth is
/// doubled for safety. Takes two microseconds.
const DEPTH: usize = 128 * 1024;

/// Scrubs the stack when dropped. Declared first in a function, it is dropped last.
pub(crate) struct StackScrubGuard;

impl Drop for StackScrubGuard {
    fn drop(&mut self) {
        scrub();
    }
}

/// Overwrites what earlier calls have left on the stack below their caller. They work there with
/// copies of keys and plaintext, which neither the libraries nor the allocator wipe.
#[inline(never)]
fn scrub() {
    let mut below = [0_u8; DEPTH];
    // Keeps the compiler from removing the write.
    black_box(&mut below);
}
