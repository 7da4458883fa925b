//! Whether the operating system could write memory to a disk: swap space and hibernation.

use std::fs::read_to_string;

use crate::Finding;

/// Where the system can swap memory out to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Swap {
    /// Nowhere, or into compressed memory.
    Nowhere,
    /// To a disk, or to something that may be one.
    Disk,
}

impl Swap {
    /// Reads the swap configuration of the system; `None` when it is not available.
    pub(crate) fn of_this_machine() -> Option<Self> {
        let swaps = read_to_string("/proc/swaps").ok()?;
        Some(Self::of(&swaps, |zram| {
            read_to_string(format!("/sys/block/{zram}/backing_dev"))
                .is_ok_and(|device| device.trim() == "none")
        }))
    }

    /// Parses `/proc/swaps`: a heading line, then one line for each swap area. `stays` returns
    /// whether the zram device of that name keeps its contents in memory.
    fn of(swaps: &str, stays: impl Fn(&str) -> bool) -> Self {
        let in_memory = |place: &str| {
            place.strip_prefix("/dev/").is_some_and(|name| name.starts_with("zram") && stays(name))
        };
        let mut places = swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next());
        if places.all(in_memory) { Self::Nowhere } else { Self::Disk }
    }
}

/// Reports whether memory can be swapped out to a disk.
pub(crate) const fn written_out(locked: bool, swap: Option<&Swap>) -> Finding {
    match (locked, swap) {
        (true, _) => Finding::kept("memory is locked: it is not swapped out"),
        (false, Some(Swap::Nowhere)) => Finding::kept("no swap space on a disk"),
        (false, Some(Swap::Disk)) => Finding::broken(
            "this machine has swap space: messages could be written to a disk",
            "turn it off (swapoff -a), or let the program lock its memory: CAP_IPC_LOCK, or no \
             limit of locked memory (LimitMEMLOCK=infinity)",
        ),
        (false, None) => Finding::unknown(
            "whether this machine swaps memory out to a disk cannot be found out",
            "make sure that it has no swap space, or none that is not encrypted with a key that \
             is lost when it is turned off",
        ),
    }
}

/// Reports whether the machine can hibernate, which writes all memory, locked or not, to a disk.
pub(crate) const fn hibernation(swap: Option<&Swap>, can: Option<bool>) -> Finding {
    match (swap, can) {
        (Some(Swap::Nowhere), _) | (_, Some(false)) => {
            Finding::kept("this machine cannot hibernate")
        }
        (Some(Swap::Disk), Some(true)) => Finding::unknown(
            "this machine could hibernate, which writes all memory to a disk",
            "turn it off: systemctl mask hibernate.target hybrid-sleep.target \
             suspend-then-hibernate.target",
        ),
        _ => Finding::unknown(
            "whether this machine can hibernate cannot be found out",
            "make sure that it does not: that writes all memory to a disk",
        ),
    }
}

/// Whether the kernel can hibernate; `None` where it does not report that.
pub(crate) fn can_hibernate() -> Option<bool> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    // Without the file the kernel supports no sleep state.
    let states = read_to_string("/sys/power/state").unwrap_or_default();
    let ways = read_to_string("/sys/power/disk").unwrap_or_default();
    Some(hibernates(&states, &ways))
}

fn hibernates(states: &str, ways: &str) -> bool {
    states.split_whitespace().any(|state| state == "disk") && !ways.contains("[disabled]")
}

#[cfg(test)]
mod tests {
    use anocm_core::wire::Posture;

    use super::*;

    const HEAD: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
    const ZRAM: &str = "/dev/zram0                              partition\t8388604\t\t0\t\t100\n";
    const DISK: &str = "/dev/dm-1                               partition\t999996\t\t0\t\t-2\n";
    const FILE: &str = "/swapfile                               file\t\t2097148\t\t0\t\t-2\n";

    #[test]
    fn swap_in_compressed_memory_is_none_unless_it_is_written_on() {
        let of =
            |lines: &[&str], stays: bool| Swap::of(&[&[HEAD], lines].concat().concat(), |_| stays);
        assert_eq!(of(&[], false), Swap::Nowhere);
        assert_eq!(of(&[ZRAM], true), Swap::Nowhere);
        assert_eq!(of(&[ZRAM], false), Swap::Disk);
        for disk in [DISK, FILE] {
            assert_eq!(of(&[disk], true), Swap::Disk);
            assert_eq!(of(&[ZRAM, disk], true), Swap::Disk);
        }
    }

    #[test]
    fn locked_memory_is_not_swapped_and_still_hibernates() {
        let states = |locked, swap: Option<Swap>, can| {
            let swap = swap.as_ref();
            (written_out(locked, swap).state(), hibernation(swap, can).state())
        };
        let (kept, unknown, broken) = (Posture::Kept, Posture::Unknown, Posture::Broken);
        assert_eq!(states(false, Some(Swap::Nowhere), Some(true)), (kept, kept));
        assert_eq!(states(false, Some(Swap::Disk), Some(false)), (broken, kept));
        assert_eq!(states(true, Some(Swap::Disk), Some(true)), (kept, unknown));
        assert_eq!(states(false, None, None), (unknown, unknown));
    }

    #[test]
    fn a_kernel_that_hibernates_says_so() {
        assert!(hibernates("freeze mem disk\n", "[platform] shutdown reboot\n"));
        assert!(!hibernates("freeze mem\n", ""));
        assert!(!hibernates("freeze mem disk\n", "[disabled]\n"));
    }
}
