//! What is heard of one room, put in order.

#[cfg(test)]
mod tests;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anocm_core::{
    Payload, RoomAddress, Seq, TokenHash,
    store::{EpochRecord, Feeds, StoredDoor, Watch, Watched},
    wire::{CloseReason, LogItem, NextEpoch},
};
use tokio::sync::Notify;

use crate::codec::{Announced, Instance, Mark, What};

/// How much is held back while the log is read.
const MAX_HELD: usize = 256;
const MAX_HELD_BYTES: usize = 1 << 20;

/// How far a room has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RoomCursor {
    pub(crate) instance: Instance,
    pub(crate) head: Seq,
    /// How often the epoch has changed, by entries and by voids.
    pub(crate) turn: u64,
    /// What was changed last, and what has changed the epoch last.
    pub(crate) mark: Mark,
    pub(crate) fork: Mark,
}

/// What a relay knows of a room beside how far it has come.
#[derive(Clone)]
pub(crate) struct Record {
    /// What has begun the epoch.
    pub(crate) fork: Mark,
    /// When the room was opened, in milliseconds of its time.
    pub(crate) opened: u64,
    /// Of its epochs the current one only.
    pub(crate) door: StoredDoor,
    /// The last time that the door was shut to joins, which none but a void changes.
    pub(crate) shut: Option<Shut>,
}

/// A door that is shut to joins, or was, since some were voided.
#[derive(Clone, Copy)]
pub(crate) struct Shut {
    pub(crate) door: TokenHash,
    /// Until when, in milliseconds of the time of rooms.
    pub(crate) until: u64,
    /// For how long, in milliseconds.
    pub(crate) time: u64,
}

impl Shut {
    /// For how long this one is still shut.
    pub(crate) fn left(&self, door: &TokenHash, now: u64) -> Duration {
        let left = if self.door == *door { self.until.saturating_sub(now) } else { 0 };
        Duration::from_millis(left)
    }
}

/// What was found when a room was looked at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum QueryResult {
    /// The first look, or everything since the last one.
    Whole(RoomCursor, Vec<LogItem>),
    /// Something since the last look can only be read by those who watch.
    Part(RoomCursor),
    /// The room has ended, and this is another one, or none.
    Gone,
}

/// What is heard of one room, put in order, for those who watch it.
pub(crate) struct Room {
    pub(crate) address: RoomAddress,
    // Short sections, none across an await.
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    feeds: Feeds,
    at: Option<RoomCursor>,
    /// Whether everything that happens is heard.
    hears: bool,
    /// Whether something may have gone unheard since the room was last seen whole.
    was_deaf: bool,
    /// Whether all that has happened since the look under way began is heard.
    listens: bool,
    /// Whether somebody is looking at what was missed. Until then what is heard is held back.
    looks: bool,
    /// Something was missed since that look began.
    again: bool,
    over: bool,
    held: Vec<Announced>,
    /// What the door was when it was looked at last.
    record: Option<Record>,
    /// As far as the server has said that the room came.
    floor: Option<RoomCursor>,
}

