//! The screen: a conversation on a terminal.
//!
//! [`State`] knows what is shown and until when, [`draw`](draw::draw) shows it, `keys` says what
//! a key does. The loop here redraws only when an event, a key or the next visible change of a
//! countdown asks for it.

mod draw;
mod head;
mod input;
mod keys;
mod look;
mod pages;
mod rows;
mod source;
mod state;
mod wrap;

use std::{io, time::Duration};

use anocm_core::{Command, GuestRetention, RoomEvent, room::Ended};
use ratatui::{Terminal, backend::CrosstermBackend};
use tokio::time::Instant;
use zeroize::Zeroizing;

use self::{keys::Key, look::Look, source::Source, state::State};
use crate::{
    act::{Actor, Done, Page},
    args::Common,
    commands::{self, Typed},
    entering::Entering,
    room::Room,
    streams::{self, complain},
    talk::{self, LEAVING, Manner, Outcome, Stops, until, wish},
    wipe::{self, Clearing},
    words::Told,
};

/// The others are told of typing this often at most.
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
    entering: Entering,
    /// Whether the last that was told is that something was not sent.
    unsaid: bool,
    typing_told: Option<Instant>,
    /// Until when leaving may take, once it has begun.
    leaving: Option<Instant>,
    redraw_all: bool,
}

/// How the loop goes on.
enum Next {
    On,
    End(End),
}

