//! The queued frames of one connection: bounded, and never incomplete without a notice. No task, no
//! clock.

mod frame;
mod load;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

pub(crate) use self::frame::Batch;
use self::{
    frame::{FrameKind, Queued},
    load::Load,
};
use crate::{
    id::{RoomAddress, Seq},
    relay::{
        RelayConfig,
        delivery::{
            broadcast::{Aged, Broadcast, EncodedEntry, with_ages_grown},
            room_flow::{Offer, RoomFlow},
        },
        ids::ShardId,
    },
    secret::Payload,
    time::Timestamp,
    transport::{Closing, Link, TrySend},
    wire::{Event, RelayFrame, encode},
};

/// The queued frames of one connection, in order.
///
/// Entries of rooms are bounded: when one does not fit, the queued entries of its room are dropped
/// as well, the connection is sent the sequence number after which entries are missing, and the
/// room lags until the connection has read the log. Control frames are never dropped; the reader
/// bounds them by reading no more requests.
pub(crate) struct Queue {
    waiting: VecDeque<Queued>,
    /// Entries that are queued, held back or being sent.
    entries: Load,
    /// Those, and control frames and pages.
    all: Load,
    /// Of those, the frames that the link has taken and could not write yet.
    in_link: Load,
    rooms: HashMap<RoomAddress, RoomFlow>,
    closing: Option<Closing>,
    /// When the next queued entry expires, at the earliest.
    next_expiry: Option<Timestamp>,
    max: Load,
    max_batch: usize,
}

impl Queue {
    pub(crate) fn new(config: &RelayConfig) -> Self {
        Self {
            waiting: VecDeque::new(),
            entries: Load::default(),
            all: Load::default(),
            in_link: Load::default(),
            rooms: HashMap::new(),
            closing: None,
            next_expiry: None,
            max: Load { bytes: config.outbox_bytes, frames: config.outbox_frames },
            max_batch: config.batch_bytes,
        }
    }

    /// Queues a frame that is never dropped: a reply or an event other than an entry.
    pub(crate) fn push_control(&mut self, frame: Payload) {
        self.push(frame, FrameKind::Control);
    }

    /// Queues a reply with entries whose ages are right at `now`, and of which the first expires at
    /// `expires`.
    pub(crate) fn push_page(&mut self, frame: Payload, now: Timestamp, expires: Option<Timestamp>) {
        self.next_expiry = self.next_expiry.into_iter().chain(expires).min();
        self.push(frame, FrameKind::Page { encoded_at: now, expires });
    }

    fn push(&mut self, frame: Payload, about: FrameKind) {
        if self.closing.is_some() {
            return;
        }
        self.all.more(&frame);
        self.waiting.push_back(Queued { frame, kind: about });
        // Requests are not read above the low watermark, so only a connection that receives nothing
        // while its rooms are voided repeatedly gets here.
        if self.all.frames > self.max.frames.saturating_mul(2) {
            self.closing = Some(Closing::Timeout);
        }
    }

    /// Queues an entry, if the room flows.
    pub(crate) fn push_entry(&mut self, room: &RoomAddress, entry: &EncodedEntry) {
        let Some(flow) = self.rooms.get_mut(room) else {
            return;
        };
        let bytes = self.entries.bytes.saturating_add(entry.frame.len());
        let fits = bytes <= self.max.bytes && self.entries.frames < self.max.frames;
        let taken = flow.offer(entry, fits && self.closing.is_none());
        match taken {
            Offer::No => return,
            Offer::TooMuch => return self.suspend_after(room, entry.seq),
            Offer::Now | Offer::Later => {
                self.entries.more(&entry.frame);
                self.all.more(&entry.frame);
            }
        }
        if matches!(taken, Offer::Now) {
            self.next_expiry = self.next_expiry.into_iter().chain(entry.expires).min();
            self.waiting.push_back(Queued {
                frame: entry.frame.clone(),
                kind: FrameKind::Entry {
                    room: *room,
                    seq: entry.seq,
                    encoded_at: entry.encoded_at,
                    expires: entry.expires,
                },
            });
        }
    }

    /// From here on this shard sends the room's entries, and no other.
    pub(crate) fn set_shard(&mut self, room: &RoomAddress, shard: ShardId) {
        self.rooms.entry(*room).or_default().set_shard(shard);
    }

    /// Returns whether this shard sends the room's entries.
    pub(crate) fn is_from(&self, room: &RoomAddress, shard: ShardId) -> bool {
        self.rooms.get(room).is_some_and(|flow| flow.is_from(shard))
    }

