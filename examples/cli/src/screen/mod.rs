//! The screen: a conversation on a terminal.
//!
//! [`State`] holds what is shown and until when, [`draw`](draw::draw) draws it, and `key_handling`
//! handles the keys. The loop here redraws only after an event, a key or a visible change of a
//! countdown, and never blocks on the terminal. A frame is drawn once the terminal has accepted the
//! one before. A pending frame is discarded when something in it has expired.

mod backend;
mod draw;
mod head;
mod input;
mod key_handling;
mod keys;
mod look;
mod pages;
mod rows;
#[cfg(unix)]
mod sequences;
mod source;
mod state;
mod wrap;

use std::{io, time::Duration};

use anocm_core::{Command, GuestRetention, RoomEvent, room::Ended};
use ratatui::Terminal;
use tokio::time::Instant;

use self::{backend::TtyBackend, look::Look, source::Source, state::State};
use crate::{
    act::{Actor, Page},
    args::Common,
    joining::Joining,
    room::Room,
    signals::{Stop, Stops},
    stdio::complain,
    talk::{self, HANGING_UP, LEAVING, Manner, Outcome, until, wish},
    text::EventText,
    tty::Output,
    wipe::{self, Clearing},
};

/// Minimum interval between typing notifications to the other members.
const TYPING: Duration = Duration::from_secs(3);

/// A conversation on a terminal.
#[derive(Debug)]
pub(crate) struct Screen {
    state: State,
    actor: Actor,
    /// Whether to begin with the link.
    owner: bool,
    notices: Vec<String>,
    closing: bool,
    entered: bool,
    entering: Joining,
    /// Whether the last line shown says that something was not sent.
    unsaid: bool,
    typing_told: Option<Instant>,
    /// The deadline for leaving, once it has begun.
    leaving: Option<Instant>,
    redraw_all: bool,
    /// Whether anything may have changed since the last frame.
    changed: bool,
    /// Whether a frame that is drawn but not accepted by the terminal shows something that was
    /// forgotten.
    stale: bool,
    /// The terminal is gone.
    hung_up: bool,
}

/// How the loop continues.
enum Next {
    On,
    /// A frame was written, which changes nothing.
    Written,
    End(End),
}

#[derive(Clone, Copy)]
enum End {
    Ended(Ended),
    /// Leaving timed out, or there was no room to leave.
    GivenUp,
    /// The room was not entered in time.
    TooLate,
    Wipe,
}

impl Screen {
    pub(crate) fn new(common: &Common, owner: bool, notices: impl Iterator<Item = String>) -> Self {
        Self {
            state: State::new(Look::of_terminal(common.ascii), !common.no_qr),
            actor: Actor::default(),
            owner,
            notices: notices.collect(),
            closing: false,
            entered: false,
            entering: Joining::default(),
            unsaid: false,
            typing_told: None,
            leaving: None,
            redraw_all: false,
            changed: true,
            stale: false,
            hung_up: false,
        }
    }

    /// Runs until the room ends or the guest leaves.
    pub(crate) async fn run<R: Room>(
        mut self,
        room: &mut R,
        stops: Stops,
        manner: Manner,
    ) -> io::Result<Outcome> {
        self.entering = manner.entering;
        let keys = Source::start()?;
        let mut output = Output::open()?;
        let _taken = wipe::take(&mut output)?;
        let mut terminal = Terminal::new(TtyBackend::new(output))?;
        let end = self.talk(room, &mut terminal, (keys, stops), manner.wishes).await;
        let clearing = match end {
            Ok(End::Wipe | End::Ended(Ended::Wiped)) => Clearing::Everything,
            _ => Clearing::Drawn,
        };
        // Clear the screen first: it is visible to others.
        self.state.wipe();
        let output = &mut terminal.backend_mut().output;
        let restored = wipe::restore(output, clearing);
        if let Ok(End::Wipe) = end {
            room.wipe();
        }
        if !self.hung_up {
            wipe::write_out(output, clearing).await;
        }
        drop(terminal);
        let end = match end {
            Ok(end) => end,
            Err(error) => {
                talk::leave(room, HANGING_UP).await;
                return Err(error);
            }
        };
        if self.hung_up {
            room.wipe();
            return Ok(Outcome::Lost);
        }
        let outcome = match end {
            End::Ended(Ended::Left) if !self.entered => Outcome::Lost,
            End::Ended(ended) => self.outcome(ended),
            End::GivenUp if self.entered => {
                self.unsaid |= room.view().waiting > 0;
                self.outcome(Ended::Left)
            }
            End::GivenUp => Outcome::Lost,
            End::TooLate => {
                complain(format_args!("error: {}\n", self.entering.too_late()));
                Outcome::Lost
            }
            End::Wipe => Outcome::Wiped,
        };
        restored.map(|()| outcome)
    }

