//! The prompt for the link on a terminal.
#![cfg(unix)]

mod common;

use common::{Anocm, PANIC_KEY, Terminal, fragment, signal};
use rustix::process::Signal;

#[test]
fn a_dash_on_a_terminal_asks_without_showing_the_link() {
    let (mut alice, link) = Anocm::open(&[]);
    let mut bob = Terminal::start(&["join", "--nick", "Bob", "-"], 80, 24);
    bob.see("paste the link of the room (it is not shown)");
    bob.enter(&link);
    let look = bob.see("entered: Bob #");
    assert!(!look.all().contains(fragment(&link)), "{look:#?}");
    // No other reader takes keys away, neither from a message nor the panic key.
    for n in 0..8 {
        bob.say(&format!("word {n}"));
        alice.wait(&format!("> word {n}  ["));
    }
    bob.keys(PANIC_KEY);
    assert_eq!(bob.end().0, Some(0));
}

#[test]
fn a_signal_while_the_link_is_asked_for_gives_the_terminal_back() {
    for stop in [Signal::INT, Signal::TERM, Signal::HUP] {
        let mut bob = Terminal::start(&["join"], 80, 24);
        bob.wait("readiness for a paste", |look| look.pastes);
        signal(bob.pid(), stop);
        let (code, left) = bob.end();
        assert_eq!((code, left.pastes), (Some(1), false), "{stop:?}");
    }
}
