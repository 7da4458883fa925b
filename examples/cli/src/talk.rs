//! Conversations by lines: the common part of the plain and the JSON mode.

mod session_loop;

use std::{io, time::Duration};

use anocm_core::{
    Command, GuestRetention, RoomEvent,
    room::{CommandError, Ended},
    wire::CloseReason,
};
use tokio::time::Instant;

use self::session_loop::Talk;
use crate::{
    joining::Joining,
    lines::{Line, Lines},
    printer::Outlet,
    room::Room,
    signals::Stops,
    stdio::complain,
    warnings::Warnings,
};

/// How long leaving in good order may take: a little more than a room's own limit.
pub(crate) const LEAVING: Duration = Duration::from_secs(6);

/// The same after a hang-up: the terminal or the reader of the output is gone. Including the steps
/// after it, the process ends within a second.
pub(crate) const HANGING_UP: Duration = Duration::from_millis(700);

/// A mode's output format and input syntax.
pub(crate) trait Front: Warnings {
    /// Shows an event. `room` is in the state after it.
    fn event<R: Room>(&mut self, event: &RoomEvent, room: &R) -> io::Result<()>;

    /// Executes a line.
    fn line<R: Room>(&mut self, line: Line, room: &R) -> io::Result<Flow>;
}

/// How to continue after a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Continue with the next line.
    On,
    /// Retry this line: the send queue is full.
    Again(Line),
    /// The guest asked to close the room: its end is then a success.
    Closing,
    /// Leave the room.
    Leave,
    /// Forget everything at once.
    Wipe,
}

/// The outcome of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The conversation ended as the guest wanted.
    Well,
    /// The room could not be entered, or was lost, or not everything asked for was done.
    Lost,
    /// The guest wiped everything at once.
    Wiped,
}

impl Outcome {
    /// Returns the outcome of a room's end. `closing` says whether the guest asked to close the
    /// room.
    pub(crate) const fn of(ended: Ended, closing: bool) -> Self {
        match ended {
            Ended::Left if !closing => Self::Well,
            Ended::Wiped => Self::Wiped,
            Ended::Closed(CloseReason::Owner) if closing => Self::Well,
            _ => Self::Lost,
        }
    }
}

/// The settings of a conversation.
#[derive(Debug, Default)]
pub(crate) struct Manner {
    /// Whether to stay after the end of standard input.
    pub(crate) stay: bool,
    /// The retention to set once in the room.
    pub(crate) wishes: GuestRetention,
    /// How long to try to enter.
    pub(crate) entering: Joining,
}

/// The input, stop requests and output of a conversation by lines.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) lines: Lines,
    pub(crate) stops: Stops,
    /// The state of the front's output.
    pub(crate) outlet: Outlet,
}

/// Talks until the room ends, the input ends, or a signal comes.
pub(crate) async fn talk<R: Room, F: Front>(
    room: &mut R,
    front: &mut F,
    mut ends: Ends,
    manner: Manner,
) -> Outcome {
    let mut talk = Talk::new(manner);
    let outcome = match talk.run(room, front, &mut ends).await {
        Ok(ended) => talk.outcome(ended),
        // The output of the front cannot be written.
        Err(error) => {
            let is_full = error.kind() == io::ErrorKind::StorageFull;
            leave(room, if is_full { LEAVING } else { HANGING_UP }).await;
            Outcome::Lost
        }
    };
    if talk.hung_up {
        room.wipe();
    }
    let told = talk.flushed(outcome, &mut ends).await;
    ends.outlet.wipe();
    // A closed pipe is no fault of the program: its reader closed it.
    if let Some(error) = ends.outlet.failure().filter(|kind| *kind != io::ErrorKind::BrokenPipe) {
        complain(format_args!("error: standard output cannot be written: {error}\n"));
    }
    if told || outcome == Outcome::Wiped { outcome } else { Outcome::Lost }
}

/// Leaves within this time in any case.
pub(crate) async fn leave<R: Room>(room: &mut R, within: Duration) -> Option<Ended> {
    room.command(Command::Leave).ok()?;
    tokio::time::timeout(within, async {
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

/// Waits for the deadline, or for ever without one.
pub(crate) async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Sets the retention from the command line.
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
mod tests;
