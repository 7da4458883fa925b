//! The outbound frames of one connection: a [`Queue`] that tasks share.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::{
    id::{RoomAddress, Seq},
    relay::{
        RelayConfig,
        delivery::{
            broadcast::Broadcast,
            queue::{Batch, Queue},
        },
        ids::ShardId,
    },
    secret::Payload,
    time::{Clock, Timestamp},
    transport::{Closing, Link},
};

/// The queued frames of one connection. Shards and the connection's reader add frames, its writer
/// takes them out.
pub(crate) struct Outbox {
    // Short critical sections, never held across an await. Taken before a link's locks, never
    // after.
    state: Mutex<State>,
    /// Wakes the writer.
    frames_queued: Notify,
    /// Wakes the reader.
    space_freed: Notify,
    /// Wakes [`expire`](Self::expire): there are more entries.
    entries_queued: Notify,
}

/// A reply with entries, encoded.
pub(crate) struct PageFrame {
    pub(crate) frame: Payload,
    /// When the ages of its entries were right.
    pub(crate) now: Timestamp,
    /// When the first of its entries expires.
    pub(crate) expires: Option<Timestamp>,
}

struct State {
    queue: Queue,
    /// For frames that are sent without queueing; `None` once the connection has ended.
    link: Option<Arc<dyn Link>>,
}

impl Outbox {
    pub(crate) fn new(config: &RelayConfig, link: Arc<dyn Link>) -> Self {
        Self {
            state: Mutex::new(State { queue: Queue::new(config), link: Some(link) }),
            frames_queued: Notify::new(),
            space_freed: Notify::new(),
            entries_queued: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies a change to the queue. Any change can give the writer something to send. Since
    /// entries may be dropped it can also free space, so the reader is woken as well.
    fn change<T>(&self, with: impl FnOnce(&mut Queue) -> T) -> T {
        let mut inside = self.lock();
        let result = with(&mut inside.queue);
        self.changed(inside);
        result
    }

    fn changed(&self, inside: MutexGuard<'_, State>) {
        let is_half_empty = inside.queue.is_below_low_watermark();
        drop(inside);
        self.frames_queued.notify_one();
        if is_half_empty {
            self.space_freed.notify_one();
        }
    }

    /// See [`Queue::push_control`].
    pub(crate) fn push_control(&self, frame: Payload) {
        self.change(|queue| queue.push_control(frame));
    }

    /// See [`Queue::hold`].
    pub(crate) fn hold(&self, room: &RoomAddress) {
        self.change(|queue| queue.hold(room));
    }

    /// See [`Queue::suspend`].
    pub(crate) fn suspend(&self, room: &RoomAddress) {
        self.change(|queue| queue.suspend(room));
    }

    /// See [`Queue::release`].
    pub(crate) fn release(
        &self,
        room: &RoomAddress,
        floor: Seq,
        reply: impl FnOnce(Seq) -> Payload,
    ) {
        self.change(|queue| queue.release(room, floor, reply));
    }

    /// See [`Queue::set_shard`].
    pub(crate) fn set_shard(&self, room: &RoomAddress, shard: ShardId) {
        self.lock().queue.set_shard(room, shard);
    }

    /// See [`Queue::would_send`].
    pub(crate) fn would_send(&self, room: &RoomAddress, place: Seq) -> bool {
        self.lock().queue.would_send(room, place)
    }

    /// Sends entries of a room. Those that the link takes at once are not queued; returns how many
    /// these are. See [`Queue::try_send_direct`] and [`Queue::push_entry`].
    pub(crate) fn push_entries(&self, broadcast: &Broadcast, now: Timestamp) -> usize {
        let mut inside = self.lock();
        let State { queue, link } = &mut *inside;
        if !queue.is_from(&broadcast.room, broadcast.shard) {
            return 0;
        }
        let passed = link.as_ref().map_or(0, |link| queue.try_send_direct(broadcast, now, &**link));
        let rest = broadcast.entries.get(passed..).unwrap_or_default();
        if rest.is_empty() && !queue.link_has_pending() {
            return passed;
        }
        for entry in rest {
            queue.push_entry(&broadcast.room, entry);
        }
        self.changed(inside);
        self.entries_queued.notify_one();
        passed
    }

    /// Stops direct sends: from now on only the connection's writer sends to the link, from the
    /// queue.
    pub(crate) fn detach_link(&self) {
        self.lock().link = None;
    }

    /// See [`Queue::lag`].
    pub(crate) fn lag(&self, room: &RoomAddress) {
        self.change(|queue| queue.lag(room));
    }

    /// See [`Queue::push_page`]. `resumes` is the room whose log the page reads to the end, and the
    /// end's sequence number. If that room does not [resume](Queue::resume), the page is not queued
    /// and false is returned.
    pub(crate) fn push_page(&self, page: PageFrame, resumes: Option<(&RoomAddress, Seq)>) -> bool {
        let PageFrame { frame, now, expires } = page;
        let said = self.change(|queue| {
            let says = resumes.is_none_or(|(room, reaches)| queue.resume(room, reaches));
            if says {
                queue.push_page(frame, now, expires);
            }
            says
        });
        self.entries_queued.notify_one();
        said
    }

    /// See [`Queue::close_room`].
    pub(crate) fn close_room(&self, room: &RoomAddress) {
        self.change(|queue| queue.close_room(room));
    }

    /// See [`Queue::drop_room`].
    pub(crate) fn drop_room(&self, room: &RoomAddress) {
        self.change(|queue| queue.drop_room(room));
    }

    /// See [`Queue::end`].
    pub(crate) fn end(&self, why: Closing) {
        self.change(|queue| queue.end(why));
    }

    /// Returns when the queue is below the low watermark, half of its limits. For one caller at a
    /// time; cancel-safe.
    pub(crate) async fn below_low_watermark(&self) {
        while !self.lock().queue.is_below_low_watermark() {
            self.space_freed.notified().await;
        }
    }

    /// Returns the next frames to send, without entries that expired in the queue; or the reason to
    /// close once all frames are sent. For one caller at a time; cancel-safe.
    pub(crate) async fn next_batch(&self, now: impl Fn() -> Timestamp) -> Result<Batch, Closing> {
        loop {
            if let Some(next) = self.lock().queue.take(now()) {
                return next;
            }
            // Expired entries have freed space, too.
            self.space_freed.notify_one();
            self.frames_queued.notified().await;
        }
    }

    /// Wipes entries that expire in the queue, for as long as this is polled. To be polled instead
    /// of [`next_batch`](Self::next_batch) while a batch is being sent.
    pub(crate) async fn expire(&self, clock: &dyn Clock) -> Infallible {
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
                () = self.entries_queued.notified() => {}
            }
        }
    }

    /// Records that a batch was sent.
    pub(crate) fn sent(&self, batch: &Batch) {
        self.change(|queue| queue.sent(batch));
    }

    /// Returns how many bytes are queued or being sent.
    #[cfg(test)]
    pub(crate) fn queued_bytes(&self) -> usize {
        self.lock().queue.queued_bytes()
    }
}
