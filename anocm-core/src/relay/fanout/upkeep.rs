//! A shard's requests to the store: touches, and reads of the door after something was voided or
//! lost.
//!
//! Polled concurrently with the feed and never awaited in it: a store that hangs delays no
//! delivery.

use std::{future::pending, sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _};

use crate::{
    relay::fanout::shard::Shard,
    store::{Store, StoreError, StoredDoor},
    time::{Clock, Timestamp},
};

/// The maximum interval between two touches of a room in use.
const TOUCH: Duration = Duration::from_secs(30);
/// How long to wait before a failed read of the door is retried.
const RETRY: Duration = Duration::from_secs(1);

/// A shard's requests to the store, at most one of each kind at a time.
pub(crate) struct Upkeep {
    shard: Arc<Shard>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    interval: Duration,
    touch_at: Timestamp,
    /// No read of the door before this.
    settle_at: Timestamp,
    touching: Option<BoxFuture<'static, Result<(), StoreError>>>,
    settling: Option<BoxFuture<'static, Result<StoredDoor, StoreError>>>,
    /// Since when the subscribers' proofs have been invalidated.
    doubted: Option<Timestamp>,
}

impl Upkeep {
    pub(crate) fn new(shard: &Arc<Shard>, store: &Arc<dyn Store>, clock: &Arc<dyn Clock>) -> Self {
        let now = clock.now();
        Self {
            interval: (shard.policy.linger() / 3).min(TOUCH),
            shard: Arc::clone(shard),
            store: Arc::clone(store),
            clock: Arc::clone(clock),
            touch_at: now,
            settle_at: now,
            touching: None,
            settling: None,
            doubted: None,
        }
    }

    /// Starts the requests that are due.
    pub(crate) fn begin(&mut self, now: Timestamp) {
        if self.touching.is_none() && now >= self.touch_at {
            self.touch_at = now.saturating_add(self.interval);
            self.touching = Some(self.touch());
        }
        if !self.shard.is_invalidated() {
            self.doubted = None;
            return;
        }
        self.doubted.get_or_insert(now);
        if self.settling.is_none() && now >= self.settle_at {
            let (store, address) = (Arc::clone(&self.store), self.shard.address);
            self.settling = Some(async move { store.door(&address).await }.boxed());
        }
    }

    /// Returns when the next request is due, or [`may_broadcast`](Self::may_broadcast) changes.
    pub(crate) fn next_timeout(&self, now: Timestamp) -> Timestamp {
        let touch = self.touching.is_none().then_some(self.touch_at);
        let is_waiting = self.doubted.is_some() && self.settling.is_none();
        let settle = is_waiting.then_some(self.settle_at);
        let silence = self.fresh_until().filter(|silence| *silence > now);
        let next = [touch, settle, silence].into_iter().flatten().min();
        next.unwrap_or_else(|| now.saturating_add(self.interval))
    }

    /// Returns when the proofs will have been invalidated for as long as an epoch's grace.
    fn fresh_until(&self) -> Option<Timestamp> {
        self.doubted.map(|since| since.saturating_add(self.shard.epoch_grace))
    }

    /// Returns whether entries may be broadcast: not once the proofs have been invalidated for
    /// longer than they would be accepted after the end of their epoch.
    pub(crate) fn may_broadcast(&self, now: Timestamp) -> bool {
        self.fresh_until().is_none_or(|silence| now < silence)
    }

    /// Cancels a read of the door in progress, since the door has changed: it may return the old
    /// one.
    pub(crate) fn door_changed(&mut self) {
        self.settling = None;
    }

    /// Drives the started requests until one of them is done. Cancel-safe.
    pub(crate) async fn step(&mut self) {
        let touching = async {
            match &mut self.touching {
                Some(touching) => touching.await,
                None => pending().await,
            }
        };
        let settling = async {
            match &mut self.settling {
                Some(settling) => settling.await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            // If the room is gone, the watch reports it; if the store is unavailable, the next
            // touch may succeed.
            _ = touching => self.touching = None,
            door = settling => {
                self.settling = None;
                let now = self.clock.now();
                match door {
                    Ok(door) => self.shard.revalidate(&door, now),
                    Err(_) => self.settle_at = now.saturating_add(RETRY),
                }
            }
        }
    }

    /// Touches the room. Also called when the last subscriber has left, so that the linger counts
    /// from then.
    pub(crate) fn touch(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        let (store, address) = (Arc::clone(&self.store), self.shard.address);
        async move { store.touch(&address).await }.boxed()
    }
}
