//! The JSON mode: one line of JSON for each event, command and reply. This command's README
//! describes every shape. The structs here are separate from the library's, so that a change in the
//! library does not change what programs read.

mod codes;
mod command;
mod event;
mod values;

use std::io::{self, Write};

use anocm_core::{Command, GuestRetention, RoomEvent};
use zeroize::Zeroizing;

use self::{
    command::{Do, Request},
    event::Event,
    values::{Person, Said, View, hex},
};
use crate::{
    lines::Line,
    room::Room,
    talk::{Flow, Front},
};

/// Writes events and reads commands.
#[derive(Debug)]
pub(crate) struct Json<W> {
    to: W,
}

impl<W: Write> Json<W> {
    pub(crate) const fn new(to: W) -> Self {
        Self { to }
    }

    /// Reports that a relay runs in this program.
    pub(crate) fn relay_started(&mut self, reach: &str) -> io::Result<()> {
        self.write(&Event::RelayStarted { reach })
    }

    /// Reports a warning about this machine.
    pub(crate) fn warning(&mut self, text: &str) -> io::Result<()> {
        self.write(&Event::Warning { text })
    }

    fn write(&mut self, event: &Event<'_>) -> io::Result<()> {
        let line = Zeroizing::new(serde_json::to_string(event)?);
        self.to.write_all(ascii(&line).as_bytes())?;
        self.to.write_all(b"\n")?;
        self.to.flush()
    }

    fn answer(&mut self, reference: Option<&str>, answer: Answer) -> io::Result<()> {
        match answer {
            Answer::Done(id) => self.write(&Event::Done { reference, id: id.as_deref() }),
            Answer::Failed(code, why) => self.write(&Event::Error { reference, code, why: &why }),
        }
    }
}

enum Answer {
    Done(Option<String>),
    /// A code, and the reason in words.
    Failed(&'static str, String),
}

impl<W: Write> Front for Json<W> {
    fn event<R: Room>(&mut self, event: &RoomEvent, room: &R) -> io::Result<()> {
        let view = room.view();
        self.write(&Event::of(event, &view, room.now()))
    }

    fn line<R: Room>(&mut self, line: Line, room: &R) -> io::Result<Flow> {
        let Line::Text(text) = line else {
            let why = "a line was too long, or not UTF-8".to_owned();
            self.answer(None, Answer::Failed(codes::BAD_REQUEST, why))?;
            return Ok(Flow::On);
        };
        if text.trim().is_empty() {
            return Ok(Flow::On);
        }
        match Request::read(&text) {
            Ok(request) => self.serve(request, room),
            Err((reference, why)) => {
                self.answer(reference.as_deref(), Answer::Failed(codes::BAD_REQUEST, why))?;
                Ok(Flow::On)
            }
        }
    }
}

impl<W: Write> Json<W> {
    fn serve<R: Room>(&mut self, request: Request, room: &R) -> io::Result<Flow> {
        let reference = request.reference.as_deref();
        let guest = room.view().guest_retention;
        let mut flow = Flow::On;
        let command = match request.what {
            Do::Leave {} => return Ok(Flow::Leave),
            Do::Wipe {} => return Ok(Flow::Wipe),
            Do::View {} => {
                let view = View::of(&room.view());
                self.write(&Event::View { reference, view })?;
                return Ok(Flow::On);
            }
            Do::Members {} => {
                let view = room.view();
                let members = view.members.iter().map(Person::of).collect();
                self.write(&Event::Members { reference, members })?;
                return Ok(Flow::On);
            }
            Do::History {} => {
                let history = room.history();
                let messages = history.iter().map(|said| Said::of(said, room.now())).collect();
                self.write(&Event::History { reference, messages })?;
                return Ok(Flow::On);
            }
            Do::SetKeep { retention_ms } => {
                Ok(Command::SetGuestRetention(GuestRetention { default: retention_ms, ..guest }))
            }
            Do::SetCap { retention_ms } => {
                Ok(Command::SetGuestRetention(GuestRetention { cap: retention_ms, ..guest }))
            }
            Do::Close {} => {
                flow = Flow::Closing;
                Ok(Command::Close)
            }
            other => other.command(),
        };
        let answer = match command {
            Ok(command) => match room.command(command) {
                Ok(id) => Answer::Done(id.map(|id| hex(id.as_bytes()))),
                Err(why) => Answer::Failed(codes::of_command(why), why.to_string()),
            },
            Err(why) => Answer::Failed(codes::BAD_REQUEST, why),
        };
        if matches!(answer, Answer::Failed(..)) {
            flow = Flow::On;
        }
        self.answer(reference, answer)?;
        Ok(flow)
    }
}

/// Escapes everything beyond printable ASCII: the line may be shown on a terminal, where the text
/// of other members could otherwise contain control sequences. Outside strings JSON is ASCII
/// anyway.
fn ascii(json: &str) -> Zeroizing<String> {
    use std::fmt::Write as _;

    let mut safe = Zeroizing::new(String::with_capacity(json.len() + json.len() / 4));
    for c in json.chars() {
        if matches!(c, ' '..='~') {
            safe.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        }
    }
    safe
}

#[cfg(test)]
mod tests;
