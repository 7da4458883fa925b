//! The frames that wait for one connection: bounded, and never silently short. No task, no clock.

mod load;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

use self::load::Load;
use super::{
    RelayConfig,
    flow::{Flow, Taken},
    hub::HubId,
    told::{Fanned, Retold, STALE, Told, retell},
};
use crate::{
    id::{RoomAddress, Seq},
    secret::Payload,
    time::Timestamp,
    transport::{AtOnce, Closing, Link},
    wire::{Event, RelayFrame, encode},
};

/// The frames that wait for one connection, in order.
///
/// Entries of rooms are bounded: when one does not fit, those of its room that wait are left out
/// as well, the connection is told after which place, and the room lags until the connection has
/// read the log. Words are never left out; the reader bounds them by reading no more requests.
pub(super) struct Queue {
    waiting: VecDeque<Queued>,
    /// Entries that wait, are held back or are being sent.
    entries: Load,
    /// Those, and words.
    all: Load,
    /// Of those, what the link has and could not write yet.
    handed: Load,
    rooms: HashMap<RoomAddress, Flow>,
    closing: Option<Closing>,
    /// Nothing that waits expires before this.
    next_expiry: Option<Timestamp>,
    max: Load,
    max_batch: usize,
}

struct Queued {
    frame: Payload,
    about: About,
}

enum About {
    /// A reply, or a notice that must not be lost.
    Word,
    /// A reply with entries, whose ages were right at `told`.
    Page { told: Timestamp, expires: Option<Timestamp> },
    /// An entry of a room, whose age was right at `told`.
    Entry { room: RoomAddress, seq: Seq, told: Timestamp, expires: Option<Timestamp> },
}

impl About {
    /// The frame as it is to be sent now: ages are those of the moment of sending.
    fn up_to_date(&self, frame: &Payload, now: Timestamp) -> Payload {
        match self {
            Self::Page { told, .. } | Self::Entry { told, .. } if now.since(*told) > STALE => {
                retell(frame, now.since(*told)).frame
            }
            _ => frame.clone(),
        }
    }
}

/// Frames to be handed to the link in one send; or none, while it still has some to write.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) frames: Vec<Payload>,
    all: Load,
    entries: Load,
}

impl Batch {
    pub(super) fn bytes(&self) -> usize {
        self.all.bytes
    }
}

impl Queue {
    pub(super) fn new(config: &RelayConfig) -> Self {
        Self {
            waiting: VecDeque::new(),
            entries: Load::default(),
            all: Load::default(),
            handed: Load::default(),
            rooms: HashMap::new(),
            closing: None,
            next_expiry: None,
            max: Load { bytes: config.outbox_bytes, frames: config.outbox_frames },
            max_batch: config.batch_bytes,
        }
    }

    /// Says something that is never left out: a reply or a notice.
    pub(super) fn word(&mut self, frame: Payload) {
        self.say(frame, About::Word);
    }

    /// Says a reply with entries whose ages are right `now`, and of which the first expires at
    /// `expires`.
    pub(super) fn page(&mut self, frame: Payload, now: Timestamp, expires: Option<Timestamp>) {
        self.next_expiry = self.next_expiry.into_iter().chain(expires).min();
        self.say(frame, About::Page { told: now, expires });
    }

    fn say(&mut self, frame: Payload, about: About) {
        if self.closing.is_some() {
            return;
        }
        self.all.more(&frame);
        self.waiting.push_back(Queued { frame, about });
        // Requests are not read while much waits, so only a connection that takes nothing while
        // its rooms are voided over and over comes here.
        if self.all.frames > self.max.frames.saturating_mul(2) {
            self.closing = Some(Closing::Timeout);
        }
    }

    /// Tells an entry, if the room flows.
    pub(super) fn entry(&mut self, room: &RoomAddress, fanned: &Fanned) {
        let Some(flow) = self.rooms.get_mut(room) else {
            return;
        };
        let bytes = self.entries.bytes.saturating_add(fanned.frame.len());
        let fits = bytes <= self.max.bytes && self.entries.frames < self.max.frames;
        let taken = flow.take(fanned, fits && self.closing.is_none());
        match taken {
            Taken::No => return,
            Taken::TooMuch => return self.suspend(room, fanned.seq),
            Taken::Now | Taken::Later => {
                self.entries.more(&fanned.frame);
                self.all.more(&fanned.frame);
            }
        }
        if matches!(taken, Taken::Now) {
            self.next_expiry = self.next_expiry.into_iter().chain(fanned.expires).min();
            self.waiting.push_back(Queued {
                frame: fanned.frame.clone(),
                about: About::Entry {
                    room: *room,
                    seq: fanned.seq,
                    told: fanned.told,
                    expires: fanned.expires,
                },
            });
        }
    }