    /// Returns whether the room flows and an entry at `place` is still to be sent.
    pub(crate) fn would_send(&self, room: &RoomAddress, place: Seq) -> bool {
        self.rooms.get(room).is_some_and(|flow| flow.would_send(place))
    }

    /// Hands entries to a link that takes them at once, bypassing the queue, if no queued frame has
    /// to come first. Returns how many were taken; the others are to be queued by
    /// [`push_entry`](Self::push_entry).
    pub(crate) fn try_send_direct(
        &mut self,
        broadcast: &Broadcast,
        now: Timestamp,
        link: &dyn Link,
    ) -> usize {
        let (Some(first), Some(flow)) =
            (broadcast.entries.first(), self.rooms.get_mut(&broadcast.room))
        else {
            return 0;
        };
        let is_clear = self.all.frames == 0 && self.closing.is_none();
        let is_one_batch = broadcast.bytes(broadcast.entries.len()) <= self.max_batch;
        if !(is_clear && is_one_batch && broadcast.is_fresh(now) && flow.would_send(first.seq)) {
            return 0;
        }
        let TrySend { accepted: taken, pending: waits } = link.try_send(broadcast.frames());
        let passed = broadcast.entries.get(..taken).unwrap_or(&broadcast.entries);
        if let Some(last) = passed.last() {
            flow.sent_direct(last.seq);
        }
        if waits {
            for EncodedEntry { frame, .. } in passed {
                self.in_link.more(frame);
                self.entries.more(frame);
                self.all.more(frame);
            }
        }
        passed.len()
    }

    /// Returns whether the link has frames that it could not write yet.
    pub(crate) fn link_has_pending(&self) -> bool {
        self.in_link.frames > 0
    }

    /// From here on entries of the room are held back until [`release`](Self::release), unless they
    /// flow already.
    pub(crate) fn hold(&mut self, room: &RoomAddress) {
        self.rooms.entry(*room).or_default().hold();
    }

    /// Ends the holding back without a notice, as if the room lagged already. Used when admission
    /// could not be decided.
    pub(crate) fn suspend(&mut self, room: &RoomAddress) {
        if self.rooms.get(room).is_some_and(RoomFlow::is_holding) {
            self.suspend_after(room, Seq::START);
        }
    }

    /// Queues `reply`, then the held back entries after `floor`, the end of the log when the store
    /// was queried. The reply is built from the current end of the log: a room that flows already
    /// may have been sent later entries meanwhile.
    pub(crate) fn release(
        &mut self,
        room: &RoomAddress,
        floor: Seq,
        reply: impl FnOnce(Seq) -> Payload,
    ) {
        let head = self.rooms.get(room).map_or(floor, |flow| flow.head(floor));
        self.push_control(reply(head));
        let Some(flow) = self.rooms.get_mut(room) else {
            return;
        };
        let (held, lagging) = flow.release(floor);
        self.subtract(&held);
        for entry in &held {
            self.push_entry(room, entry);
        }
        if lagging {
            self.push_lagging(room, floor);
        }
    }

    /// Marks the room as lagging: entries were lost before they could be sent.
    pub(crate) fn lag(&mut self, room: &RoomAddress) {
        self.suspend_after(room, Seq::START);
    }

    /// Ends the lag of the room, if there is one. To be followed by a page that ends at `reaches`,
    /// the end of the log. Returns false when entries after `reaches` were dropped meanwhile.
    pub(crate) fn resume(&mut self, room: &RoomAddress, reaches: Seq) -> bool {
        let flow = self.rooms.get_mut(room);
        flow.is_none_or(|flow| flow.resume(reaches))
    }

    /// Stops the entries of the room. Queued ones are still sent.
    pub(crate) fn close_room(&mut self, room: &RoomAddress) {
        if let Some(mut flow) = self.rooms.remove(room) {
            let (held, _) = flow.suspend(Seq::START);
            self.subtract(&held);
        }
    }

    /// Stops the entries of the room, and drops the queued ones.
    pub(crate) fn drop_room(&mut self, room: &RoomAddress) {
        self.close_room(room);
        self.drop_entries(room);
    }

    /// Ends the queue: no more frames are accepted.
    pub(crate) fn end(&mut self, why: Closing) {
        self.closing.get_or_insert(why);
    }

    /// Returns whether the queue is below the low watermark: at most half of its limits.
    pub(crate) fn is_below_low_watermark(&self) -> bool {
        self.all.bytes <= self.max.bytes / 2 && self.all.frames <= self.max.frames / 2
    }

