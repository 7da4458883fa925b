//! One direction of a plain link: a bounded queue, and the faults that it can have.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use anocm_core::{
    Payload,
    transport::{TransportError, TrySend},
    wire::MAX_FRAME,
};
use tokio::{sync::Notify, task::yield_now};

use super::{
    super::others_run,
    faults::Fault::{self, *},
};

/// The capacity of the queue, in frames.
const SPACE: usize = 8;

pub(super) struct Pipe {
    fault: Option<Fault>,
    state: Mutex<State>,
    changed: Notify,
    /// The number of queued frames in all pipes of a transport.
    waiting_in_all: Arc<AtomicUsize>,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Payload>,
    /// The frame that `try_send` accepted beyond the capacity; pending until a `send` writes it.
    unwritten: VecDeque<Payload>,
    /// Frames that a fault holds back until something else is sent.
    held: VecDeque<Payload>,
    /// The writer has closed: no more frames come.
    closed: bool,
    is_told: bool,
    /// The reader has ended, and the error to report, if any.
    unread: Option<Option<TransportError>>,
}

impl Pipe {
    pub(super) fn new(fault: Option<Fault>, waiting_in_all: Arc<AtomicUsize>) -> Self {
        let (state, changed) = (Mutex::default(), Notify::new());
        Self { fault, state, changed, waiting_in_all }
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `act` returns a value, and returns it.
    async fn when<T>(&self, mut act: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            let done = act(&mut self.lock());
            if let Some(done) = done {
                self.changed.notify_waiters();
                return done;
            }
            changed.await;
        }
    }

    /// Whether nothing can be sent any more.
    fn has_ended(&self, state: &State) -> bool {
        state.closed && !self.is(SendsAfterItsClose)
            || state.unread.is_some() && !self.is(SendsToADroppedSide)
    }

    fn has_space(&self, state: &State) -> bool {
        let waiting = match self.fault {
            Some(LinksShareTheSpace) => self.waiting_in_all.load(Relaxed),
            Some(SendNeverWaits) => 0,
            _ => state.frames.len(),
        };
        waiting < SPACE
    }

    fn push(&self, state: &mut State, frame: Payload) {
        self.waiting_in_all.fetch_add(1, Relaxed);
        let held = std::mem::take(&mut state.held);
        state.frames.extend(held);
        state.frames.push_back(frame);
    }

    /// Queues a frame when there is space for it; `is_last` marks the last frame of a batch.
    pub(super) async fn send(&self, frame: &Payload, is_last: bool) -> Result<(), TransportError> {
        if self.is(SendersOverwrite) {
            let mut frames = self.lock().frames.clone();
            others_run();
            frames.push_back(frame.clone());
            self.lock().frames = frames;
            self.changed.notify_waiters();
            return Ok(());
        }
        let left = match self.fault {
            Some(CancelledSendLeavesHalf) => {
                vec![Payload::copy_from_slice(&frame[..frame.len() / 2])]
            }
            Some(CancelledSendRepeats) => vec![frame.clone(), frame.clone()],
            _ => Vec::new(),
        };
        let mut cancelled = Cancelled(self, left);
        let sent = self.when(|state| {
            if self.has_ended(state) {
                return Some(Err(TransportError::Cut));
            }
            self.has_space(state).then(|| {
                match self.fault {
                    Some(LastOfABatchIsHeld) if is_last => state.held.push_back(frame.clone()),
                    Some(SmallIsHeld) if frame.len() < 1_400 && state.held.len() < 3 => {
                        state.held.push_back(frame.clone());
                    }
                    _ => self.push(state, frame.clone()),
                }
                Ok(())
            })
        });
        let sent = sent.await;
        cancelled.1.clear();
        sent
    }

    /// Writes the pending frame of `try_send`.
    pub(super) async fn flush(&self) -> Result<(), TransportError> {
        self.when(|state| {
            if self.has_ended(state) {
                return Some(Err(TransportError::Cut));
            }
            let writes = state.unwritten.is_empty() || self.has_space(state);
            writes.then(|| {
                for frame in std::mem::take(&mut state.unwritten) {
                    self.push(state, frame);
                }
                Ok(())
            })
        })
        .await
    }

