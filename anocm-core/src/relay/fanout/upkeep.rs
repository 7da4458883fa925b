//! What a shard asks of the store: touches, and looks at the door after something was voided or lost.
//!
//! Polled beside the feed and never awaited in it: a store that hangs delays no delivery.

use std::{future::pending, sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _};

use crate::{
    relay::fanout::shard::Shard,
    store::{Store, StoreError, StoredDoor},
    time::{Clock, Timestamp},
};

/// The longest time between two touches of a room in use.
const TOUCH: Duration = Duration::from_secs(30);
/// How long to wait after the store could not say how things stand.
const RETRY: Duration = Duration::from_secs(1);

/// What a shard asks of the store, one of each at a time.
pub(crate) struct Upkeep {
    shard: Arc<Shard>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    interval: Duration,
    touch_at: Timestamp,
    /// Not before this.
    settle_at: Timestamp,
    touching: Option<BoxFuture<'static, Result<(), StoreError>>>,
    settling: Option<BoxFuture<'static, Result<StoredDoor, StoreError>>>,
    /// Since when what was proven may no longer hold.
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

    /// Begins what is due.
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

    /// When there is something to begin, or [`may_broadcast`](Self::may_broadcast) changes.
    pub(crate) fn next_timeout(&self, now: Timestamp) -> Timestamp {
        let touch = self.touching.is_none().then_some(self.touch_at);
        let is_waiting = self.doubted.is_some() && self.settling.is_none();
        let settle = is_waiting.then_some(self.settle_at);
        let silence = self.fresh_until().filter(|silence| *silence > now);
        let next = [touch, settle, silence].into_iter().flatten().min();
        next.unwrap_or_else(|| now.saturating_add(self.interval))
    }

    /// From when on what was proven is in doubt for longer than an epoch's grace.
    fn fresh_until(&self) -> Option<Timestamp> {
        self.doubted.map(|since| since.saturating_add(self.shard.grace))
    }

    /// Whether those who watch may be told what the feed gives: not while what they have proven is
    /// in doubt for longer than it would hold after the end of its epoch.
    pub(crate) fn may_broadcast(&self, now: Timestamp) -> bool {
        self.fresh_until().is_none_or(|silence| now < silence)
    }

    /// The door has changed: one that is being looked at may be that of before.
    pub(crate) fn door_changed(&mut self) {
        self.settling = None;
    }

    /// Goes on with what was begun, until some of it is done. Cancel safe.
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
            // If the room is gone the watch says so; if the store is, the next touch may succeed.
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

    /// Touches the room once more: the linger starts where the last one left.
    pub(crate) fn touch(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        let (store, address) = (Arc::clone(&self.store), self.shard.address);
        async move { store.touch(&address).await }.boxed()
    }
}
