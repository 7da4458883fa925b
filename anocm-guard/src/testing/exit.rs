//! Stops a process at its very end.

use std::time::Duration;

use nix::{
    sys::{
        ptrace::{self, Options},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

/// A process that is stopped once it has done everything, with its memory still in place. Must be
/// used by the thread that created it.
#[derive(Debug)]
pub struct AtExit(Pid);

impl AtExit {
    /// Attaches to a child process and stops it when it exits.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        let pid = Pid::from_raw(pid.cast_signed());
        if let Err(error) = ptrace::seize(pid, Options::PTRACE_O_TRACEEXIT) {
            panic!("the process cannot be watched: {error}");
        }
        Self(pid)
    }

    /// Waits until the process has stopped, for `patience` at the most, and panics after that.
    /// Dropping this value lets the process end.
    pub fn wait(&self, patience: Duration) {
        // `waitpid` has no timeout, so it is polled.
        for _ in 0..patience.as_millis() {
            match waitpid(self.0, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::PtraceEvent(..)) => return,
                // A signal that is about to be delivered to the process.
                Ok(WaitStatus::Stopped(_, signal)) => {
                    if let Err(error) = ptrace::cont(self.0, signal) {
                        panic!("the process does not go on: {error}");
                    }
                }
                Ok(WaitStatus::StillAlive) => std::thread::sleep(Duration::from_millis(1)),
                other => panic!("the process ended otherwise: {other:?}"),
            }
        }
        panic!("the process does not end");
    }
}

impl Drop for AtExit {
    fn drop(&mut self) {
        // The process may have been killed meanwhile.
        let _ = ptrace::detach(self.0, None);
    }
}