    /// From here on this hub tells the room, and no other.
    pub(super) fn comes_from(&mut self, room: &RoomAddress, hub: HubId) {
        self.rooms.entry(*room).or_default().comes_from(hub);
    }

    /// Whether this hub tells the room.
    pub(super) fn is_from(&self, room: &RoomAddress, hub: HubId) -> bool {
        self.rooms.get(room).is_some_and(|flow| flow.is_from(hub))
    }

    /// Whether the room flows, and what is at `place` is still to be told.
    pub(super) fn flows_to(&self, room: &RoomAddress, place: Seq) -> bool {
        self.rooms.get(room).is_some_and(|flow| flow.flows_to(place))
    }

    /// Hands entries to a link that takes them at once, past the queue, when nothing waits that
    /// would have to come first. Gives how many; the others are to be told by
    /// [`entry`](Self::entry).
    pub(super) fn pass(&mut self, told: &Told, now: Timestamp, link: &dyn Link) -> usize {
        let (Some(first), Some(flow)) = (told.entries.first(), self.rooms.get_mut(&told.room))
        else {
            return 0;
        };
        let is_clear = self.all.frames == 0 && self.closing.is_none();
        let is_one_batch = told.bytes(told.entries.len()) <= self.max_batch;
        if !(is_clear && is_one_batch && told.is_fresh(now) && flow.flows_to(first.seq)) {
            return 0;
        }
        let AtOnce { taken, waits } = link.try_send(told.frames());
        let passed = told.entries.get(..taken).unwrap_or(&told.entries);
        if let Some(last) = passed.last() {
            flow.passed(last.seq);
        }
        if waits {
            for Fanned { frame, .. } in passed {
                self.handed.more(frame);
                self.entries.more(frame);
                self.all.more(frame);
            }
        }
        passed.len()
    }

    /// Whether the link has something that it could not write.
    pub(super) fn has_handed(&self) -> bool {
        self.handed.frames > 0
    }

    /// From here on entries of the room are held back until [`release`](Self::release), unless
    /// they flow already.
    pub(super) fn hold(&mut self, room: &RoomAddress) {
        self.rooms.entry(*room).or_default().hold();
    }

    /// Ends the holding back without a word, as if the room lagged already: for when admission
    /// could not be decided.
    pub(super) fn give_up(&mut self, room: &RoomAddress) {
        if self.rooms.get(room).is_some_and(Flow::is_holding) {
            self.suspend(room, Seq::START);
        }
    }

    /// Says `reply`, then lets flow what was held back and lies after `floor`, where the log ended
    /// when the store was asked. The reply is made of where it ends by now: a room that flows
    /// already may have been told further meanwhile.
    pub(super) fn release(
        &mut self,
        room: &RoomAddress,
        floor: Seq,
        reply: impl FnOnce(Seq) -> Payload,
    ) {
        let head = self.rooms.get(room).map_or(floor, |flow| flow.head(floor));
        self.word(reply(head));
        let Some(flow) = self.rooms.get_mut(room) else {
            return;
        };
        let (held, lagging) = flow.release(floor);
        self.unload(&held);
        for fanned in &held {
            self.entry(room, fanned);
        }
        if lagging {
            self.lagging(room, floor);
        }
    }

    /// Entries of the room were lost before they could be told.
    pub(super) fn lost(&mut self, room: &RoomAddress) {
        self.suspend(room, Seq::START);
    }

    /// Ends the lag of the room, if there is one: a page is said next that ends at `reaches` where
    /// the log ends. False when entries after `reaches` were left out meanwhile.
    pub(super) fn resume(&mut self, room: &RoomAddress, reaches: Seq) -> bool {
        let flow = self.rooms.get_mut(room);
        flow.is_none_or(|flow| flow.resume(reaches))
    }

