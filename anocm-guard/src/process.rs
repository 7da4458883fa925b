//! Hardening that a process applies to itself.

use crate::Finding;

/// Disables core dumps. On Linux this also blocks debuggers and other processes that read memory.
pub(crate) fn no_dumps() -> Finding {
    if limit_dumps() && undumpable() {
        Finding::kept("core dumps are off, and no other process of this user can read this one")
    } else {
        Finding::broken(
            "core dumps cannot be turned off: a crash could write messages to a disk",
            "run it where setrlimit and prctl are allowed; some sandboxes forbid them",
        )
    }
}

#[cfg(unix)]
fn limit_dumps() -> bool {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).is_ok()
}

#[cfg(not(unix))]
const fn limit_dumps() -> bool {
    true
}

#[cfg(target_os = "linux")]
fn undumpable() -> bool {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};

    set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok()
}

#[cfg(not(target_os = "linux"))]
const fn undumpable() -> bool {
    true
}

/// Locks all current and future memory, but only where no limit could then make an allocation fail.
#[cfg(target_os = "linux")]
pub(crate) fn lock_memory() -> bool {
    use rustix::{
        mm::{MlockAllFlags, mlockall},
        process::{Resource, getrlimit},
        thread::{CapabilitySet, capabilities},
    };

    let unlimited = getrlimit(Resource::Memlock).current.is_none();
    let privileged =
        capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    // Inside a user namespace the process holds the capability too, but it does not lift the limit.
    let privileged = privileged && is_initial_namespace();
    let all = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    (unlimited || privileged) && mlockall(all).is_ok()
}

/// Whether user ids are the same inside and outside of this namespace: all 2^32 - 1 of them map
/// from 0.
#[cfg(target_os = "linux")]
fn is_initial_namespace() -> bool {
    std::fs::read_to_string("/proc/self/uid_map")
        .is_ok_and(|map| map.split_whitespace().eq(["0", "0", "4294967295"]))
}

#[cfg(not(target_os = "linux"))]
pub(crate) const fn lock_memory() -> bool {
    false
}
