//! Nothing is written anywhere: traces the system calls of the real programs over a conversation.
#![cfg(target_os = "linux")]

mod common;

use std::process::Command;

use anocm_guard::testing::{Trace, lasting, was_run_as_root};
use common::{Anocm, PANIC_KEY, Server, Terminal};
use rustix::process::Signal;

/// Asserts that nothing could outlive the process, and that the trace covers a whole conversation.
fn assert_nothing_lasts(trace: Trace) {
    let calls = trace.calls();
    assert!(calls.iter().any(|call| call.contains("execve(")), "{calls:#?}");
    assert!(calls.iter().any(|call| call.contains("connect(") || call.contains("accept4(")));
    assert!(calls.iter().any(|call| call.contains("+++ exited with 0 +++")), "{calls:#?}");
    assert_eq!(lasting(&calls), Vec::<&str>::new());
}

#[test]
fn server_and_guests_write_to_no_file() {
    if was_run_as_root("server_and_guests_write_to_no_file") {
        return;
    }
    let (mut server, of_relays) = Server::start_watched(&[]);
    let of_guests = [Trace::start(), Trace::start(), Trace::start()];
    let [of_alice, of_bob, of_carol] = &of_guests;
    let words = ["new", "--nick", "Alice", "--relay", &server.url];
    let mut alice = Terminal::start_watched(&words, 100, 30, of_alice);
    let link = alice.see("Whoever has this link can come in").link();
    alice.go_back();
    // The link is given in all three ways: at the prompt, on standard input, as an argument.
    let mut bob = Terminal::start_watched(&["join", "--nick", "Bob"], 100, 30, of_bob);
    bob.enter(&link);
    bob.see("2 of 2 here");
    let mut carol = Anocm::start_watched(&["join", &link, "--nick", "Carol"], of_carol);
    alice.see("3 of 3 here");

    alice.say("hello to everyone");
    bob.see("hello to everyone");
    carol.wait("> hello to everyone");
    bob.say("/whisper Carol psst");
    carol.wait("psst");
    carol.say("/keep 1s");
    carol.say("soon gone");
    carol.wait("> soon gone");
    carol.wait("expired: ");
    alice.say("/safety");
    alice.go_back();
    alice.say("/newlink");
    carol.wait("newlink: ");
    carol.say("/members");
    carol.wait("member: Bob #");
    alice.say("/kick Carol");
    carol.wait("ended: ");
    carol.end();
    bob.keys("half a sentence");
    bob.see("half a sentence");
    bob.keys(PANIC_KEY);
    assert_eq!(bob.end().0, Some(0));
    alice.keys("\x03");
    assert_eq!(alice.end().0, Some(0));
    server.signal(Signal::TERM);
    server.end();
    of_relays.into_iter().chain(of_guests).for_each(assert_nothing_lasts);
}

#[test]
fn a_room_on_this_machine_and_its_relay_write_to_no_file() {
    if was_run_as_root("a_room_on_this_machine_and_its_relay_write_to_no_file") {
        return;
    }
    let trace = Trace::start();
    let mut alice = Anocm::start_watched(&["new", "--plain", "--nick", "Alice", "-vvv"], &trace);
    let link = alice.wait("room: ").split_once(": ").unwrap().1.to_owned();
    let mut bob = Anocm::join(&link, &["--nick", "Bob"]);
    bob.say("hello Alice");
    alice.wait("> hello Alice");
    alice.say("/wipe");
    assert_eq!(alice.end().code(), Some(0));
    bob.wait("ended: the room is gone");
    let calls = trace.calls();
    assert!(calls.iter().any(|call| call.contains("accept4(")));
    assert_eq!(lasting(&calls), Vec::<&str>::new());
}

#[test]
fn what_does_write_is_caught() {
    if was_run_as_root("what_does_write_is_caught") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let trace = Trace::start();
    let (watcher, before) = trace.watcher();
    let script = "echo remembered > history; mv history log; mkdir folder; read line < log";
    let mut command = Command::new(watcher);
    command.args(before).args(["sh", "-c", script]).current_dir(folder.path());
    assert!(command.status().unwrap().success());
    let calls = trace.calls();
    let found = lasting(&calls);
    for made in ["O_CREAT", "write(", "rename", "mkdir"] {
        assert!(found.iter().any(|call| call.contains(made)), "{made}: {calls:#?}");
    }
    // Reading is permitted, whichever code does it.
    assert!(found.iter().all(|call| !call.contains("O_RDONLY")), "{found:#?}");
}