    /// No more entries of the room. What waits is still sent.
    pub(super) fn forget(&mut self, room: &RoomAddress) {
        if let Some(mut flow) = self.rooms.remove(room) {
            let (held, _) = flow.suspend(Seq::START);
            self.unload(&held);
        }
    }

    /// No more entries of the room, not even those that wait.
    pub(super) fn drop_room(&mut self, room: &RoomAddress) {
        self.forget(room);
        self.drop_entries(room);
    }

    /// Nothing more is taken in.
    pub(super) fn end(&mut self, why: Closing) {
        self.closing.get_or_insert(why);
    }

    /// Whether at most half of what may wait does.
    pub(super) fn is_half_empty(&self) -> bool {
        self.all.bytes <= self.max.bytes / 2 && self.all.frames <= self.max.frames / 2
    }

    /// What to send next: at first nothing, if the link still has something to write; without what expired while it waited; why to close when all is said;
    /// `None` when there is nothing to do.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<Result<Batch, Closing>> {
        let mut batch = Batch::default();
        if self.has_handed() {
            let handed = std::mem::take(&mut self.handed);
            (batch.all, batch.entries) = (handed, handed);
            return Some(Ok(batch));
        }
        while let Some(Queued { frame, about }) = self.waiting.pop_front() {
            let bytes = batch.all.bytes.saturating_add(frame.len());
            if bytes > self.max_batch && !batch.frames.is_empty() {
                self.waiting.push_front(Queued { frame, about });
                break;
            }
            if let About::Entry { room, seq, expires, .. } = &about {
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
            // Counted as it was when it came.
            batch.all.more(&frame);
            batch.frames.push(about.up_to_date(&frame, now));
        }
        if batch.frames.is_empty() {
            return self.closing.map(Err);
        }
        Some(Ok(batch))
    }

    /// Wipes what expired while it waits, and says when there is more of it.
    pub(super) fn expire(&mut self, now: Timestamp) -> Option<Timestamp> {
        if self.next_expiry.is_none_or(|at| at > now) {
            return self.next_expiry;
        }
        let mut next = None;
        self.retain(|about| match about {
            About::Entry { expires: Some(at), .. } if *at <= now => false,
            About::Entry { expires, .. } => {
                next = next.into_iter().chain(*expires).min();
                true
            }
            About::Page { .. } | About::Word => true,
        });
        for queued in &mut self.waiting {
            let About::Page { told, expires } = &mut queued.about else { continue };
            if expires.is_some_and(|at| at <= now) {
                let Retold { frame, expires_in } = retell(&queued.frame, now.since(*told));
                self.all.less(&queued.frame);
                self.all.more(&frame);
                (queued.frame, *told) = (frame, now);
                *expires = expires_in.map(|left| now.after(left));
            }
            next = next.into_iter().chain(*expires).min();
        }
        self.next_expiry = next;
        next
    }

    /// A batch was sent.
    pub(super) fn sent(&mut self, batch: &Batch) {
        self.all.without(batch.all);
        self.entries.without(batch.entries);
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.all.bytes
    }

    /// Leaves out what waits of the room and says so, once.
    fn suspend(&mut self, room: &RoomAddress, skipped: Seq) {
        let Some(flow) = self.rooms.get_mut(room) else {
            return;
        };
        let (held, say) = flow.suspend(skipped);
        self.unload(&held);
        if let Some(after) = say {
            self.drop_entries(room);
            self.lagging(room, after);
        }
    }

    fn lagging(&mut self, room: &RoomAddress, after: Seq) {
        let address = *room;
        let event = Event::Lagging { address, after };
        self.word(encode(&RelayFrame::Event(event)));
    }

    fn drop_entries(&mut self, of: &RoomAddress) {
        self.retain(|about| !matches!(about, About::Entry { room, .. } if room == of));
    }

    /// Keeps the entries for which this holds; it must hold for words.
    fn retain(&mut self, mut stays: impl FnMut(&About) -> bool) {
        let (entries, all) = (&mut self.entries, &mut self.all);
        self.waiting.retain(|queued| {
            let stays = stays(&queued.about);
            if !stays {
                entries.less(&queued.frame);
                all.less(&queued.frame);
            }
            stays
        });
    }

    fn unload(&mut self, held: &[Fanned]) {
        for fanned in held {
            self.entries.less(&fanned.frame);
            self.all.less(&fanned.frame);
        }
    }
}
