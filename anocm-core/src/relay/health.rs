//! A relay's background task, which is independent of its clients, and the detection of a task that
//! ended although it must not.

use std::{
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{
    relay::Relay,
    store::Health,
    time::{Clock, Timestamp},
    wire::{Event, Posture},
};

/// The interval of heartbeats to the store.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Timeout of a posture query to the store.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// The store's memory-only promise as last reported to guests.
#[derive(Clone, Copy)]
pub(super) struct PostureSnapshot {
    pub(super) posture: Posture,
}

impl Default for PostureSnapshot {
    fn default() -> Self {
        Self { posture: Posture::Unknown }
    }
}

impl Relay {
    /// Starts the background task with the first connection. It sends heartbeats to the store,
    /// queries the store's posture periodically, and removes expired per-room state.
    pub(super) fn watch_over(self: &Arc<Self>) {
        if self.watched_over.set(()).is_err() {
            return;
        }
        let failed = FailsUnlessDone(Some(self.failed.clone()));
        let watching = run(Arc::downgrade(self), Arc::clone(&self.clock), self.stopping.clone());
        self.tasks.spawn(async move {
            watching.await;
            failed.done();
        });
    }

    /// Returns when a task has ended that the relay cannot work without. That is a program error:
    /// the relay no longer keeps its guarantees, and the process should exit with an error.
    /// Cancel-safe.
    pub async fn failed(&self) {
        self.failed.cancelled().await;
    }

    /// Returns whether guests should be routed to this relay: it is not shutting down, has not
    /// [failed](Self::failed), and its store responds.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let ends = self.stopping.is_cancelled() || self.failed.is_cancelled();
        !ends && self.store.status().health == Health::Ready
    }

    pub(super) fn seen(&self) -> PostureSnapshot {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the store's posture, and announces it to all connections if it has changed since
    /// they were greeted.
    fn notice_posture(&self, posture: Posture, is_first: bool) {
        let before = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut seen.posture, posture)
        };
        if is_first || before == posture {
            return;
        }
        // Announced before it is logged: the announcement must not wait for logging.
        self.announce(Event::Posture(posture));
        match posture {
            Posture::Kept => tracing::info!("guests are told: memory only, as promised"),
            Posture::Unknown => tracing::warn!("guests are told: memory only is not certain"),
            Posture::Broken => tracing::error!("guests are told: memory only is broken"),
        }
    }
}

async fn run(relay: Weak<Relay>, clock: Arc<dyn Clock>, stopping: CancellationToken) {
    let mut asks = Timestamp::ZERO;
    let mut is_first = true;
    loop {
        let (store, interval) = {
            let Some(relay) = relay.upgrade() else { return };
            relay.store.heartbeat();
            (Arc::clone(&relay.store), relay.config.posture_interval)
        };
        let now = clock.now();
        if now >= asks {
            let posture = tokio::select! {
                biased;
                posture = store.posture() => posture,
                // A store that does not respond may be in any state.
                () = clock.sleep_until(now.saturating_add(ANSWERS_WITHIN)) => Posture::Unknown,
                () = stopping.cancelled() => return,
            };
            let Some(relay) = relay.upgrade() else { return };
            relay.notice_posture(posture, is_first);
            relay.pow.remove_expired(now);
            relay.join_pacing.remove_expired(now);
            (asks, is_first) = (now.saturating_add(interval), false);
        }
        drop(store);
        tokio::select! {
            biased;
            () = stopping.cancelled() => return,
            () = clock.sleep_until(now.saturating_add(HEARTBEAT).min(asks)) => {}
        }
    }
}

/// Marks the relay as failed unless [`done`](Self::done) is called before the drop. A panic of the
/// task drops it without `done`.
struct FailsUnlessDone(Option<CancellationToken>);

impl FailsUnlessDone {
    fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for FailsUnlessDone {
    fn drop(&mut self) {
        if let Some(failed) = &self.0 {
            failed.cancel();
        }
    }
}
