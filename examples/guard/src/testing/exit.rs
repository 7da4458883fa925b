//! Stopping a process at its very end.

use std::time::Duration;

use nix::{
    sys::{
        ptrace::{self, Options},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

/// A process that will stand still when it has done everything, with its memory as it leaves it.
/// To be used by the thread that made it.
#[derive(Debug)]
pub struct AtExit(Pid);

impl AtExit {
    /// Watches for the end of a child of ours.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        let pid = Pid::from_raw(pid.cast_signed());
        if let Err(error) = ptrace::seize(pid, Options::PTRACE_O_TRACEEXIT) {
            panic!("the process cannot be watched: {error}");
        }
        Self(pid)
    }

    /// Waits for it, so long at the most. The process goes on to end when this is dropped.
    pub fn wait(&self, patience: Duration) {
        // There is no waiting for this with an end.
        for _ in 0..patience.as_millis() {
            match waitpid(self.0, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::PtraceEvent(..)) => return,
                // On its way to the process.
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
        // It may have been killed meanwhile.
        let _ = ptrace::detach(self.0, None);
    }
}