impl Room {
    pub(crate) fn new(address: RoomAddress) -> Self {
        Self { address, state: Mutex::default(), changed: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.lock().over
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.lock().feeds.is_watched()
    }

    /// From now on everything is heard. True when somebody has to look at what was missed.
    pub(crate) fn set_subscribed(&self) -> bool {
        let mut state = self.lock();
        state.hears = true;
        state.must_query()
    }

    /// Nothing is heard any more.
    pub(crate) fn set_unsubscribed(&self) {
        let mut state = self.lock();
        state.hears = false;
        state.listens = false;
        state.was_deaf = true;
    }

    /// The room may be gone, or another. True when somebody has to look.
    pub(crate) fn is_doubted(&self) -> bool {
        self.lock().must_query()
    }

    /// The room is known to have come so far. True when somebody has to look why nothing was
    /// heard of it.
    pub(crate) fn should_be(&self, known: &RoomCursor) -> bool {
        let mut state = self.lock();
        state.is_before(known) && state.must_query()
    }

    /// Whether what was heard is not all that there was until then.
    pub(crate) fn is_before(&self, known: &RoomCursor) -> bool {
        self.lock().is_before(known)
    }

    /// Takes what was heard. True when somebody has to look at what was missed.
    pub(crate) fn on_announcement(&self, announced: Announced) -> bool {
        let mut state = self.lock();
        if state.over {
            return false;
        }
        if state.looks || state.at.is_none() {
            state.hold(announced);
            return false;
        }
        let missed = !state.take(&announced);
        if missed {
            state.hold(announced);
        }
        self.changed.notify_waiters();
        missed && state.must_query()
    }

    /// A look begins: what is missed from now on is not in it.
    pub(crate) fn begin_query(&self) -> Option<RoomCursor> {
        let mut state = self.lock();
        state.again = false;
        state.listens = state.hears;
        state.at
    }

    /// Takes what the look has found, and what was held back meanwhile. False when one more look
    /// is needed.
    pub(crate) fn end_query(&self, found: QueryResult) -> bool {
        let mut state = self.lock();
        state.was_deaf &= found == QueryResult::Gone || !state.listens;
        if !state.over {
            state.catch_up(found);
        }
        state.looks = state.again && !state.over;
        self.changed.notify_waiters();
        !state.looks
    }

    /// Ends the room for all who watch.
    pub(crate) fn end(&self, reason: CloseReason) {
        self.lock().end(reason);
        self.changed.notify_waiters();
    }

    /// A watch of everything after `known`, once all until then was heard. `None` when the room is
    /// over.
    pub(crate) async fn watch(&self, known: Option<RoomCursor>) -> Option<Watch> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let mut state = self.lock();
                if state.over {
                    return None;
                }
                let is_live = state.hears && !state.looks && state.at.is_some();
                if is_live && !known.is_some_and(|known| state.is_before(&known)) {
                    return Some(state.feeds.watch());
                }
            }
            changed.await;
        }
    }

    /// The group information of an epoch, by what has begun it.
    pub(crate) fn info(&self) -> Option<(Mark, Payload)> {
        let state = self.lock();
        state.record.as_ref().map(|record| (record.fork, record.door.group_info.clone()))
    }

    /// Remembers the door of an epoch.
    pub(crate) fn remember(&self, instance: &Instance, record: Record) {
        let mut state = self.lock();
        if state.at.is_some_and(|at| at.instance == *instance) {
            state.record = Some(record);
        }
    }

    /// An epoch is settled. Other relays may have noted that, too: what is remembered of it serves
    /// for nothing but to bring a room back, whose joins cannot be taken back any more.
    pub(crate) fn settles(&self, began: Seq) {
        if let Some(record) = &mut self.lock().record {
            let epochs = record.door.epochs.iter_mut();
            epochs.filter(|epoch| epoch.began == began).for_each(|epoch| epoch.settled = true);
        }
    }

    /// An epoch has begun at this relay. Its owner and its policy are those of the room.
    pub(crate) fn begins(&self, fork: Mark, current: EpochRecord, next: NextEpoch) {
        if let Some(record) = &mut self.lock().record {
            record.fork = fork;
            record.door.door = next.door;
            record.door.group_info = next.group_info;
            record.door.epochs = vec![current];
        }
    }

    /// All that is needed to bring the room back, if everything was heard that has happened to it
    /// and its end was not.
    pub(crate) fn as_it_was(&self) -> Option<(RoomCursor, Record)> {
        let at = self.floor()?;
        let state = self.lock();
        let record = state.record.clone().filter(|record| record.fork == at.fork)?;
        let is_whole = state.hears && !state.was_deaf && !state.over;
        (is_whole && state.held_end().is_none()).then_some((at, record))
    }

    /// Whether the end of the room was heard, be it told already or held back.
    pub(crate) fn has_ended(&self) -> bool {
        let state = self.lock();
        state.over || state.held_end().is_some()
    }

    /// How far the room is known to have come, also by what was answered and not announced yet.
    pub(crate) fn floor(&self) -> Option<RoomCursor> {
        let state = self.lock();
        let at = state.at?;
        let floor = state.floor.filter(|floor| floor.instance == at.instance);
        Some(floor.filter(|floor| floor.head > at.head).unwrap_or(at))
    }

    /// The server has said that the room has come so far.
    pub(crate) fn answered(&self, floor: RoomCursor) {
        let mut state = self.lock();
        let is_known =
            |known: RoomCursor| known.instance == floor.instance && known.head >= floor.head;
        if !state.floor.is_some_and(is_known) {
            state.floor = Some(floor);
        }
    }
}

