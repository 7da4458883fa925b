//! The event loop of a conversation by lines: reading, draining the send queue, leaving.

use std::{io, time::Duration};

use anocm_core::{Command, RoomEvent, room::Ended};
use tokio::time::Instant;

use super::{Ends, Flow, Front, HANGING_UP, LEAVING, Manner, Outcome, until, wish};
use crate::{lines::Line, printer::Outlet, room::Room, signals::Stop};

/// How long the queued messages may make no progress at the end of input before leaving.
pub(super) const SENDING: Duration = Duration::from_secs(10);

/// How long the remaining output may take after a stop, at the least.
const AT_ONCE: Duration = Duration::from_millis(200);

/// How long it may take after a hang-up, or when everything is wiped.
const WIPED: Duration = Duration::from_millis(20);

/// When to retry a line that did not fit into the send queue.
const AGAIN: Duration = Duration::from_millis(100);

/// The state of a conversation by lines.
pub(super) struct Talk {
    manner: Manner,
    entered: bool,
    /// The guest asked to close the room, which has not ended yet.
    closing: bool,
    /// A line may have queued something since the send queue was last empty.
    said: bool,
    /// Something was queued and not sent.
    unsaid: bool,
    /// A signal arrived.
    stopped: bool,
    /// The terminal or the reader of the output is gone.
    pub(super) hung_up: bool,
    stage: Stage,
    held: Option<Line>,
    deadline: Option<Instant>,
    /// The number of queued messages at the last check.
    waiting: usize,
    /// Since when the output buffer has been full.
    stalled: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Lines are read, once in the room.
    Open,
    /// The input has ended, but not the conversation.
    Listening,
    /// Nothing more is read; the send queue is being drained.
    Sending,
    Leaving,
}

impl Talk {
    pub(super) fn new(manner: Manner) -> Self {
        Self {
            entered: false,
            closing: false,
            said: false,
            unsaid: false,
            stopped: false,
            hung_up: false,
            stage: Stage::Open,
            held: None,
            deadline: manner.entering.deadline(),
            waiting: 0,
            stalled: None,
            manner,
        }
    }

    pub(super) async fn run<R: Room, F: Front>(
        &mut self,
        room: &mut R,
        front: &mut F,
        ends: &mut Ends,
    ) -> io::Result<Option<Ended>> {
        loop {
            let free = self.looks(&ends.outlet);
            let reads = free && self.entered && self.stage == Stage::Open;
            let retries = reads && self.held.is_some();
            tokio::select! {
                event = room.event(), if free => {
                    let Some(event) = event else { return self.gives_up(room, front) };
                    if let Some(ended) = self.event(&event, room, front)? {
                        return Ok(Some(ended));
                    }
                }
                line = ends.lines.next(), if reads && !retries => match line {
                    Some(line) => self.line(line, room, front)?,
                    None if self.manner.stay => self.stage = Stage::Listening,
                    None => self.send_first(),
                },
                () = tokio::time::sleep(AGAIN), if retries => {
                    if let Some(line) = self.held.take() {
                        self.line(line, room, front)?;
                    }
                }
                written = ends.outlet.changes(free) => written?,
                Some(stop) = ends.stops.recv() => match stop {
                    Stop::HungUp => self.hang_up(room),
                    Stop::Requested if self.stage == Stage::Leaving => {
                        return self.gives_up(room, front);
                    }
                    Stop::Requested => {
                        self.stopped = true;
                        self.leave(room, false);
                    }
                },
                // A slow reader does not use up the deadline, but must not delay a guest that
                // stops.
                () = until(self.deadline), if free || self.stopped => {
                    if self.stage == Stage::Leaving {
                        return self.gives_up(room, front);
                    }
                    if !self.entered {
                        front.warn(&self.manner.entering.too_late())?;
                    }
                    self.leave(room, true);
                }
            }
            let waiting = self.waits(room);
            if self.stage == Stage::Sending {
                self.drain(waiting, room);
            }
        }
    }

    /// Whether there is space for output; extends the deadline by the time that there was none.
    fn looks(&mut self, outlet: &Outlet) -> bool {
        let free = outlet.is_free();
        if !free {
            self.stalled = self.stalled.or_else(|| Some(Instant::now()));
        } else if let Some(since) = self.stalled.take() {
            self.deadline = self.deadline.map(|deadline| deadline + since.elapsed());
        }
        free
    }

    fn event<R: Room, F: Front>(
        &mut self,
        event: &RoomEvent,
        room: &R,
        front: &mut F,
    ) -> io::Result<Option<Ended>> {
        self.unsaid |= matches!(event, RoomEvent::NotSent { .. });
        if let RoomEvent::Ended(ended) = event {
            self.warn(*ended, front)?;
            front.event(event, room)?;
            return Ok(Some(*ended));
        }
        front.event(event, room)?;
        if matches!(event, RoomEvent::Entered) {
            if !self.entered && self.stage == Stage::Open {
                self.deadline = None;
            }
            self.entered = true;
            wish(room, self.manner.wishes);
        }
        self.manner.entering.on_event(event);
        Ok(None)
    }

