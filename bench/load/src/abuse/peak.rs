//! The peak memory of a process.

use std::time::Duration;

use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use crate::process::Process;

/// Sampling interval.
const LOOK: Duration = Duration::from_millis(50);

/// Samples the memory of a process until stopped.
#[derive(Debug)]
pub(super) struct Peak {
    stop: oneshot::Sender<()>,
    watching: JoinHandle<u64>,
}

impl Peak {
    pub(super) fn watch(process: Process) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let watching = tokio::spawn(async move {
            let mut looks = interval(LOOK);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut most = 0;
            loop {
                // A process that has ended has no memory any more.
                most = process.anon().unwrap_or(0).max(most);
                tokio::select! {
                    _ = looks.tick() => {}
                    _ = &mut stopped => return most,
                }
            }
        });
        Self { stop, watching }
    }

    /// Stops, and returns the peak since the start in bytes.
    pub(super) async fn stop(self) -> u64 {
        drop(self.stop);
        self.watching.await.unwrap_or(0)
    }
}