#[derive(Clone, Copy)]
enum End {
    Ended(Ended),
    /// Leaving took too long, or there was nothing to leave.
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
            entering: Entering::default(),
            unsaid: false,
            typing_told: None,
            leaving: None,
            redraw_all: false,
        }
    }

    /// Talks until the room ends or the guest goes.
    pub(crate) async fn run<R: Room>(
        mut self,
        room: &mut R,
        stops: Stops,
        manner: Manner,
    ) -> io::Result<Outcome> {
        self.entering = manner.entering;
        let mut output = streams::output()?;
        let _taken = wipe::take(&mut output)?;
        let mut terminal = Terminal::new(CrosstermBackend::new(output))?;
        let end = self.talk(room, &mut terminal, stops, manner.wishes).await;
        let clearing = match end {
            Ok(End::Wipe | End::Ended(Ended::Wiped)) => Clearing::Everything,
            _ => Clearing::Drawn,
        };
        // The screen first: it is what others can see.
        self.state.wipe();
        let restored = wipe::restore(terminal.backend_mut(), clearing);
        drop(terminal);
        let end = match end {
            Ok(end) => end,
            // The window was closed: nobody sees anything any more, but the others are told.
            Err(error) => {
                talk::leave(room).await;
                return Err(error);
            }
        };
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
            End::Wipe => {
                room.wipe();
                Outcome::Wiped
            }
        };
        restored.map(|()| outcome)
    }

    async fn talk<R: Room, B: ratatui::backend::Backend<Error = io::Error>>(
        &mut self,
        room: &mut R,
        terminal: &mut Terminal<B>,
        mut stops: Stops,
        wishes: GuestRetention,
    ) -> io::Result<End> {
        let mut keys = Source::start();
        let too_late = self.entering.deadline();
        for notice in std::mem::take(&mut self.notices) {
            self.state.tell(Told::new("note", notice), &room.view(), room.now());
        }
        loop {
            let (view, now) = (room.view(), room.now());
            self.state.expire(now);
            if std::mem::take(&mut self.redraw_all) {
                terminal.clear()?;
            }
            terminal.draw(|frame| draw::draw(frame, &mut self.state, &view, now))?;
            let change = self.state.next_change(now).map(|at| at.since(now));
            let next = tokio::select! {
                event = room.event() => match event {
                    Some(event) => self.event(&event, room, wishes),
                    None => Next::End(End::GivenUp),
                },
                key = keys.next() => match key {
                    Some(key) => self.key(keys::read(key?), room),
                    // The terminal is gone.
                    None => self.leave(room),
                },
                Some(()) = stops.recv() => self.leave(room),
                () = after(change) => Next::On,
                () = until(too_late), if !self.entered => Next::End(End::TooLate),
                () = until(self.leaving) => Next::End(End::GivenUp),
            };
            if let Next::End(end) = next {
                return Ok(end);
            }
        }
    }

    /// What the end comes to; on the cleared terminal says what the guest did not want. No names.
    fn outcome(&self, ended: Ended) -> Outcome {
        let outcome = Outcome::of(ended, self.closing);
        if outcome == Outcome::Lost {
            complain(format_args!("ended: {}\n", crate::words::ended(&ended, None)));
        }
        if outcome == Outcome::Well && self.unsaid {
            complain(format_args!("warning: not all that was said is known to have been sent\n"));
            return Outcome::Lost;
        }
        outcome
    }

    fn event<R: Room>(&mut self, event: &RoomEvent, room: &R, wishes: GuestRetention) -> Next {
        self.state.apply(event, &room.view(), room.now());
        self.entering.hear(event);
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

    fn key<R: Room>(&mut self, key: Key, room: &R) -> Next {
        let state = &mut self.state;
        // A page goes with any key, but these keys do what they always do.
        let kept = matches!(key, Key::Wipe | Key::Leave | Key::Redraw | Key::Nothing);
        if state.page.is_some() && !kept {
            match key {
                Key::PageUp | Key::Up if state.page_last > 0 => {
                    state.page_top = state.page_top.saturating_sub(rows_of(&key, state.height));
                }
                Key::PageDown | Key::Down if state.page_last > 0 => {
                    state.page_top += rows_of(&key, state.height);
                }
                _ => state.turn_page(),
            }
            return Next::On;
        }
        match key {
            Key::Wipe => return Next::End(End::Wipe),
            Key::Leave => return self.leave(room),
            Key::LeaveIfEmpty if state.input.is_empty() => return self.leave(room),
            Key::Send => return self.send(room),
            Key::Insert(text) => {
                state.input.insert(&text);
                self.tell_typing(room);
            }
            Key::Move(to) => state.input.go(to),
            Key::Delete(what) => state.input.delete(what),
            Key::LeaveIfEmpty => state.input.delete(input::Delete::After),
            Key::Up | Key::PageUp => state.scroll += rows_of(&key, state.height),
            Key::Down | Key::PageDown => {
                state.scroll = state.scroll.saturating_sub(rows_of(&key, state.height));
            }
            Key::Redraw => self.redraw_all = true,
            Key::Back | Key::Nothing => {}
        }
        Next::On
    }

    fn send<R: Room>(&mut self, room: &R) -> Next {
        let line = self.state.input.take();
        self.state.scroll = 0;
        self.typing_told = None;
        let typed = commands::parse(&line);
        let (burns, caps) = match &typed {
            Ok(typed) => (*typed == Typed::Burn, matches!(typed, Typed::Cap(_))),
            Err(_) => (false, false),
        };
        let done = match typed {
            Ok(typed) => self.actor.act(room, typed),
            Err(error) => Err(error.into()),
        };
        let told = match done {
            Ok(Done::Quietly) => {
                self.closing |= burns;
                return Next::On;
            }
            Ok(Done::Queued(_)) => return Next::On,
            Ok(Done::Leaving) => return self.leave(room),
            Ok(Done::Wiping) => return Next::End(End::Wipe),
            Ok(Done::Show(page)) => {
                self.state.page_top = 0;
                self.state.page = Some(page);
                return Next::On;
            }
            Ok(Done::Note(note)) => Told::new("note", note),
            Err(error) => {
                self.give_back(&line);
                Told::bad("error", error.to_string())
            }
        };
        if caps {
            self.state.follow(&room.history(), &room.view(), room.now());
        }
        self.state.tell(told, &room.view(), room.now());
        Next::On
    }

    /// What could not be done is there again to be mended.
    fn give_back(&mut self, line: &Zeroizing<String>) {
        self.state.input.insert(line);
    }

    fn tell_typing<R: Room>(&mut self, room: &R) {
        let lately = self.typing_told.is_some_and(|at| at.elapsed() < TYPING);
        if self.state.input.is_message() && !lately {
            self.typing_told = Some(Instant::now());
            // It may be dropped, and before entering there is nobody to tell.
            let _ = room.command(Command::Typing);
        }
    }

    fn leave<R: Room>(&mut self, room: &R) -> Next {
        if self.leaving.is_some() || room.command(Command::Leave).is_err() {
            return Next::End(End::GivenUp);
        }
        self.leaving = Some(Instant::now() + LEAVING);
        self.state.tell(Told::new("leaving", "Ctrl-C again not to wait"), &room.view(), room.now());
        Next::On
    }
}

/// How many rows a key goes up or down, of so many that are shown.
fn rows_of(key: &Key, height: usize) -> usize {
    match key {
        Key::PageUp | Key::PageDown => height.saturating_sub(1).max(1),
        _ => 1,
    }
}

async fn after(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
