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

/// Whether the screen is ours, so that a fault anywhere knows what to restore.
static TAKEN: AtomicBool = AtomicBool::new(false);

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
        // Nothing more can be done if even this fails.
        let _ = restore(&mut io::stdout(), Clearing::Drawn);
        let place = fault.location().map_or_else(String::new, |at| format!(" at {at}"));
        eprintln!("anocm stopped because of a fault of its own{place}");
        std::process::exit(1);
    }));
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
}
