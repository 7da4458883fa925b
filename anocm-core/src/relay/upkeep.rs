//! What a hub asks of the store: touches, and looks at the door after something was voided or lost.
//!
//! Polled beside the feed and never awaited in it: a store that hangs delays no delivery.

use std::{future::pending, sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _};

use super::hub::Hub;
use crate::{
    store::{Store, StoreError, StoredDoor},
    time::{Clock, Timestamp},
};

/// The longest time between two touches of a room in use.
const TOUCH: Duration = Duration::from_secs(30);
/// How long to wait after the store could not say how things stand.
const RETRY: Duration = Duration::from_secs(1);

/// What a hub asks of the store, one of each at a time.
pub(super) struct Upkeep {
    hub: Arc<Hub>,
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
    pub(super) fn new(hub: &Arc<Hub>, store: &Arc<dyn Store>, clock: &Arc<dyn Clock>) -> Self {
        let now = clock.now();
        Self {
            interval: (hub.policy.linger() / 3).min(TOUCH),
            hub: Arc::clone(hub),
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
    pub(super) fn begin(&mut self, now: Timestamp) {
        if self.touching.is_none() && now >= self.touch_at {
            self.touch_at = now.after(self.interval);
            self.touching = Some(self.touch());
        }
        if !self.hub.is_in_doubt() {
            self.doubted = None;
            return;
        }
        self.doubted.get_or_insert(now);
        if self.settling.is_none() && now >= self.settle_at {
            let (store, address) = (Arc::clone(&self.store), self.hub.address);
            self.settling = Some(async move { store.door(&address).await }.boxed());
        }
    }

    /// When there is something to begin, or [`may_tell`](Self::may_tell) changes.
    pub(super) fn wake(&self, now: Timestamp) -> Timestamp {
        let touch = self.touching.is_none().then_some(self.touch_at);
        let is_waiting = self.doubted.is_some() && self.settling.is_none();
        let settle = is_waiting.then_some(self.settle_at);
        let silence = self.doubtful().filter(|silence| *silence > now);
        let next = [touch, settle, silence].into_iter().flatten().min();
        next.unwrap_or_else(|| now.after(self.interval))
    }

    /// From when on what was proven is in doubt for longer than an epoch's grace.
    fn doubtful(&self) -> Option<Timestamp> {
        self.doubted.map(|since| since.after(self.hub.grace))
    }

    /// Whether those who watch may be told what the feed gives: not while what they have proven is
    /// in doubt for longer than it would hold after the end of its epoch.
    pub(super) fn may_tell(&self, now: Timestamp) -> bool {
        self.doubtful().is_none_or(|silence| now < silence)
    }

    /// The door has changed: one that is being looked at may be that of before.
    pub(super) fn changed(&mut self) {
        self.settling = None;
    }

    /// Goes on with what was begun, until some of it is done. Cancel safe.
    pub(super) async fn step(&mut self) {
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
                    Ok(door) => self.hub.settle(&door, now),
                    Err(_) => self.settle_at = now.after(RETRY),
                }
            }
        }
    }

    /// Touches the room once more: the linger starts where the last one left.
    pub(super) fn touch(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        let (store, address) = (Arc::clone(&self.store), self.hub.address);
        async move { store.touch(&address).await }.boxed()
    }
}
