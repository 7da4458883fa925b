//! Talking by lines: what the plain and the JSON mode have in common.

use std::{io, time::Duration};

use anocm_core::{
    Command, GuestRetention, RoomEvent,
    room::{CommandError, Ended},
    wire::CloseReason,
};
use tokio::{sync::mpsc, time::Instant};

use crate::{
    lines::{Line, Lines},
    room::Room,
};

/// How long leaving in good order may take: a little more than a room allows itself.
pub(crate) const LEAVING: Duration = Duration::from_secs(6);

/// How long the messages that wait at the end of input may make no progress before leaving.
const SENDING: Duration = Duration::from_secs(10);

/// When a line that had no place in the queue is tried again.
const AGAIN: Duration = Duration::from_millis(100);

/// How a mode reads and writes.
pub(crate) trait Front {
    /// Shows an event, of which `room` is the state.
    fn event<R: Room>(&mut self, event: &RoomEvent, room: &R) -> io::Result<()>;

    /// Does what a line asks for.
    fn line<R: Room>(&mut self, line: Line, room: &R) -> io::Result<Flow>;
}

/// How to go on after a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// With the next one.
    On,
    /// With this one again: too much waits to be sent.
    Again(Line),
    /// The room was asked to end: its end is then a success.
    Closing,
    /// By leaving.
    Leave,
    /// By forgetting everything at once.
    Wipe,
}

/// How a conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As the guest wanted.
    Well,
    /// The room could not be entered, or was lost.
    Lost,
    /// The guest wanted everything gone at once.
    Wiped,
}

impl Outcome {
    /// What the end of a room means for a guest who did, or did not, ask to close it.
    pub(crate) const fn of(ended: Ended, closing: bool) -> Self {
        match ended {
            Ended::Left => Self::Well,
            Ended::Wiped => Self::Wiped,
            Ended::Closed(CloseReason::Owner) if closing => Self::Well,
            _ => Self::Lost,
        }
    }
}

/// How a conversation is to go.
#[derive(Debug, Default)]
pub(crate) struct Manner {
    /// Whether to stay after the end of standard input.
    pub(crate) stay: bool,
    /// What to set once in the room.
    pub(crate) wishes: GuestRetention,
}

/// Asks to stop, once for each signal. See [`signals`](crate::signals).
pub(crate) type Stops = mpsc::Receiver<()>;

/// Talks until the room ends, the input ends, or a signal comes.
pub(crate) async fn talk<R: Room, F: Front>(
    room: &mut R,
    front: &mut F,
    lines: Lines,
    stops: Stops,
    manner: &Manner,
) -> Outcome {
    let mut talk = Talk {
        entered: false,
        closing: false,
        input: Input::Open,
        held: None,
        deadline: None,
        waiting: 0,
    };
    match talk.run(room, front, lines, stops, manner).await {
        // Told to stop before it was in: what there was to say has not been said.
        Ok(Some(Ended::Left)) if !talk.entered => Outcome::Lost,
        Ok(Some(ended)) => Outcome::of(ended, talk.closing),
        // Leaving took too long, or could not even begin.
        Ok(None) if talk.entered => Outcome::Well,
        Ok(None) => Outcome::Lost,
        // Nobody reads what is written any more.
        Err(_) => {
            leave(room).await;
            Outcome::Lost
        }
    }
}

struct Talk {
    entered: bool,
    closing: bool,
    input: Input,
    held: Option<Line>,
    deadline: Option<Instant>,
    /// How many messages waited when that was looked at last.
    waiting: usize,
}

#[derive(PartialEq, Eq)]
enum Input {
    Open,
    /// At its end; what was typed is still being sent.
    Ended,
    /// Done with, since leaving has begun.
    Left,
}

