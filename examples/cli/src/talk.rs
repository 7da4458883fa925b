//! Talking by lines: what the plain and the JSON mode have in common.

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
    entering::Entering,
    lines::{Line, Lines},
    printer::Outlet,
    room::Room,
    signals::Stops,
    stdio::complain,
    warnings::Warnings,
};

/// How long leaving in good order may take: a little more than a room allows itself.
pub(crate) const LEAVING: Duration = Duration::from_secs(6);

/// The same after a hang-up: the terminal or the reader of the output is gone. With all that comes
/// after it, the process ends within a second.
pub(crate) const HANGING_UP: Duration = Duration::from_millis(700);

/// How a mode reads and writes.
pub(crate) trait Front: Warnings {
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
    /// The room could not be entered, or was lost, or not everything asked for was done.
    Lost,
    /// The guest wanted everything gone at once.
    Wiped,
}

impl Outcome {
    /// What the end of a room means for a guest who did, or did not, ask to close it.
    pub(crate) const fn of(ended: Ended, closing: bool) -> Self {
        match ended {
            Ended::Left if !closing => Self::Well,
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
    /// How long to try to get in.
    pub(crate) entering: Entering,
}

/// What a conversation by lines is connected to beside the room.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) lines: Lines,
    pub(crate) stops: Stops,
    /// What becomes of what the front writes.
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
        // What there is to tell cannot be written.
        Err(error) => {
            let is_full = error.kind() == io::ErrorKind::StorageFull;
            leave(room, if is_full { LEAVING } else { HANGING_UP }).await;
            Outcome::Lost
        }
    };
    if talk.hung_up {
        room.wipe();
    }
    let told = talk.told(outcome, &mut ends).await;
    ends.outlet.wipe();
    // A closed pipe is no fault of the program: its reader closed it.
    if let Some(error) = ends.outlet.failure().filter(|kind| *kind != io::ErrorKind::BrokenPipe) {
        complain(format_args!("error: standard output cannot be written: {error}\n"));
    }
    if told || outcome == Outcome::Wiped { outcome } else { Outcome::Lost }
}

/// Leaves within this time, whatever happens.
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

/// Waits for a point in time, if there is one.
pub(crate) async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
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
mod tests;
