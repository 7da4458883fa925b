//! The announcements of one room, put in order.

mod position;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};

use anocm_core::{
    Payload, RoomAddress, Seq,
    store::{EpochRecord, Feeds, Watch, Watched},
    wire::{CloseReason, NextEpoch},
};
use tokio::sync::Notify;

pub(crate) use self::position::{QueryResult, Record, RoomCursor, Shut};
use crate::codec::{Announced, Instance, Mark, What};

/// The most announcements (and their bytes) buffered while the log is queried.
const MAX_HELD: usize = 256;
const MAX_HELD_BYTES: usize = 1 << 20;

/// The announcements of one room, put in order for its watches.
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
    /// Whether the room's channel is subscribed.
    subscribed: bool,
    /// Whether announcements may have been missed since the last complete query.
    was_unsubscribed: bool,
    /// Whether all announcements since the query in progress began are received.
    query_is_covered: bool,
    /// Whether a query is in progress. Announcements are held back until it ends.
    is_querying: bool,
    /// Something was missed since that query began: another one is needed.
    again: bool,
    over: bool,
    /// Whether the room is over because it has ended.
    has_ended: bool,
    held: Vec<Announced>,
    /// The door as last read.
    record: Option<Record>,
    /// The furthest position that the server has reported.
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

    /// Marks the channel as subscribed. Returns true when the caller has to start a query for
    /// missed changes.
    pub(crate) fn set_subscribed(&self) -> bool {
        let mut state = self.lock();
        state.subscribed = true;
        state.must_query()
    }

    /// Marks the channel as no longer subscribed.
    pub(crate) fn set_unsubscribed(&self) {
        let mut state = self.lock();
        state.subscribed = false;
        state.query_is_covered = false;
        state.was_unsubscribed = true;
    }

    /// Invalidates the room: it may be gone or replaced. Returns true when the caller has to start
    /// a query.
    pub(crate) fn must_check(&self) -> bool {
        self.lock().must_query()
    }

    /// Compares with a position that the room is known to have reached. Returns true when
    /// announcements are missing and the caller has to start a query.
    pub(crate) fn should_be(&self, known: &RoomCursor) -> bool {
        let mut state = self.lock();
        state.is_before(known) && state.must_query()
    }

    /// Returns whether announcements up to a known position are missing.
    pub(crate) fn is_before(&self, known: &RoomCursor) -> bool {
        self.lock().is_before(known)
    }

    /// Handles an announcement. Returns true when the caller has to start a query for missed
    /// changes.
    pub(crate) fn on_announcement(&self, announced: Announced) -> bool {
        let mut state = self.lock();
        if state.over {
            return false;
        }
        if state.is_querying || state.at.is_none() {
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

    /// Begins a query. Its result does not cover anything missed from now on.
    pub(crate) fn begin_query(&self) -> Option<RoomCursor> {
        let mut state = self.lock();
        state.again = false;
        state.query_is_covered = state.subscribed;
        state.at
    }

    /// Applies the result of a query and the announcements held back meanwhile. Returns false when
    /// another query is needed.
    pub(crate) fn end_query(&self, found: QueryResult) -> bool {
        let mut state = self.lock();
        state.was_unsubscribed &= found == QueryResult::Gone || !state.query_is_covered;
        if !state.over {
            state.catch_up(found);
        }
        state.is_querying = state.again && !state.over;
        self.changed.notify_waiters();
        !state.is_querying
    }

    /// Ends all watches of the room.
    pub(crate) fn end(&self, reason: CloseReason) {
        self.lock().end(reason);
        self.changed.notify_waiters();
    }

    /// Returns a watch of everything after `known`, once all changes until then have been received.
    /// `None` when the room is over.
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
                let is_live = state.subscribed && !state.is_querying && state.at.is_some();
                if is_live && !known.is_some_and(|known| state.is_before(&known)) {
                    return Some(state.feeds.watch());
                }
            }
            changed.await;
        }
    }

    /// Returns the group information of the current epoch with the mark of the change that began
    /// the epoch.
    pub(crate) fn info(&self) -> Option<(Mark, Payload)> {
        let state = self.lock();
        state.record.as_ref().map(|record| (record.fork, record.door.group_info.clone()))
    }

    /// Caches the door of an epoch.
    pub(crate) fn remember(&self, instance: &Instance, record: Record) {
        let mut state = self.lock();
        if state.at.is_some_and(|at| at.instance == *instance) {
            state.record = Some(record);
        }
    }

    /// Marks an epoch as settled. Other relays may have settled epochs as well, unknown to this
    /// one. The flag only serves to revive a room whose joins can no longer be taken back.
    pub(crate) fn settles(&self, began: Seq) {
        if let Some(record) = &mut self.lock().record {
            let epochs = record.door.epochs.iter_mut();
            epochs.filter(|epoch| epoch.began == began).for_each(|epoch| epoch.settled = true);
        }
    }

    /// Updates the cached door for an epoch begun through this relay. Owner and policy stay those
    /// of the room.
    pub(crate) fn begins(&self, fork: Mark, current: EpochRecord, next: NextEpoch) {
        if let Some(record) = &mut self.lock().record {
            record.fork = fork;
            record.door.door = next.door;
            record.door.group_info = next.group_info;
            record.door.epochs = vec![current];
        }
    }

    /// Returns all that is needed to revive the room, provided that every change was received and
    /// its end was not.
    pub(crate) fn as_it_was(&self) -> Option<(RoomCursor, Record)> {
        let at = self.floor()?;
        let state = self.lock();
        let record = state.record.clone().filter(|record| record.fork == at.fork)?;
        let is_whole = state.subscribed && !state.was_unsubscribed && !state.over;
        (is_whole && state.held_end().is_none()).then_some((at, record))
    }

    /// Returns whether the room is known to have ended: its end was received, be it delivered already
    /// or held back, or it is gone from the server. Not because this store was dropped.
    pub(crate) fn has_ended(&self) -> bool {
        let state = self.lock();
        state.has_ended || state.held_end().is_some()
    }

    /// Returns the furthest known position, including responses whose announcement has not arrived
    /// yet.
    pub(crate) fn floor(&self) -> Option<RoomCursor> {
        let state = self.lock();
        let at = state.at?;
        let floor = state.floor.filter(|floor| floor.instance == at.instance);
        Some(floor.filter(|floor| floor.head > at.head).unwrap_or(at))
    }

    /// Records a position from a response of the server.
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
        !std::mem::replace(&mut self.is_querying, true)
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
        // The end is not in the log, so it is always kept.
        let is_end = matches!(announced.what, What::Closed(_));
        let fits = self.held.len() < MAX_HELD && held + bytes(&announced) <= MAX_HELD_BYTES;
        if fits || is_end {
            self.held.push(announced);
        } else {
            // What does not fit is recovered from the log.
            self.again = true;
        }
    }

    /// Returns why the room ended, if its end is among the held announcements.
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

    /// Delivers the next change and skips known ones. Returns false when an earlier change was
    /// missed.
    fn take(&mut self, announced: &Announced) -> bool {
        let Some(at) = self.at else { return false };
        if announced.instance != at.instance {
            // It belongs to a previous room at this address, or the end of this one was missed.
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
                self.feeds.broadcast(&Watched::Entry(item.clone()));
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
                self.feeds.broadcast(&Watched::Voided { seq: *seq, epoch: *epoch });
            }
            What::Closed(reason) => {
                self.has_ended = true;
                self.end(*reason);
            }
        }
        true
    }

    fn catch_up(&mut self, found: QueryResult) {
        match found {
            QueryResult::Whole(at, items) => {
                self.at = Some(at);
                items.into_iter().for_each(|item| self.feeds.broadcast(&Watched::Entry(item)));
            }
            QueryResult::Part(at) => {
                self.at = Some(at);
                self.feeds.broadcast(&Watched::Lagged);
            }
            QueryResult::Gone => {
                self.has_ended = true;
                return self.end(self.held_end().unwrap_or(CloseReason::Gone));
            }
        }
        let mut held = std::mem::take(&mut self.held).into_iter();
        while let Some(announced) = held.next() {
            if !self.take(&announced) {
                // The next query returns this change and all after it, unless they are lost. An end
                // is not in the log, so it is applied here.
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