    fn line<R: Room, F: Front>(&mut self, line: Line, room: &R, front: &mut F) -> io::Result<()> {
        self.said = true;
        match front.line(line, room)? {
            Flow::On => {}
            Flow::Again(line) => self.held = Some(line),
            Flow::Closing => self.closing = true,
            Flow::Leave => self.send_first(),
            Flow::Wipe => {
                self.stage = Stage::Leaving;
                self.deadline = Some(Instant::now() + LEAVING);
                room.wipe();
            }
        }
        Ok(())
    }

    /// Drains the send queue before leaving, within the deadline.
    fn send_first(&mut self) {
        self.stage = Stage::Sending;
        self.deadline = Some(Instant::now() + SENDING);
    }

    /// Returns how many messages of the guest are queued. If no line queued anything, the queue
    /// holds the room's own messages only.
    fn waits<R: Room>(&mut self, room: &R) -> usize {
        let waiting = room.view().waiting;
        self.said &= waiting > 0;
        if self.said { waiting } else { 0 }
    }

    /// Leaves once everything is sent.
    fn drain<R: Room>(&mut self, waiting: usize, room: &R) {
        if waiting == 0 && !self.closing {
            self.leave(room, false);
        } else if waiting < self.waiting {
            self.deadline = Some(Instant::now() + SENDING);
        }
        self.waiting = waiting;
    }

    /// Leaves; `late` means that the deadline for entering or sending has passed.
    fn leave<R: Room>(&mut self, room: &R, late: bool) {
        self.stage = Stage::Leaving;
        let waits = self.waits(room) > 0;
        // A refusal means that there is no room to leave: give up at once.
        let refused = room.command(Command::Leave).is_err();
        // A room that is left before entering sends nothing more. Otherwise the queue is sent
        // first.
        let at_once = room.view().me.is_none();
        self.unsaid |= self.held.is_some() || waits && (late || at_once);
        let now = Instant::now();
        self.deadline = Some(if refused { now } else { now + LEAVING });
    }

    /// Leaves within [`HANGING_UP`]. SIGHUP and the poll may both report the same hang-up.
    fn hang_up<R: Room>(&mut self, room: &R) {
        if std::mem::replace(&mut self.hung_up, true) {
            return;
        }
        self.stopped = true;
        if self.stage != Stage::Leaving {
            self.leave(room, false);
        }
        let deadline = Instant::now() + HANGING_UP;
        self.deadline = Some(self.deadline.map_or(deadline, |earlier| earlier.min(deadline)));
    }

    /// Gives up: leaving timed out, or was not possible.
    fn gives_up<R: Room, F: Front>(
        &mut self,
        room: &R,
        front: &mut F,
    ) -> io::Result<Option<Ended>> {
        self.unsaid |= self.waits(room) > 0;
        self.deadline = None;
        self.warn(Ended::Left, front)?;
        Ok(None)
    }

    /// Warns about requests that were not carried out.
    fn warn<F: Front>(&self, ended: Ended, front: &mut F) -> io::Result<()> {
        if self.unsaid && ended != Ended::Wiped {
            front.warn("not all that was said is known to have been sent")?;
        }
        if self.closing && ended == Ended::Left {
            front.warn("the room is not known to have been closed")?;
        }
        Ok(())
    }

    pub(super) fn outcome(&self, ended: Option<Ended>) -> Outcome {
        match Outcome::of(ended.unwrap_or(Ended::Left), self.closing) {
            // Stopped before entering: the input has not been sent.
            Outcome::Well if self.unsaid || !self.entered => Outcome::Lost,
            outcome => outcome,
        }
    }

    /// Waits until all output is written or the timeout for that has passed; returns whether it was
    /// written.
    pub(super) async fn flushed(&self, outcome: Outcome, ends: &mut Ends) -> bool {
        let now = Instant::now();
        let deadline = match (outcome, self.stopped) {
            (Outcome::Wiped, _) => Some(now + WIPED),
            _ if self.hung_up => Some(now + WIPED),
            // Stopped: the rest of the leave deadline. None is left after giving up or a second
            // stop.
            (_, true) => Some(self.deadline.unwrap_or(now).max(now + AT_ONCE)),
            (_, false) => None,
        };
        tokio::select! {
            biased;
            written = ends.outlet.empties() => written.is_ok(),
            Some(_) = ends.stops.recv() => false,
            () = until(deadline) => false,
        }
    }
}
