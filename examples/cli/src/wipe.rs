//! Leaving nothing on the terminal, also when the program fails.

use std::{
    io::{self, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use crossterm::{
    cursor::{MoveTo, Show},
    event::{DisableBracketedPaste, EnableBracketedPaste},
    execute, queue,
    style::Print,
    terminal::{
        Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, SetTitle, disable_raw_mode,
        enable_raw_mode,
    },
};

use crate::streams::complain;

/// Whether the screen is ours, so that a fault anywhere knows what to restore.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The same of a terminal that does not show what is typed.
static UNSHOWN: AtomicBool = AtomicBool::new(false);

const KEEP_TITLE: &str = "\x1b[22;2t";
const OLD_TITLE: &str = "\x1b[23;2t";

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
        // Nothing better can be done about a terminal that does not answer.
        let _ = restore(&mut io::stdout(), Clearing::Drawn);
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
        execute!(io::stderr(), EnableBracketedPaste)?;
        Ok(unshown)
    }
}

impl Drop for Unshown {
    fn drop(&mut self) {
        show(&mut io::stderr());
    }
}

/// Lets what is typed be seen again. Does nothing when it can be seen.
fn show(to: &mut impl Write) {
    if UNSHOWN.swap(false, Ordering::SeqCst) {
        // Nothing better can be done about a terminal that does not answer.
        let _ = execute!(to, DisableBracketedPaste);
        let _ = disable_raw_mode();
        let _ = writeln!(to);
    }
}

/// Takes the terminal over for drawing.
pub(crate) fn take(to: &mut impl Write) -> io::Result<Taken> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let taken = Taken(());
    // The title is for the neighbour's eyes too: it says nothing of the room.
    execute!(to, Print(KEEP_TITLE), SetTitle("anocm"), EnterAlternateScreen, EnableBracketedPaste)?;
    Ok(taken)
}

/// Clears and gives the terminal back. Does nothing when it is not taken.
pub(crate) fn restore(to: &mut impl Write, clearing: Clearing) -> io::Result<()> {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return Ok(());
    }
    let cleared = give_back(to, clearing);
    disable_raw_mode()?;
    cleared
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
        give_all_back(&mut io::stdout());
        let place = fault.location().map_or_else(String::new, |at| format!(" at {at}"));
        complain(format_args!("anocm stopped because of a fault of its own{place}\n"));
        std::process::exit(1);
    }));
}

fn give_all_back(to: &mut impl Write) {
    show(to);
    // Nothing more can be done if even this fails.
    let _ = restore(to, Clearing::Drawn);
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
        let given_back = || {
            let mut written = Vec::new();
            give_all_back(&mut written);
            String::from_utf8(written).unwrap()
        };
        UNSHOWN.store(true, Ordering::SeqCst);
        assert_eq!(given_back(), "\x1b[?2004l\n");
        TAKEN.store(true, Ordering::SeqCst);
        assert!(given_back().contains("\x1b[?1049l"));
        assert_eq!(given_back(), "");
    }
}
