//! What waits to be sent to one connection: a [`Queue`] that tasks share.

use std::{
    convert::Infallible,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::{
    RelayConfig,
    queue::{Batch, Fanned, Queue},
};
use crate::{
    id::{RoomAddress, Seq},
    secret::Payload,
    time::{Clock, Timestamp},
    transport::Closing,
};

/// The frames that wait for one connection. Hubs and the connection's reader put in, its writer
/// takes out.
pub(super) struct Outbox {
    // Short sections, none across an await.
    queue: Mutex<Queue>,
    /// For the writer.
    filled: Notify,
    /// For the reader.
    drained: Notify,
    /// For what wipes: there are more entries.
    entered: Notify,
}

impl Outbox {
    pub(super) fn new(config: &RelayConfig) -> Self {
        Self {
            queue: Mutex::new(Queue::new(config)),
            filled: Notify::new(),
            drained: Notify::new(),
            entered: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Any change can give the writer something to do, and, since entries are also left out,
    /// the reader as well.
    fn change<T>(&self, with: impl FnOnce(&mut Queue) -> T) -> T {
        let mut queue = self.lock();
        let result = with(&mut queue);
        let is_half_empty = queue.is_half_empty();
        drop(queue);
        self.filled.notify_one();
        if is_half_empty {
            self.drained.notify_one();
        }
        result
    }

    /// See [`Queue::word`].
    pub(super) fn word(&self, frame: Payload) {
        self.change(|queue| queue.word(frame));
    }

    /// See [`Queue::hold`].
    pub(super) fn hold(&self, room: &RoomAddress) {
        self.change(|queue| queue.hold(room));
    }

    /// See [`Queue::give_up`].
    pub(super) fn give_up(&self, room: &RoomAddress) {
        self.change(|queue| queue.give_up(room));
    }

    /// See [`Queue::release`].
    pub(super) fn release(&self, room: &RoomAddress, floor: Seq, reply: Payload) {
        self.change(|queue| queue.release(room, floor, reply));
    }

    /// Tells entries of a room. See [`Queue::entry`].
    pub(super) fn entries(&self, room: &RoomAddress, entries: &[Fanned]) {
        self.change(|queue| {
            for fanned in entries {
                queue.entry(room, fanned);
            }
        });
        self.entered.notify_one();
    }

    /// See [`Queue::lost`].
    pub(super) fn lost(&self, room: &RoomAddress) {
        self.change(|queue| queue.lost(room));
    }

    /// See [`Queue::resume`].
    pub(super) fn resume(&self, room: &RoomAddress, reaches: Seq, reply: Payload) -> bool {
        self.change(|queue| queue.resume(room, reaches, reply))
    }

    /// See [`Queue::forget`].
    pub(super) fn forget(&self, room: &RoomAddress) {
        self.change(|queue| queue.forget(room));
    }

    /// See [`Queue::drop_room`].
    pub(super) fn drop_room(&self, room: &RoomAddress) {
        self.change(|queue| queue.drop_room(room));
    }

    /// See [`Queue::end`].
    pub(super) fn end(&self, why: Closing) {
        self.change(|queue| queue.end(why));
    }

    /// Returns when at most half of what may wait does. For one caller at a time; cancel safe.
    pub(super) async fn half_empty(&self) {
        while !self.lock().is_half_empty() {
            self.drained.notified().await;
        }
    }

    /// The frames to send next, without those that expired while they waited; why to close when
    /// all is said. For one caller at a time; cancel safe.
    pub(super) async fn next_batch(&self, now: impl Fn() -> Timestamp) -> Result<Batch, Closing> {
        loop {
            if let Some(next) = self.lock().take(now()) {
                return next;
            }
            // What expired while it waited has made room, too.
            self.drained.notify_one();
            self.filled.notified().await;
        }
    }

    /// Wipes what expires while it waits, as long as this is polled. In place of
    /// [`next_batch`](Self::next_batch), while a batch is being sent.
    pub(super) async fn expire(&self, clock: &dyn Clock) -> Infallible {
        loop {
            let next = self.change(|queue| queue.expire(clock.now()));
            let due = async {
                match next {
                    Some(next) => clock.sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = due => {}
                () = self.entered.notified() => {}
            }
        }
    }

    /// A batch was sent.
    pub(super) fn sent(&self, batch: &Batch) {
        self.change(|queue| queue.sent(batch));
    }

    /// How many bytes wait or are being sent.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting()
    }
}