    /// Takes the next batch, without entries that expired in the queue. The batch is empty while
    /// the link still has frames to write, which the writer has to flush first. Returns the reason
    /// to close once the queue has ended and is empty, and `None` when there is nothing to do.
    pub(crate) fn take(&mut self, now: Timestamp) -> Option<Result<Batch, Closing>> {
        let mut batch = Batch::default();
        if self.link_has_pending() {
            let handed = std::mem::take(&mut self.in_link);
            (batch.all, batch.entries) = (handed, handed);
            return Some(Ok(batch));
        }
        while let Some(Queued { frame, kind: about }) = self.waiting.pop_front() {
            let bytes = batch.all.bytes.saturating_add(frame.len());
            if bytes > self.max_batch && !batch.frames.is_empty() {
                self.waiting.push_front(Queued { frame, kind: about });
                break;
            }
            if let FrameKind::Entry { room, seq, expires, .. } = &about {
                if let Some(flow) = self.rooms.get_mut(room) {
                    flow.sent(*seq);
                }
                if expires.is_some_and(|expires| expires <= now) {
                    self.entries.less(&frame);
                    self.all.less(&frame);
                    continue;
                }
                batch.entries.more(&frame);
            }
            // Counted with the size that it had when it was queued.
            batch.all.more(&frame);
            batch.frames.push(about.with_current_ages(&frame, now));
        }
        if batch.frames.is_empty() {
            return self.closing.map(Err);
        }
        Some(Ok(batch))
    }

    /// Wipes queued entries that have expired, and returns when the next one expires.
    pub(crate) fn expire(&mut self, now: Timestamp) -> Option<Timestamp> {
        if self.next_expiry.is_none_or(|at| at > now) {
            return self.next_expiry;
        }
        let mut next = None;
        self.retain(|about| match about {
            FrameKind::Entry { expires: Some(at), .. } if *at <= now => false,
            FrameKind::Entry { expires, .. } => {
                next = next.into_iter().chain(*expires).min();
                true
            }
            FrameKind::Page { .. } | FrameKind::Control => true,
        });
        for queued in &mut self.waiting {
            let FrameKind::Page { encoded_at: broadcast, expires } = &mut queued.kind else {
                continue;
            };
            if expires.is_some_and(|at| at <= now) {
                let Aged { frame, expires_in } =
                    with_ages_grown(&queued.frame, now.saturating_duration_since(*broadcast));
                self.all.less(&queued.frame);
                self.all.more(&frame);
                (queued.frame, *broadcast) = (frame, now);
                *expires = expires_in.map(|left| now.saturating_add(left));
            }
            next = next.into_iter().chain(*expires).min();
        }
        self.next_expiry = next;
        next
    }

    /// Records that a batch was sent.
    pub(crate) fn sent(&mut self, batch: &Batch) {
        self.all.without(batch.all);
        self.entries.without(batch.entries);
    }

    #[cfg(test)]
    pub(crate) fn queued_bytes(&self) -> usize {
        self.all.bytes
    }

    /// Drops the queued entries of the room and sends a lagging notice, once.
    fn suspend_after(&mut self, room: &RoomAddress, skipped: Seq) {
        let Some(flow) = self.rooms.get_mut(room) else {
            return;
        };
        let (held, say) = flow.suspend(skipped);
        self.subtract(&held);
        if let Some(after) = say {
            self.drop_entries(room);
            self.push_lagging(room, after);
        }
    }

    fn push_lagging(&mut self, room: &RoomAddress, after: Seq) {
        let address = *room;
        let event = Event::Lagging { address, after };
        self.push_control(encode(&RelayFrame::Event(event)));
    }

    fn drop_entries(&mut self, of: &RoomAddress) {
        self.retain(|about| !matches!(about, FrameKind::Entry { room, .. } if room == of));
    }

    /// Keeps the frames for which `stays` returns true. It must return true for all but entries.
    fn retain(&mut self, mut stays: impl FnMut(&FrameKind) -> bool) {
        let (entries, all) = (&mut self.entries, &mut self.all);
        self.waiting.retain(|queued| {
            let stays = stays(&queued.kind);
            if !stays {
                entries.less(&queued.frame);
                all.less(&queued.frame);
            }
            stays
        });
    }

    fn subtract(&mut self, held: &[EncodedEntry]) {
        for entry in held {
            self.entries.less(&entry.frame);
            self.all.less(&entry.frame);
        }
    }
}
