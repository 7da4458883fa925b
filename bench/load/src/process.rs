//! Resource usage of a running process: processor time, memory, threads, open files.
//!
//! Processor time comes from `/proc/PID/task/*/schedstat` in nanoseconds or, where the kernel does
//! not provide it, from the ticks of `/proc/PID/stat`, 10 milliseconds each. The former excludes
//! threads that have ended; the servers measured here keep theirs.

use std::{fs, io, path::PathBuf, time::Duration};

/// Why a process cannot be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    #[error("nothing can be read of process {pid}: {source}")]
    Unreadable { pid: u32, source: io::Error },
    #[error("what the system says of process {pid} cannot be understood")]
    Strange { pid: u32 },
}

/// A process under measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    pid: u32,
}

/// A sample of a process's resource usage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Processor time since its start, in user and system mode.
    pub(crate) cpu: Duration,
    /// The process's own (anonymous) memory in RAM, in bytes: no files, nothing shared.
    pub(crate) anon: u64,
    /// All its memory in RAM, in bytes.
    pub(crate) resident: u64,
    pub(crate) threads: u64,
    /// `None` without the permission to read it.
    pub(crate) files: Option<u64>,
}

impl Process {
    pub(crate) fn new(pid: u32) -> Self {
        Self { pid }
    }

    pub(crate) fn pid(self) -> u32 {
        self.pid
    }

    /// Takes a sample.
    pub(crate) fn sample(self) -> Result<Sample, ProcessError> {
        let status = self.read("status")?;
        let number = |name| field(&status, name).ok_or(ProcessError::Strange { pid: self.pid });
        Ok(Sample {
            cpu: self.cpu()?,
            anon: number("RssAnon")?.saturating_mul(1_024),
            resident: number("VmRSS")?.saturating_mul(1_024),
            threads: number("Threads")?,
            files: self.files(),
        })
    }

    /// Returns the process's own (anonymous) memory in RAM, in bytes.
    pub(crate) fn anon(self) -> Result<u64, ProcessError> {
        let anon = field(&self.read("status")?, "RssAnon");
        Ok(anon.ok_or(ProcessError::Strange { pid: self.pid })?.saturating_mul(1_024))
    }

    fn cpu(self) -> Result<Duration, ProcessError> {
        match self.scheduled() {
            Some(nanos) if nanos > 0 => Ok(Duration::from_nanos(nanos)),
            _ => {
                let ticks = ticks(&self.read("stat")?);
                let ticks = ticks.ok_or(ProcessError::Strange { pid: self.pid })?;
                Ok(Duration::from_millis(ticks.saturating_mul(1_000) / ticks_a_second()))
            }
        }
    }

    fn scheduled(self) -> Option<u64> {
        let mut sum = 0_u64;
        for task in fs::read_dir(self.path("task")).ok()? {
            // A thread may end during the loop.
            if let Ok(text) = fs::read_to_string(task.ok()?.path().join("schedstat")) {
                sum = sum.saturating_add(nanos(&text)?);
            }
        }
        Some(sum)
    }

    fn files(self) -> Option<u64> {
        let count = fs::read_dir(self.path("fd")).ok()?.count();
        u64::try_from(count).ok()
    }

    fn read(self, name: &str) -> Result<String, ProcessError> {
        fs::read_to_string(self.path(name))
            .map_err(|source| ProcessError::Unreadable { pid: self.pid, source })
    }

    fn path(self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.pid))
    }
}

#[cfg(unix)]
fn ticks_a_second() -> u64 {
    rustix::param::clock_ticks_per_second().max(1)
}

/// Unused where there is no `/proc`.
#[cfg(not(unix))]
fn ticks_a_second() -> u64 {
    100
}

/// Returns the nanoseconds on a processor: the first number of `schedstat`.
fn nanos(schedstat: &str) -> Option<u64> {
    schedstat.split_ascii_whitespace().next()?.parse().ok()
}

/// Returns the ticks in user and system mode: fields 14 and 15 of `stat`. The second field is the
/// program's name in parentheses, which may itself contain blanks and parentheses.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

/// Returns the number in a line of `status`.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STATUS: &str = "Name:\tanocm-server\nVmRSS:\t   12345 kB\nRssAnon:\t    6789 kB\n\
                          Threads:\t3\n";

    #[test]
    fn numbers_are_found_by_their_whole_name() {
        assert_eq!(field(STATUS, "VmRSS"), Some(12_345));
        assert_eq!(field(STATUS, "RssAnon"), Some(6_789));
        assert_eq!(field(STATUS, "Threads"), Some(3));
        assert_eq!(field(STATUS, "Rss"), None);
        assert_eq!(field(STATUS, "Name"), None);
    }

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_ticks() {
        let stat = "42 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 700 30 0 0 20 0 3 0 99";
        assert_eq!(ticks(stat), Some(730));
        assert_eq!(ticks("42 (short) S 1 2"), None);
        assert_eq!(nanos("842134 1996262 3\n"), Some(842_134));
        assert_eq!(nanos(""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_known_and_works() {
        let this = Process::new(std::process::id());
        let before = this.sample().unwrap();
        assert!(before.anon > 0 && before.anon <= before.resident && before.threads > 0);
        assert!(before.files.unwrap() > 2);
        // Until it has used some processor time, however long that takes.
        let mut work = 1_u64;
        while this.sample().unwrap().cpu <= before.cpu {
            for step in 0..100_000 {
                work = std::hint::black_box(work.wrapping_mul(31).wrapping_add(step));
            }
        }
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(matches!(Process::new(u32::MAX).sample(), Err(ProcessError::Unreadable { .. })));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}") {
            let _ = (nanos(&text), ticks(&text), field(&text, "Threads"));
        }
    }
}
