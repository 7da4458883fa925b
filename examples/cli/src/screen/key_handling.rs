//! The effect of each key on the screen.

use anocm_core::Command;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{End, Next, Screen, TYPING, input::Delete, keys::Key};
use crate::{
    act::Done,
    commands::{self, Typed},
    room::Room,
    text::EventText,
};

impl Screen {
    /// Keys have the same effect with and without a page, except those that close or scroll the
    /// page.
    pub(super) fn key<R: Room>(&mut self, key: Key, room: &R) -> Next {
        if self.state.page.is_some() && self.page_key(&key) {
            return Next::On;
        }
        let state = &mut self.state;
        match key {
            Key::Wipe => return Next::End(End::Wipe),
            Key::Leave => return self.leave(room),
            Key::LeaveIfEmpty if state.input.is_empty() => return self.leave(room),
            Key::Send => return self.send(room),
            Key::Insert(text) => {
                let fits = state.input.insert(&text);
                if !fits {
                    let told = EventText::bad("error", "the line is full: its end was left out");
                    state.push_event(told, &room.view(), room.now());
                }
                self.tell_typing(room);
            }
            Key::Move(to) => state.input.go(to),
            Key::Delete(what) => self.delete(what),
            Key::LeaveIfEmpty => self.delete(Delete::After),
            Key::Up | Key::PageUp => state.scroll += rows_of(&key, state.height),
            Key::Down | Key::PageDown => {
                state.scroll = state.scroll.saturating_sub(rows_of(&key, state.height));
            }
            Key::Redraw => self.redraw_all = true,
            Key::Back | Key::Nothing => {}
        }
        Next::On
    }

    fn delete(&mut self, what: Delete) {
        self.state.input.delete(what);
        self.stale = true;
    }

    /// Handles the keys of a page; returns whether it was one.
    fn page_key(&mut self, key: &Key) -> bool {
        let state = &mut self.state;
        match key {
            Key::Back => state.turn_page(),
            Key::Send if state.input.is_empty() => state.turn_page(),
            Key::PageUp | Key::Up => {
                state.page_top = state.page_top.saturating_sub(rows_of(key, state.height));
            }
            Key::PageDown | Key::Down => {
                state.page_top = state.page_last.min(state.page_top + rows_of(key, state.height));
            }
            _ => return false,
        }
        true
    }

    /// Executes the line and shows the result in the conversation.
    fn send<R: Room>(&mut self, room: &R) -> Next {
        let line = self.state.input.take();
        self.stale = true;
        self.state.close_page();
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
            Ok(Done::Note(note)) => EventText::new("note", note),
            Err(error) => {
                self.give_back(&line);
                EventText::bad("error", error.to_string())
            }
        };
        if caps {
            self.state.follow(&room.history(), &room.view(), room.now());
        }
        self.state.push_event(told, &room.view(), room.now());
        Next::On
    }

    /// Restores a line that could not be executed, for correction.
    fn give_back(&mut self, line: &Zeroizing<String>) {
        // It was there before, so it fits.
        self.state.input.insert(line);
    }

    fn tell_typing<R: Room>(&mut self, room: &R) {
        let lately = self.typing_told.is_some_and(|at| at.elapsed() < TYPING);
        if self.state.input.is_message() && !lately {
            self.typing_told = Some(Instant::now());
            // The notification may be dropped, and before entering it has no recipient.
            let _ = room.command(Command::Typing);
        }
    }
}

/// Returns how many rows a key scrolls when `height` rows are shown.
fn rows_of(key: &Key, height: usize) -> usize {
    match key {
        Key::PageUp | Key::PageDown => height.saturating_sub(1).max(1),
        _ => 1,
    }
}
