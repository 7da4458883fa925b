//! Leaving nothing on the terminal, also when the program fails.

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

/// Whether the screen is ours, so that a fault anywhere knows what to restore.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The same of a terminal that does not show what is typed.
static UNSHOWN: AtomicBool = AtomicBool::new(false);

const KEEP_TITLE: &str = "\x1b[22;2t";
const OLD_TITLE: &str = "\x1b[23;2t";

/// How long a terminal is given to take what clears it.
const CLEARING: Duration = Duration::from_millis(300);

/// The same when everything is to be gone at once.
const AT_ONCE: Duration = Duration::from_millis(50);

/// What is cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clearing {
    /// What was drawn.
    Drawn,
    /// Also all that the terminal remembers of earlier, which is more than ours.
    Everything,
}

/// Gives the terminal back when dropped, if [`restore`] has not done so.
#[derive(Debug)]
pub(crate) struct Taken(());

impl Drop for Taken {
    fn drop(&mut self) {
        put_back();
    }
}

/// A terminal that does not show what is typed, until this is dropped.
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

/// Lets what is typed be seen again, with these orders. Does nothing when it can be seen.
fn shown() -> Vec<u8> {
    let mut orders = Vec::new();
    if UNSHOWN.swap(false, Ordering::SeqCst) {
        // Nothing better can be done about a terminal that does not answer.
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
    // The title is for the neighbour's eyes too: it says nothing of the room.
    queue!(to, Print(KEEP_TITLE), SetTitle("anocm"), EnterAlternateScreen, EnableBracketedPaste)?;
    Ok(taken)
}

/// Clears and gives the terminal back, as far as it takes that at once. Does nothing when it is
/// not taken. See [`write_out`] for the rest.
pub(crate) fn restore(to: &mut Output, clearing: Clearing) -> io::Result<()> {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return Ok(());
    }
    if to.is_pending() {
        // It would show what is to be cleared, and take its time.
        to.discard();
    }
    give_back(to, clearing)?;
    let written = to.write_now();
    disable_raw_mode()?;
    written
}

/// Waits until the terminal has taken what clears it, but not for long: then a part of it is lost
/// together with all else that the terminal has not read, and it is given the rest anew.
pub(crate) async fn write_out(to: &mut Output, clearing: Clearing) {
    let patience = if clearing == Clearing::Everything { AT_ONCE } else { CLEARING };
    if tokio::time::timeout(patience, to.write_out()).await.is_err() {
        to.discard();
        // Nothing better can be done about a terminal that does not answer.
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

/// From now on a fault of the program restores the terminal, says where it happened but nothing
/// of what was being handled, and ends the process.
pub(crate) fn on_fault() {
    std::panic::set_hook(Box::new(|fault| {
        put_back();
        let place = fault.location().map_or_else(String::new, |at| format!(" at {at}"));
        complain(format_args!("anocm stopped because of a fault of its own{place}\n"));
        std::process::exit(1);
    }));
}

/// Gives back whatever was taken, in bounded time.
fn put_back() {
    stdio::put(Standard::Error, shown());
    stdio::put(Standard::Output, cleared());
}

/// Gives a terminal back that was taken, with these orders.
fn cleared() -> Vec<u8> {
    let mut orders = Vec::new();
    if TAKEN.swap(false, Ordering::SeqCst) {
        // Nothing more can be done if even this fails.
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