    pub(super) fn try_send(&self, frames: &[Payload]) -> TrySend {
        let mut state = self.lock();
        if self.has_ended(&state) && !self.is(TrySendTakesAfterTheEnd) {
            return TrySend::default();
        }
        if !state.unwritten.is_empty() && !self.is(TrySendTakesMore) {
            return TrySend { accepted: 0, pending: true };
        }
        let space = SPACE.saturating_sub(state.frames.len());
        // One frame beyond the space is accepted and stays pending until a `send`.
        let mut taken = frames.len().min(space + 1);
        let mut going = &frames[..taken];
        match self.fault {
            Some(TrySendTakesTheLast) => going = &frames[frames.len() - taken..],
            Some(TrySendTakesAll) => (taken, going) = (frames.len(), frames),
            Some(TrySendLosesTheRest) => {
                (taken, going) = (frames.len(), &frames[..taken.saturating_sub(1)])
            }
            _ => {}
        }
        for frame in going {
            let has_space = state.frames.len() < SPACE;
            match self.fault {
                Some(TrySendOvertakes) if has_space => state.frames.push_front(frame.clone()),
                Some(TakenIsHeld) => state.held.push_back(frame.clone()),
                Some(TrySendTakesAll) => self.push(&mut state, frame.clone()),
                _ if has_space => self.push(&mut state, frame.clone()),
                _ => state.unwritten.push_back(frame.clone()),
            }
        }
        self.changed.notify_waiters();
        TrySend { accepted: taken, pending: !state.unwritten.is_empty() }
    }

    pub(super) async fn recv(&self) -> Result<Option<Payload>, TransportError> {
        if self.is(ReceiveOverwrites) {
            let mut frames =
                self.when(|state| (!state.frames.is_empty()).then(|| state.frames.clone())).await;
            others_run();
            let frame = frames.pop_front();
            self.lock().frames = frames;
            self.changed.notify_waiters();
            return Ok(frame);
        }
        let received = self.when(|state| self.take(state)).await;
        if self.is(CancelledReceiveLoses) {
            yield_now().await;
        }
        received
    }

    /// Returns the next frame, or how the pipe has ended.
    fn take(&self, state: &mut State) -> Option<Result<Option<Payload>, TransportError>> {
        if let Some(Some(error)) = state.unread {
            return Some(Err(error));
        }
        let Some(frame) = state.frames.pop_front() else {
            let told = std::mem::replace(&mut state.is_told, state.closed);
            return match self.fault {
                _ if !state.closed => None,
                Some(CloseIsToldOnce) if told => None,
                Some(CloseIsACut) => Some(Err(TransportError::Cut)),
                _ => Some(Ok(None)),
            };
        };
        self.waiting_in_all.fetch_sub(1, Relaxed);
        if frame.len() <= MAX_FRAME || self.is(AnyLengthComesIn) {
            return Some(Ok(Some(frame)));
        }
        let error = match self.fault {
            Some(TooLongIsACut) => TransportError::Cut,
            _ => TransportError::TooLong,
        };
        if !self.is(TooLongIsSkipped) {
            state.unread = Some(Some(error));
        }
        Some(Err(error))
    }

    /// The writer closes, after everything that was sent and accepted.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        let unwritten = std::mem::take(&mut state.unwritten);
        match self.fault {
            Some(CloseIsUntold) => return,
            Some(CloseDropsWhatWasSent) => state.frames.clear(),
            Some(CloseDropsWhatWasTaken) => {}
            _ => unwritten.into_iter().for_each(|frame| self.push(&mut state, frame)),
        }
        state.closed = true;
        self.changed.notify_waiters();
    }

    /// The reader was dropped, or its link is dead.
    pub(super) fn stop_reading(&self) {
        let mut state = self.lock();
        state.unread.get_or_insert(None);
        self.changed.notify_waiters();
    }

    pub(super) fn is_dead(&self) -> bool {
        matches!(self.lock().unread, Some(Some(_)))
    }
}

/// The frames that a cancelled `send` leaves behind.
struct Cancelled<'a>(&'a Pipe, Vec<Payload>);

impl Drop for Cancelled<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        for frame in self.1.drain(..) {
            self.0.push(&mut state, frame);
        }
    }
}
