//! Clears the terminal, also when the program panics.

use std::{
    io::{self, Write},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use crossterm::{
    cursor::{MoveTo, Show},
    event::{DisableBracketedPaste, EnableBracketedPaste},
    queue,
    style::Print,
    terminal::{
        Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, SetTitle, disable_raw_mode,
        enable_raw_mode,
    },
};

use crate::{
    stdio::{self, Standard, complain},
    tty::Output,
};

/// Whether the screen is taken over, so that the panic hook knows what to restore.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The same for a terminal that is switched to invisible input.
static UNSHOWN: AtomicBool = AtomicBool::new(false);

const KEEP_TITLE: &str = "\x1b[22;2t";
const OLD_TITLE: &str = "\x1b[23;2t";

/// How long the terminal may take to accept the sequences that clear it.
const CLEARING: Duration = Duration::from_millis(300);

/// The same when everything is wiped at once.
const AT_ONCE: Duration = Duration::from_millis(50);

/// What is cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clearing {
    /// What this program drew.
    Drawn,
    /// Also the terminal's whole scrollback, which contains more than our output.
    Everything,
}

/// Restores the terminal when dropped, if [`restore`] has not done so.
#[derive(Debug)]
pub(crate) struct Taken(());

impl Drop for Taken {
    fn drop(&mut self) {
        put_back();
    }
}

/// A terminal with invisible input, until this is dropped.
#[derive(Debug)]
pub(crate) struct Unshown(());

impl Unshown {
    pub(crate) fn start() -> io::Result<Self> {
        enable_raw_mode()?;
        UNSHOWN.store(true, Ordering::SeqCst);
        let unshown = Self(());
        let mut order = Vec::new();
        queue!(order, EnableBracketedPaste)?;
        stdio::put(Standard::Error, order);
        Ok(unshown)
    }
}

impl Drop for Unshown {
    fn drop(&mut self) {
        stdio::put(Standard::Error, shown());
    }
}

/// Makes input visible again; returns the sequences to write. Does nothing when it is visible.
fn shown() -> Vec<u8> {
    let mut orders = Vec::new();
    if UNSHOWN.swap(false, Ordering::SeqCst) {
        // There is no way to handle a terminal that does not respond.
        let _ = queue!(orders, DisableBracketedPaste);
        let _ = disable_raw_mode();
        orders.push(b'\n');
    }
    orders
}

/// Takes the terminal over for drawing.
pub(crate) fn take(to: &mut impl Write) -> io::Result<Taken> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let taken = Taken(());
    // Bystanders can read the title too: it contains nothing about the room.
    queue!(to, Print(KEEP_TITLE), SetTitle("anocm"), EnterAlternateScreen, EnableBracketedPaste)?;
    Ok(taken)
}

/// Clears and restores the terminal, as far as it accepts that without waiting. Does nothing when
/// it is not taken over. See [`write_out`] for the rest.
pub(crate) fn restore(to: &mut Output, clearing: Clearing) -> io::Result<()> {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return Ok(());
    }
    if to.is_pending() {
        // The pending frame would show what is to be cleared, and delay clearing.
        to.discard();
    }
    give_back(to, clearing)?;
    let written = to.write_now();
    disable_raw_mode()?;
    written
}

/// Waits until the terminal has accepted the clearing sequences, up to a timeout. After that,
/// discards everything that the terminal has not read, some of them included, and writes them
/// again.
pub(crate) async fn write_out(to: &mut Output, clearing: Clearing) {
    let patience = if clearing == Clearing::Everything { AT_ONCE } else { CLEARING };
    if tokio::time::timeout(patience, to.write_out()).await.is_err() {
        to.discard();
        // There is no way to handle a terminal that does not respond.
        let _ = give_back(to, clearing);
        let _ = to.write_now();
    }
}

fn give_back(to: &mut impl Write, clearing: Clearing) -> io::Result<()> {
    queue!(to, Clear(ClearType::All), MoveTo(0, 0))?;
    if clearing == Clearing::Everything {
        queue!(to, Clear(ClearType::Purge))?;
    }
    queue!(to, DisableBracketedPaste, LeaveAlternateScreen)?;
    if clearing == Clearing::Everything {
        queue!(to, Clear(ClearType::All), Clear(ClearType::Purge), MoveTo(0, 0))?;
    }
    queue!(to, Show, Print(OLD_TITLE))?;
    to.flush()
}

/// Installs a panic hook that restores the terminal, reports where the panic happened but nothing
/// about the data being handled, and ends the process.
pub(crate) fn on_fault() {
    std::panic::set_hook(Box::new(|fault| {
        put_back();
        let place = fault.location().map_or_else(String::new, |at| format!(" at {at}"));
        complain(format_args!("anocm stopped because of a fault of its own{place}\n"));
        std::process::exit(1);
    }));
}

/// Restores the terminal and its input, in bounded time.
fn put_back() {
    stdio::put(Standard::Error, shown());
    stdio::put(Standard::Output, cleared());
}

/// Restores a terminal that was taken over; returns the sequences to write.
fn cleared() -> Vec<u8> {
    let mut orders = Vec::new();
    if TAKEN.swap(false, Ordering::SeqCst) {
        // Nothing more can be done if this fails as well.
        let _ = give_back(&mut orders, Clearing::Drawn);
        let _ = disable_raw_mode();
    }
    orders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_panic_key_clears_what_was_there_before() {
        let written = |clearing| {
            let mut written = Vec::new();
            give_back(&mut written, clearing).unwrap();
            String::from_utf8(written).unwrap()
        };
        let drawn = written(Clearing::Drawn);
        assert!(drawn.contains("\x1b[2J") && drawn.contains("\x1b[?1049l"));
        assert!(!drawn.contains("\x1b[3J"));
        assert_eq!(written(Clearing::Everything).matches("\x1b[3J").count(), 2);
    }

    #[test]
    fn a_fault_gives_back_whatever_was_taken_and_once() {
        let given_back = || String::from_utf8([shown(), cleared()].concat()).unwrap();
        UNSHOWN.store(true, Ordering::SeqCst);
        assert_eq!(given_back(), "\x1b[?2004l\n");
        TAKEN.store(true, Ordering::SeqCst);
        assert!(given_back().contains("\x1b[?1049l"));
        assert_eq!(given_back(), "");
    }
}