    async fn talk<R: Room>(
        &mut self,
        room: &mut R,
        terminal: &mut Terminal<TtyBackend>,
        (mut keys, mut stops): (Source, Stops),
        wishes: GuestRetention,
    ) -> io::Result<End> {
        let too_late = self.entering.deadline();
        for notice in std::mem::take(&mut self.notices) {
            self.state.push_event(EventText::new("note", notice), &room.view(), room.now());
        }
        loop {
            self.show(room, terminal)?;
            let now = room.now();
            let change = self.state.next_change(now).map(|at| at.saturating_duration_since(now));
            let output = &mut terminal.backend_mut().output;
            let (pending, stalls_at) = (output.is_pending(), output.stalls_at());
            let next = tokio::select! {
                event = room.event() => match event {
                    Some(event) => self.event(&event, room, wishes),
                    None => Next::End(End::GivenUp),
                },
                key = keys.next(), if !self.hung_up => match key {
                    Some(key) => self.key(key, room),
                    None => self.hang_up(room),
                },
                written = output.write_out(), if pending && !self.hung_up => match written {
                    Ok(()) => Next::Written,
                    Err(_) => self.hang_up(room),
                },
                () = until(Some(stalls_at)), if pending && self.stale => {
                    // The terminal may have accepted something meanwhile.
                    if output.stalls_at() <= Instant::now() {
                        output.abandon();
                        self.redraw_all = true;
                    }
                    Next::On
                }
                Some(stop) = stops.recv() => match stop {
                    Stop::Requested => self.leave(room),
                    Stop::HungUp => self.hang_up(room),
                },
                () = after(change) => Next::On,
                () = until(too_late), if !self.entered => Next::End(End::TooLate),
                () = until(self.leaving) => Next::End(End::GivenUp),
            };
            match next {
                Next::On => self.changed = true,
                Next::Written => {}
                Next::End(end) => return Ok(end),
            }
        }
    }

    /// Draws, if the terminal has accepted the previous frame.
    fn show<R: Room>(&mut self, room: &R, terminal: &mut Terminal<TtyBackend>) -> io::Result<()> {
        let now = room.now();
        self.state.expire(now);
        if self.state.take_forgot() {
            self.stale = true;
            self.changed = true;
        }
        if self.hung_up {
            terminal.backend_mut().output.abandon();
            return Ok(());
        }
        if terminal.backend().output.is_pending() || !std::mem::take(&mut self.changed) {
            return Ok(());
        }
        if std::mem::take(&mut self.redraw_all) {
            terminal.clear()?;
        }
        let view = room.view();
        // Ratatui draws into two buffers in turn: drawing twice removes forgotten text from both.
        let times = if std::mem::take(&mut self.stale) { 2 } else { 1 };
        for _ in 0..times {
            terminal.draw(|frame| draw::draw(frame, &mut self.state, &view, now))?;
        }
        Ok(())
    }

    /// Returns the outcome; reports an unwanted end on the cleared terminal, without names.
    fn outcome(&self, ended: Ended) -> Outcome {
        let outcome = Outcome::of(ended, self.closing);
        if outcome == Outcome::Lost {
            complain(format_args!("ended: {}\n", crate::text::ended(&ended, None)));
        }
        if outcome == Outcome::Well && self.unsaid {
            complain(format_args!("warning: not all that was said is known to have been sent\n"));
            return Outcome::Lost;
        }
        outcome
    }

    fn event<R: Room>(&mut self, event: &RoomEvent, room: &R, wishes: GuestRetention) -> Next {
        self.state.apply(event, &room.view(), room.now());
        self.entering.on_event(event);
        if !matches!(event, RoomEvent::Ended(_)) {
            self.unsaid = matches!(event, RoomEvent::NotSent { .. });
        }
        match event {
            RoomEvent::Entered => {
                self.entered = true;
                wish(room, wishes);
                self.state.page = self.owner.then_some(Page::Link);
                Next::On
            }
            RoomEvent::Ended(ended) => Next::End(End::Ended(*ended)),
            _ => Next::On,
        }
    }

    fn leave<R: Room>(&mut self, room: &R) -> Next {
        if self.leaving.is_some() || room.command(Command::Leave).is_err() {
            return Next::End(End::GivenUp);
        }
        self.leaving = Some(Instant::now() + LEAVING);
        self.state.push_event(
            EventText::new("leaving", "Ctrl-C again not to wait"),
            &room.view(),
            room.now(),
        );
        Next::On
    }

    /// Leaves within [`HANGING_UP`]. A signal, the reader, the writer and the poll may each report
    /// the same hang-up; the first report counts.
    fn hang_up<R: Room>(&mut self, room: &R) -> Next {
        if std::mem::replace(&mut self.hung_up, true) {
            return Next::On;
        }
        if self.leaving.is_none() && room.command(Command::Leave).is_err() {
            return Next::End(End::GivenUp);
        }
        let deadline = Instant::now() + HANGING_UP;
        self.leaving = Some(self.leaving.map_or(deadline, |leaving| leaving.min(deadline)));
        Next::On
    }
}

async fn after(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests;
