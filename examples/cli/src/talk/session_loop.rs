//! The course of a conversation by lines: reading, sending what is left, leaving.

use std::{io, time::Duration};

use anocm_core::{Command, RoomEvent, room::Ended};
use tokio::time::Instant;

use super::{Ends, Flow, Front, HANGING_UP, LEAVING, Manner, Outcome, until, wish};
use crate::{lines::Line, printer::Outlet, room::Room, signals::Stop};

/// How long the messages that wait at the end of input may make no progress before leaving.
pub(super) const SENDING: Duration = Duration::from_secs(10);

/// How long writing may take when nobody is to be waited for.
const AT_ONCE: Duration = Duration::from_millis(200);

/// The same when everything is to be gone.
const WIPED: Duration = Duration::from_millis(20);

/// When a line that had no place in the queue is tried again.
const AGAIN: Duration = Duration::from_millis(100);

/// A conversation by lines under way.
pub(super) struct Talk {
    manner: Manner,
    entered: bool,
    /// The room was asked to end, which it has not done yet.
    closing: bool,
    /// Something may have been said since last nothing waited.
    said: bool,
    /// Something that was said was not sent.
    unsaid: bool,
    /// A signal came.
    stopped: bool,
    /// The terminal or the reader of the output is gone.
    pub(super) hung_up: bool,
    stage: Stage,
    held: Option<Line>,
    deadline: Option<Instant>,
    /// How many messages waited when that was looked at last.
    waiting: usize,
    /// Since when nobody reads what is written.
    stalled: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Lines are read, once in the room.
    Open,
    /// The input is at its end, but not the conversation.
    Listening,
    /// Nothing more is read; what was typed is still being sent.
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
                // A reader who takes time takes it from nobody, but must not hold up who stops.
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

    /// Whether there is place to write; puts the deadline off by the time that there was none.
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
        self.manner.entering.hear(event);
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

    /// Leaves, but not before everything is done, if that comes about in time.
    fn send_first(&mut self) {
        self.stage = Stage::Sending;
        self.deadline = Some(Instant::now() + SENDING);
    }

    /// How much of what was said waits. Without something said, what waits is the room's own.
    fn waits<R: Room>(&mut self, room: &R) -> usize {
        let waiting = room.view().waiting;
        self.said &= waiting > 0;
        if self.said { waiting } else { 0 }
    }

    /// Leaves once everything is done.
    fn drain<R: Room>(&mut self, waiting: usize, room: &R) {
        if waiting == 0 && !self.closing {
            self.leave(room, false);
        } else if waiting < self.waiting {
            self.deadline = Some(Instant::now() + SENDING);
        }
        self.waiting = waiting;
    }

    /// Leaves, `late` if it was waited for what did not come.
    fn leave<R: Room>(&mut self, room: &R, late: bool) {
        self.stage = Stage::Leaving;
        let waits = self.waits(room) > 0;
        // A refusal means that there is nothing to leave: the deadline has passed then.
        let refused = room.command(Command::Leave).is_err();
        // In a room that is left at once, nothing is sent any more. Else it goes first.
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

    /// Leaving took too long, or could not even begin.
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

    /// Says what was asked for and not done.
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
            // Told to stop before it was in: what there was to say has not been said.
            Outcome::Well if self.unsaid || !self.entered => Outcome::Lost,
            outcome => outcome,
        }
    }

    /// Waits until everything written is read, or as long as there is time for that; says whether
    /// it was.
    pub(super) async fn told(&self, outcome: Outcome, ends: &mut Ends) -> bool {
        let now = Instant::now();
        let deadline = match (outcome, self.stopped) {
            (Outcome::Wiped, _) => Some(now + WIPED),
            _ if self.hung_up => Some(now + WIPED),
            // Given up, or told to stop a second time: only what takes no waiting.
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
