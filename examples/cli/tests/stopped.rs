//! A program that is stopped and continued: an app freezer, a debugger, a paused container.
#![cfg(unix)]

mod common;

use std::time::Duration;

use common::{Anocm, Server, signal};
use rustix::process::Signal;

/// Longer than the retention of the messages sent meanwhile.
const STOP: Duration = Duration::from_secs(3);

#[test]
fn what_waited_for_a_stopped_guest_is_not_shown_as_new() {
    let server = Server::start(&[]);
    let (mut alice, link) = Anocm::open(&["--relay", &server.url]);
    let mut bob = Anocm::join(&link, &["--nick", "Bob"]);
    alice.wait("joined: Bob #");
    bob.say("before");
    alice.wait("> before");
    bob.wait("> before");

    signal(bob.pid(), Signal::STOP);
    for (keep, text) in [("/keep 2s", "short"), ("/live", "live"), ("/keep 10m", "long")] {
        alice.say(keep);
        alice.say(text);
        alice.wait(&format!("> {text}"));
    }
    // The test is about the time during which the process is stopped.
    std::thread::sleep(STOP);
    signal(bob.pid(), Signal::CONT);
    let seen = bob.up_to("> long");
    for gone in ["> short", "> live"] {
        assert!(!seen.iter().any(|line| line.contains(gone)), "{seen:?}");
    }
    // The conversation continues.
    alice.say("after");
    bob.wait("> after");
    bob.finish();
}