impl Talk {
    async fn run<R: Room, F: Front>(
        &mut self,
        room: &mut R,
        front: &mut F,
        mut lines: Lines,
        mut stops: Stops,
        manner: &Manner,
    ) -> io::Result<Option<Ended>> {
        loop {
            let reads = self.entered && self.input == Input::Open;
            let retries = reads && self.held.is_some();
            tokio::select! {
                event = room.event() => {
                    let Some(event) = event else { return Ok(None) };
                    front.event(&event, room)?;
                    match event {
                        RoomEvent::Entered => {
                            self.entered = true;
                            wish(room, manner.wishes);
                        }
                        RoomEvent::Ended(ended) => return Ok(Some(ended)),
                        _ => {}
                    }
                }
                line = lines.next(), if reads && !retries => match line {
                    Some(line) => self.line(line, room, front)?,
                    None if manner.stay => self.input = Input::Left,
                    None => {
                        self.input = Input::Ended;
                        self.deadline = Some(Instant::now() + SENDING);
                    }
                },
                () = tokio::time::sleep(AGAIN), if retries => {
                    if let Some(line) = self.held.take() {
                        self.line(line, room, front)?;
                    }
                }
                Some(()) = stops.recv() => {
                    if self.input == Input::Left && self.deadline.is_some() {
                        return Ok(None);
                    }
                    self.leave(room);
                }
                () = until(self.deadline) => match self.input {
                    Input::Left => return Ok(None),
                    _ => self.leave(room),
                }
            }
            if self.input == Input::Ended {
                self.drain(room);
            }
        }
    }

    fn line<R: Room, F: Front>(&mut self, line: Line, room: &R, front: &mut F) -> io::Result<()> {
        match front.line(line, room)? {
            Flow::On => {}
            Flow::Again(line) => self.held = Some(line),
            Flow::Closing => self.closing = true,
            Flow::Leave => self.leave(room),
            Flow::Wipe => {
                self.input = Input::Left;
                self.deadline = Some(Instant::now() + LEAVING);
                room.wipe();
            }
        }
        Ok(())
    }

    /// Leaves once everything is sent.
    fn drain<R: Room>(&mut self, room: &R) {
        let waiting = room.view().waiting;
        if waiting == 0 {
            self.leave(room);
        } else if waiting < self.waiting {
            self.deadline = Some(Instant::now() + SENDING);
        }
        self.waiting = waiting;
    }

    fn leave<R: Room>(&mut self, room: &R) {
        self.input = Input::Left;
        // A refusal means that there is nothing to leave: the deadline has passed then.
        let refused = room.command(Command::Leave).is_err();
        let now = Instant::now();
        self.deadline = Some(if refused { now } else { now + LEAVING });
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Leaves, in bounded time and whatever happens.
pub(crate) async fn leave<R: Room>(room: &mut R) -> Option<Ended> {
    room.command(Command::Leave).ok()?;
    tokio::time::timeout(LEAVING, async {
        while let Some(event) = room.event().await {
            if let RoomEvent::Ended(ended) = event {
                return Some(ended);
            }
        }
        None
    })
    .await
    .ok()?
}

/// Sets what the guest wished for on the command line.
pub(crate) fn wish<R: Room>(room: &R, wishes: GuestRetention) {
    if wishes == GuestRetention::default() {
        return;
    }
    if let Err(error) = room.command(Command::SetGuestRetention(wishes)) {
        tracing::warn!(%error, "the wished retention was not set");
    }
}

/// Whether the same line may succeed a little later.
pub(crate) const fn comes_later(error: CommandError) -> bool {
    matches!(error, CommandError::QueueFull)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_end_of_ones_own_is_a_success() {
        let closed = Ended::Closed(CloseReason::Owner);
        assert_eq!(Outcome::of(Ended::Left, false), Outcome::Well);
        assert_eq!(Outcome::of(closed, true), Outcome::Well);
        assert_eq!(Outcome::of(closed, false), Outcome::Lost);
        assert_eq!(Outcome::of(Ended::Closed(CloseReason::Gone), true), Outcome::Lost);
        assert_eq!(Outcome::of(Ended::DishonestRelay, false), Outcome::Lost);
        assert_eq!(Outcome::of(Ended::Wiped, false), Outcome::Wiped);
    }
}
