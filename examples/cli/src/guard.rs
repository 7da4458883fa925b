//! What this process does so that its memory stays in memory.

use anocm_core::wire::Posture;

/// Wipes all memory that is freed, whoever held it.
#[global_allocator]
static WIPING: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

/// What came of [`harden`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guarded {
    /// What a relay in this process can say of its promise.
    pub(crate) posture: Posture,
    /// What a guest should know.
    pub(crate) warning: Option<&'static str>,
}

/// Forbids core dumps, keeps other processes of the user from reading this one, locks the memory
/// where that is allowed, and looks for swap where it is not.
pub(crate) fn harden() -> Guarded {
    let broken = |warning| Guarded { posture: Posture::Broken, warning: Some(warning) };
    if !no_dumps() {
        return broken("core dumps cannot be turned off: a crash could write messages to a disk");
    }
    if lock_memory() {
        return Guarded { posture: Posture::Kept, warning: None };
    }
    match swap_is_active() {
        Some(false) => Guarded { posture: Posture::Kept, warning: None },
        Some(true) => broken("this machine has swap space: messages could be written to a disk"),
        None => Guarded {
            posture: Posture::Unknown,
            warning: Some("whether this machine writes memory to a disk cannot be found out"),
        },
    }
}

#[cfg(unix)]
fn no_dumps() -> bool {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).is_ok() && undumpable()
}

#[cfg(not(unix))]
const fn no_dumps() -> bool {
    true
}

#[cfg(target_os = "linux")]
fn undumpable() -> bool {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};

    set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok()
}

#[cfg(all(unix, not(target_os = "linux")))]
const fn undumpable() -> bool {
    true
}

/// Locks all memory, now and later; but only where no limit could then make an allocation fail.
#[cfg(target_os = "linux")]
fn lock_memory() -> bool {
    use rustix::{
        mm::{MlockAllFlags, mlockall},
        process::{Resource, getrlimit},
        thread::{CapabilitySet, capabilities},
    };

    let unlimited = getrlimit(Resource::Memlock).current.is_none();
    let privileged =
        capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    let all = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    (unlimited || privileged) && mlockall(all).is_ok()
}

#[cfg(not(target_os = "linux"))]
const fn lock_memory() -> bool {
    false
}

/// Whether anything can be swapped out, where the system says.
fn swap_is_active() -> Option<bool> {
    // A line of headings, and one for each place that memory can go to.
    let swaps = std::fs::read_to_string("/proc/swaps").ok()?;
    Some(swaps.lines().nth(1).is_some())
}