impl State {
    fn must_query(&mut self) -> bool {
        self.again = true;
        !std::mem::replace(&mut self.looks, true)
    }

    fn is_before(&self, known: &RoomCursor) -> bool {
        self.at.is_none_or(|at| {
            at.instance != known.instance || at.head < known.head || at.turn < known.turn
        })
    }

    fn hold(&mut self, announced: Announced) {
        let bytes = |held: &Announced| match &held.what {
            What::Entry { item, .. } => item.entry.sealed.len(),
            _ => 0,
        };
        let held: usize = self.held.iter().map(bytes).sum();
        // The end is in no log.
        let is_end = matches!(announced.what, What::Closed(_));
        let fits = self.held.len() < MAX_HELD && held + bytes(&announced) <= MAX_HELD_BYTES;
        if fits || is_end {
            self.held.push(announced);
        } else {
            // What is in the log is found there.
            self.again = true;
        }
    }

    /// Why the room ended, if that was heard and is held back.
    fn held_end(&self) -> Option<CloseReason> {
        let at = self.at?;
        self.held.iter().find_map(|held| match held.what {
            What::Closed(reason) if held.instance == at.instance => Some(reason),
            _ => None,
        })
    }

    fn end(&mut self, reason: CloseReason) {
        self.over = true;
        self.held.clear();
        self.record = None;
        self.feeds.close(reason);
    }

    /// Tells what comes next, and passes over what is known. False when something before it was
    /// missed.
    fn take(&mut self, announced: &Announced) -> bool {
        let Some(at) = self.at else { return false };
        if announced.instance != at.instance {
            // Of the room that was here before, or the end of this one was missed.
            return matches!(announced.what, What::Closed(_));
        }
        match &announced.what {
            What::Entry { turn, item } => {
                if item.seq <= at.head {
                    return true;
                }
                let begins = u64::from(item.entry.kind.begins_epoch());
                if announced.after != at.mark || *turn != at.turn + begins {
                    return false;
                }
                let mark = announced.mark;
                let fork = if begins > 0 { mark } else { at.fork };
                self.at = Some(RoomCursor { head: item.seq, turn: *turn, mark, fork, ..at });
                self.feeds.tell(&Watched::Entry(item.clone()));
            }
            What::Voided { turn, seq, epoch } => {
                if *turn <= at.turn {
                    return true;
                }
                if announced.after != at.mark || *turn != at.turn + 1 {
                    return false;
                }
                let mark = announced.mark;
                self.at = Some(RoomCursor { turn: *turn, mark, fork: mark, ..at });
                self.feeds.tell(&Watched::Voided { seq: *seq, epoch: *epoch });
            }
            What::Closed(reason) => self.end(*reason),
        }
        true
    }

    fn catch_up(&mut self, found: QueryResult) {
        match found {
            QueryResult::Whole(at, items) => {
                self.at = Some(at);
                items.into_iter().for_each(|item| self.feeds.tell(&Watched::Entry(item)));
            }
            QueryResult::Part(at) => {
                self.at = Some(at);
                self.feeds.tell(&Watched::Lagged);
            }
            QueryResult::Gone => return self.end(self.held_end().unwrap_or(CloseReason::Gone)),
        }
        let mut held = std::mem::take(&mut self.held).into_iter();
        while let Some(announced) = held.next() {
            if !self.take(&announced) {
                // It is in what the next look finds, as is all behind it; or it was lost. The end is
                // in none.
                self.again = true;
                let is_end = |held: &Announced| matches!(held.what, What::Closed(_));
                for end in held.filter(is_end) {
                    self.take(&end);
                }
                return;
            }
            if self.over {
                return;
            }
        }
    }
}
