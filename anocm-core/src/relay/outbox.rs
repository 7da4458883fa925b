//! What waits to be sent to one connection: a [`Queue`] that tasks share.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::{
    RelayConfig,
    hub::HubId,
    queue::{Batch, Queue},
    told::Told,
};
use crate::{
    id::{RoomAddress, Seq},
    secret::Payload,
    time::{Clock, Timestamp},
    transport::{Closing, Link},
};

/// The frames that wait for one connection. Hubs and the connection's reader put in, its writer
/// takes out.
pub(super) struct Outbox {
    // Short sections, none across an await. Taken before a link's locks, never after.
    inside: Mutex<Inside>,
    /// For the writer.
    filled: Notify,
    /// For the reader.
    drained: Notify,
    /// For what wipes: there are more entries.
    entered: Notify,
}

/// A reply with entries, encoded.
pub(super) struct PageFrame {
    pub(super) frame: Payload,
    /// When the ages of its entries were right.
    pub(super) now: Timestamp,
    /// When the first of them expires.
    pub(super) expires: Option<Timestamp>,
}

struct Inside {
    queue: Queue,
    /// For what need not wait; until the connection ends.
    link: Option<Arc<dyn Link>>,
}

impl Outbox {
    pub(super) fn new(config: &RelayConfig, link: Arc<dyn Link>) -> Self {
        Self {
            inside: Mutex::new(Inside { queue: Queue::new(config), link: Some(link) }),
            filled: Notify::new(),
            drained: Notify::new(),
            entered: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Any change can give the writer something to do, and, since entries are also left out,
    /// the reader as well.
    fn change<T>(&self, with: impl FnOnce(&mut Queue) -> T) -> T {
        let mut inside = self.lock();
        let result = with(&mut inside.queue);
        self.changed(inside);
        result
    }

    fn changed(&self, inside: MutexGuard<'_, Inside>) {
        let is_half_empty = inside.queue.is_half_empty();
        drop(inside);
        self.filled.notify_one();
        if is_half_empty {
            self.drained.notify_one();
        }
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
    pub(super) fn release(
        &self,
        room: &RoomAddress,
        floor: Seq,
        reply: impl FnOnce(Seq) -> Payload,
    ) {
        self.change(|queue| queue.release(room, floor, reply));
    }

    /// See [`Queue::comes_from`].
    pub(super) fn comes_from(&self, room: &RoomAddress, hub: HubId) {
        self.lock().queue.comes_from(room, hub);
    }

    /// See [`Queue::flows_to`].
    pub(super) fn flows_to(&self, room: &RoomAddress, place: Seq) -> bool {
        self.lock().queue.flows_to(room, place)
    }

    /// Tells entries of a room: those that the link takes at once, and how many that are is
    /// given, do not wait. See [`Queue::pass`] and [`Queue::entry`].
    pub(super) fn entries(&self, told: &Told, now: Timestamp) -> usize {
        let mut inside = self.lock();
        let Inside { queue, link } = &mut *inside;
        if !queue.is_from(&told.room, told.hub) {
            return 0;
        }
        let passed = link.as_ref().map_or(0, |link| queue.pass(told, now, &**link));
        let rest = told.entries.get(passed..).unwrap_or_default();
        if rest.is_empty() && !queue.has_handed() {
            return passed;
        }
        for fanned in rest {
            queue.entry(&told.room, fanned);
        }
        self.changed(inside);
        self.entered.notify_one();
        passed
    }

    /// Nothing goes to the link any more but what waits, by the connection's writer.
    pub(super) fn let_go(&self) {
        self.lock().link = None;
    }

    /// See [`Queue::lost`].
    pub(super) fn lost(&self, room: &RoomAddress) {
        self.change(|queue| queue.lost(room));
    }

    /// See [`Queue::page`]. With `resumes`, the room that the page reaches the end of, nothing is
    /// said and false given when it does not [resume](Queue::resume).
    pub(super) fn page(&self, page: PageFrame, resumes: Option<(&RoomAddress, Seq)>) -> bool {
        let PageFrame { frame, now, expires } = page;
        let said = self.change(|queue| {
            let says = resumes.is_none_or(|(room, reaches)| queue.resume(room, reaches));
            if says {
                queue.page(frame, now, expires);
            }
            says
        });
        self.entered.notify_one();
        said
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
        while !self.lock().queue.is_half_empty() {
            self.drained.notified().await;
        }
    }

    /// The frames to send next, without those that expired while they waited; why to close when
    /// all is said. For one caller at a time; cancel safe.
    pub(super) async fn next_batch(&self, now: impl Fn() -> Timestamp) -> Result<Batch, Closing> {
        loop {
            if let Some(next) = self.lock().queue.take(now()) {
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
        self.lock().queue.waiting()
    }
}
