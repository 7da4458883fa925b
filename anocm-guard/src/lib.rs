//! Process hardening that keeps the memory of the programs off disks, and a report of what it
//! achieved.
//!
//! A program that links this crate overwrites all memory that it frees. [`harden`] does the rest
//! and returns a report. Call it before everything else in `main`.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod process;
mod report;
#[cfg(feature = "signals")]
pub mod signals;
mod swap;
#[cfg(all(target_os = "linux", feature = "testing"))]
pub mod testing;

pub use report::{Finding, Report};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Overwrites all freed memory, whichever code allocated it.
#[global_allocator]
static WIPING: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

/// Forbids core dumps, keeps other processes of the user from reading this one, locks the memory
/// where that is allowed, and checks for ways in which memory could still reach a disk.
#[must_use]
pub fn harden() -> Report {
    let locked = process::lock_memory();
    let swap = swap::Swap::of_this_machine();
    Report::new(vec![
        Finding::kept("freed memory is overwritten"),
        process::no_dumps(),
        swap::written_out(locked, swap.as_ref()),
        swap::hibernation(swap.as_ref(), swap::can_hibernate()),
    ])
}
