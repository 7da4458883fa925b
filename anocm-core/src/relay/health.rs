//! What a relay does all the time, whatever its guests do; and how the end of a task that must not
//! end is noticed.

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

/// How often the store is told that the relay runs.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long the store may take to say what becomes of its promise.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// What guests are told of the store's promise.
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
    /// From the first connection on: tells the store that the relay runs, asks it about its
    /// promise now and then, and forgets what is remembered of rooms beyond that.
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

    /// Returns when a task has ended that the relay cannot do without, which is a fault of the
    /// program: the relay no longer keeps what it promises. The process should end then, with an
    /// error. Cancel safe.
    pub async fn failed(&self) {
        self.failed.cancelled().await;
    }

    /// Whether guests should be sent to this relay: it is not ending, has not
    /// [failed](Self::failed), and its store answers.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let ends = self.stopping.is_cancelled() || self.failed.is_cancelled();
        !ends && self.store.status().health == Health::Ready
    }

    pub(super) fn seen(&self) -> PostureSnapshot {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what the store says of its promise, and tells those who are connected if that has
    /// changed since they were greeted.
    fn notice_posture(&self, posture: Posture, is_first: bool) {
        let before = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut seen.posture, posture)
        };
        if is_first || before == posture {
            return;
        }
        // Before it is logged: what is promised must not wait for a log.
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
                // What does not answer may be doing anything.
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

/// Says that the relay has failed unless it is [`done`](Self::done) before it is dropped, as it is
/// when its task panics.
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
