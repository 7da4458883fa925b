//! `anocm` on a pseudo-terminal whose screen can be inspected.

use std::{
    io::{Read as _, Write as _},
    num::NonZeroU16,
    process::Child,
    sync::{Arc, Condvar, Mutex, MutexGuard},
};

#[cfg(target_os = "linux")]
use anocm_guard::testing::Trace;
use pty_process::{
    Size,
    blocking::{Command, Pty},
};
use vt100::{Callbacks, Parser, Screen};

use super::{PATIENCE, Server};

/// Closes a page.
pub(crate) const ESCAPE: &str = "\x1b";

/// Wipes everything and ends.
pub(crate) const PANIC_KEY: &str = "\x18";

/// The scrollback of the terminal in lines.
const SCROLLBACK: usize = 1_000;

/// A running `anocm` with a screen. Ended with the test that started it.
pub(crate) struct Terminal {
    child: Child,
    pty: Arc<Pty>,
    shown: Arc<Shown>,
    /// Relays that run for the room that it opened.
    relays: Option<Server>,
}

struct Shown {
    parser: Mutex<Parser<Orders>>,
    changed: Condvar,
}

/// Control sequences that a terminal received, other than drawing.
#[derive(Default)]
struct Orders {
    titles: Vec<String>,
    others: Vec<String>,
    closed: bool,
}

impl Callbacks for Orders {
    fn set_window_title(&mut self, _: &mut Screen, title: &[u8]) {
        self.titles.push(String::from_utf8_lossy(title).into_owned());
    }

    fn audible_bell(&mut self, _: &mut Screen) {
        self.others.push("bell".to_owned());
    }

    fn copy_to_clipboard(&mut self, _: &mut Screen, _: &[u8], _: &[u8]) {
        self.others.push("copy".to_owned());
    }
}

/// A snapshot of the screen.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) rows: Vec<String>,
    /// Whether the program has taken the screen over; otherwise its earlier content is visible.
    pub(crate) taken: bool,
    /// Whether the program has enabled bracketed paste.
    pub(crate) pastes: bool,
    /// The scrollback above the screen.
    pub(crate) scrollback: Vec<String>,
    pub(crate) titles: Vec<String>,
    /// Bells and the like, which are not expected.
    pub(crate) others: Vec<String>,
    closed: bool,
}

impl Look {
    /// Returns the link as a user would copy it: rows joined without anything in between.
    pub(crate) fn link(&self) -> String {
        let start = self.rows.iter().position(|row| row.starts_with("http")).unwrap();
        let rows = self.rows.iter().skip(start).map(|row| row.trim_end());
        rows.take_while(|row| !row.is_empty() && !row.contains([' ', '█'])).collect()
    }

    fn at(parser: &mut Parser<Orders>) -> Self {
        let (screen, orders) = parser.screen_and_callbacks_mut();
        let (height, width) = screen.size();
        let rows: Vec<_> = screen.rows(0, width.get()).collect();
        let mut scrollback = Vec::new();
        // A view of the scrollback shows as many rows as the screen has.
        let mut back = screen.scrollback_len();
        while back > 0 {
            screen.set_scrollback(back);
            scrollback.extend(screen.rows(0, width.get()));
            back = back.saturating_sub(height.get().into());
        }
        screen.set_scrollback(0);
        Self {
            rows,
            taken: screen.alternate_screen(),
            pastes: screen.bracketed_paste(),
            scrollback,
            titles: orders.titles.clone(),
            others: orders.others.clone(),
            closed: orders.closed,
        }
    }

    /// Whether this text is in one row.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.row(text).is_some()
    }

    /// Returns the first row with this text.
    pub(crate) fn row(&self, text: &str) -> Option<&str> {
        self.rows.iter().map(String::as_str).find(|row| row.contains(text))
    }

    /// Returns everything on the screen and in the scrollback.
    pub(crate) fn all(&self) -> String {
        [self.scrollback.join("\n"), self.rows.join("\n")].join("\n")
    }
}

impl Terminal {
    /// Starts it on a screen of `columns` by `rows`, on which a shell has already written.
    pub(crate) fn start(words: &[&str], columns: u16, rows: u16) -> Self {
        Self::run(Command::new(env!("CARGO_BIN_EXE_anocm")).args(words), columns, rows)
    }

    /// The same with its system calls traced.
    #[cfg(target_os = "linux")]
    pub(crate) fn start_watched(words: &[&str], columns: u16, rows: u16, trace: &Trace) -> Self {
        let (watcher, before) = trace.watcher();
        let command = Command::new(watcher).args(before);
        Self::run(command.arg(env!("CARGO_BIN_EXE_anocm")).args(words), columns, rows)
    }

