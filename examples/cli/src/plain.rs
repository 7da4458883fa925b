//! The plain mode: one line for each event. The format is described in `args.rs`, as part of
//! `--help`; the words before the first colon are stable.

use std::{
    collections::HashMap,
    io::{self, Write},
};

use anocm_core::{
    MessageId, RoomEvent,
    room::{Message, RoomView, SafetyCode},
};
use zeroize::Zeroizing;

use crate::{
    act::{ActError, Actor, Done, Page},
    commands::{self, HELP, Typed},
    lines::Line,
    members::{label, one_line, role},
    room::Room,
    talk::{Flow, Front, comes_later},
    text::{self, EventText},
};

/// Writes lines and reads them.
#[derive(Debug)]
pub(crate) struct Plain<W> {
    to: W,
    /// Whether the link is shown with a QR code.
    qr: bool,
    ascii: bool,
    actor: Actor,
    /// The senders of the kept messages, to name them when the messages expire.
    kept: HashMap<MessageId, String>,
    /// The safety code that was written last.
    safety: Option<SafetyCode>,
    /// The last view that had members: once the room has ended, its view has none.
    before: Option<RoomView>,
}

impl<W: Write> Plain<W> {
    pub(crate) fn new(to: W, qr: bool, ascii: bool) -> Self {
        Self {
            to,
            qr,
            ascii,
            actor: Actor::default(),
            kept: HashMap::new(),
            safety: None,
            before: None,
        }
    }

    /// Writes `word: text`.
    pub(crate) fn say(&mut self, word: &str, text: &str) -> io::Result<()> {
        writeln!(self.to, "{word}: {text}")?;
        self.to.flush()
    }

    fn event_text(&mut self, told: Option<&EventText>) -> io::Result<()> {
        told.map_or(Ok(()), |told| self.say(told.word, &told.text))
    }

    fn message(&mut self, message: &Message) -> io::Result<()> {
        let from = label(&message.from);
        let text = Zeroizing::new(one_line(message.text.as_str()));
        let whispered = text::whispered(message);
        writeln!(self.to, "{whispered}<{from}> {}  [{}]", *text, message.retention)?;
        if message.expires.is_some() {
            self.kept.insert(message.id, from);
        }
        self.to.flush()
    }

    fn show(&mut self, page: Page, view: &RoomView) -> io::Result<()> {
        match page {
            Page::Help => HELP
                .iter()
                .try_for_each(|(usage, what)| self.say("note", &format!("{usage}  {what}"))),
            Page::Link | Page::Code => match view.invite {
                Some(_) => self.link(view),
                None => self.say("error", "there is no link yet"),
            },
            Page::Safety => {
                self.safety(view)?;
                self.say("note", &text::confirmation(view))
            }
            Page::Members => self.members(view),
        }
    }

    fn link(&mut self, view: &RoomView) -> io::Result<()> {
        let Some(invite) = &view.invite else {
            return Ok(());
        };
        self.say("room", &invite.to_link())?;
        if let Some(code) = invite.qr().ok().filter(|_| self.qr && !self.ascii) {
            writeln!(self.to, "{}", code.trim_end_matches('\n'))?;
            self.to.flush()?;
        }
        Ok(())
    }

    fn safety(&mut self, view: &RoomView) -> io::Result<()> {
        match &view.safety {
            Some(code) => self.say("safety", &text::safety(code, self.ascii)),
            None => Ok(()),
        }
    }

    /// Writes the safety code unless it is the one that was written last.
    fn new_safety(&mut self, view: &RoomView) -> io::Result<()> {
        if self.safety == view.safety {
            return Ok(());
        }
        self.safety.clone_from(&view.safety);
        self.safety(view)
    }

    fn members(&mut self, view: &RoomView) -> io::Result<()> {
        for member in &view.members {
            let here = if view.here.contains(&member.id) { "here" } else { "away" };
            let alike = if member.look_alike { ", can be mistaken for another" } else { "" };
            let (name, role) = (label(member), role(member.role));
            self.say("member", &format!("{name}, {role}, {here}{alike}"))?;
        }
        Ok(())
    }
}

impl<W: Write> Front for Plain<W> {
    fn event<R: Room>(&mut self, event: &RoomEvent, room: &R) -> io::Result<()> {
        let view = room.view();
        match event {
            RoomEvent::Message(message) => return self.message(message),
            RoomEvent::Expired { id } => {
                if let Some(from) = self.kept.remove(id) {
                    self.say("expired", &format!("a message of {from}"))?;
                }
                return Ok(());
            }
            RoomEvent::EpochBegan { .. } => return self.new_safety(&view),
            _ => {}
        }
        // The room may have ended while its last events are still being delivered.
        let names = match &self.before {
            Some(before) if view.members.is_empty() => before,
            _ => &view,
        };
        let told = text::event(event, names);
        self.event_text(told.as_ref())?;
        if !view.members.is_empty() {
            self.before = Some(view.clone());
        }
        match event {
            RoomEvent::Entered => {
                self.link(&view)?;
                self.new_safety(&view)
            }
            RoomEvent::InviteReplaced { .. } => self.link(&view),
            _ => Ok(()),
        }
    }

    fn line<R: Room>(&mut self, line: Line, room: &R) -> io::Result<Flow> {
        let Line::Text(text) = line else {
            self.say("error", "a line was too long, or not UTF-8")?;
            return Ok(Flow::On);
        };
        let typed = commands::parse(&text);
        let closing = typed == Ok(Typed::Burn);
        let done = match typed {
            Ok(typed) => self.actor.act(room, typed),
            Err(error) => Err(error.into()),
        };
        match done {
            Ok(Done::Quietly) if closing => return Ok(Flow::Closing),
            Ok(Done::Quietly | Done::Queued(_)) => {}
            Ok(Done::Note(note)) => self.say("note", &note)?,
            Ok(Done::Show(page)) => self.show(page, &room.view())?,
            Ok(Done::Leaving) => return Ok(Flow::Leave),
            Ok(Done::Wiping) => return Ok(Flow::Wipe),
            Err(ActError::Room(error)) if comes_later(error) => {
                return Ok(Flow::Again(Line::Text(text)));
            }
            Err(error) => self.say("error", &error.to_string())?,
        }
        Ok(Flow::On)
    }
}

#[cfg(test)]
mod tests;