    fn run(command: Command, columns: u16, rows: u16) -> Self {
        let (pty, pts) = pty_process::blocking::open().unwrap();
        pty.resize(Size::new(rows, columns)).unwrap();
        let child = command.env_clear().env("TERM", "xterm-256color").spawn(pts).unwrap();
        let (height, width) = (size(rows), size(columns));
        let mut parser = Parser::new_with_callbacks(height, width, SCROLLBACK, Orders::default());
        for n in 0..rows * 2 {
            parser.process(format!("$ earlier command {n}\r\n").as_bytes());
        }
        let shown = Arc::new(Shown { parser: Mutex::new(parser), changed: Condvar::new() });
        let pty = Arc::new(pty);
        std::thread::spawn({
            let (pty, shown) = (pty.clone(), shown.clone());
            move || draw(&pty, &shown)
        });
        Self { child, pty, shown, relays: None }
    }

    /// Alice opens a room; the link is read from its page on the screen. Without `--relay` the room
    /// is in her own process, or at two relays where tests use two.
    pub(crate) fn open(words: &[&str], columns: u16, rows: u16) -> (Self, String) {
        let relays = Server::instead_of_own(words);
        let at = relays.as_ref().map_or(vec![], |relays| vec!["--relay", &relays.url]);
        let words = [&["new", "--nick", "Alice"], words, &at].concat();
        let mut alice = Self::start(&words, columns, rows);
        alice.relays = relays;
        let link = alice.see("Whoever has this link can come in").link();
        alice.go_back();
        (alice, link)
    }

    /// Returns to the conversation, also from a separate page with the QR code.
    pub(crate) fn go_back(&mut self) {
        let look = self.wait("a page", |look| look.has("] > Esc "));
        self.keys(ESCAPE);
        if look.has("> Esc shows it as a QR code") {
            self.wait("the code", |look| look.has("█") && look.has("> Esc goes back"));
            self.keys(ESCAPE);
        }
        self.wait("the conversation", |look| !look.has("> Esc ") && look.has("> "));
    }

    /// Returns its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Presses keys.
    pub(crate) fn keys(&mut self, keys: &str) {
        self.pty().write_all(keys.as_bytes()).unwrap();
    }

    /// Types a line and sends it.
    pub(crate) fn say(&mut self, line: &str) {
        self.keys(&format!("{line}\r"));
    }

    /// Pastes, as terminals do.
    pub(crate) fn paste(&mut self, text: &str) {
        self.keys(&format!("\x1b[200~{text}\x1b[201~"));
    }

    /// Pastes the link at the prompt, as the README says.
    pub(crate) fn enter(&mut self, link: &str) {
        self.wait("readiness for a paste", |look| look.pastes);
        self.paste(link);
        self.keys("\r");
    }

    /// Resizes the window.
    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        let mut parser = self.parser();
        parser.set_size(size(rows), size(columns));
        drop(parser);
        self.pty().resize(Size::new(rows, columns)).unwrap();
    }

    /// Returns the current snapshot.
    pub(crate) fn look(&self) -> Look {
        Look::at(&mut self.parser())
    }

    /// Returns the first snapshot for which `holds` is true.
    pub(crate) fn wait(&self, what: &str, holds: impl Fn(&Look) -> bool) -> Look {
        let look = self.look_until(|look| holds(look) || look.closed);
        assert!(holds(&look), "waited for {what:?} in vain before:\n{}", look.rows.join("\n"));
        look
    }

    /// Returns the first snapshot with this text in one row.
    pub(crate) fn see(&self, text: &str) -> Look {
        self.wait(text, |look| look.has(text))
    }

    /// Waits for the end; returns the exit code and what remains visible.
    pub(crate) fn end(&mut self) -> (Option<i32>, Look) {
        let code = self.child.wait().unwrap().code();
        (code, self.look_until(|look| look.closed))
    }

    /// Returns the first snapshot for which `holds` is true, or the last one.
    fn look_until(&self, holds: impl Fn(&Look) -> bool) -> Look {
        let mut look = self.look();
        let waited = self.shown.changed.wait_timeout_while(self.parser(), PATIENCE, |parser| {
            look = Look::at(parser);
            !holds(&look)
        });
        drop(waited);
        look
    }

    fn pty(&self) -> &Pty {
        &self.pty
    }

    fn parser(&self) -> MutexGuard<'_, Parser<Orders>> {
        self.shown.parser.lock().unwrap()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processes output until the program is gone.
fn draw(mut pty: &Pty, shown: &Shown) {
    let mut chunk = [0; 16 * 1024];
    loop {
        // Linux reports an error once no process holds the other end.
        let count = pty.read(&mut chunk).unwrap_or(0);
        let mut parser = shown.parser.lock().unwrap();
        parser.process(chunk.get(..count).unwrap_or_default());
        parser.callbacks_mut().closed = count == 0;
        drop(parser);
        shown.changed.notify_all();
        if count == 0 {
            return;
        }
    }
}

fn size(cells: u16) -> NonZeroU16 {
    NonZeroU16::new(cells).unwrap()
}
