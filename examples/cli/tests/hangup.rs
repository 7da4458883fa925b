//! A hang-up of the terminal ends the guest, as SIGHUP does: the guest leaves, and its process
//! ends.
//!
//! Each case runs once, or `ANOCM_TEST_ROUNDS` times.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test, helpers included, that tells how long it took"
)]

mod common;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use common::{Anocm, Ending, Pane, Server, signal};
use rustix::process::Signal;

/// Ending takes less than one second. A machine may be busy, but waiting for a relay that does not
/// respond takes six.
const SOON: Duration = Duration::from_secs(5);

/// A process that ends sooner has left in good order: leaving is given up after 0.7 s.
const IN_GOOD_ORDER: Duration = Duration::from_millis(600);

/// The state of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Prompt,
    Talk,
    Page,
    Leaving,
    /// Without a screen, but on a terminal.
    Plain,
}

/// How the terminal goes away.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// The other end is closed, and only the shell that leads the session gets a signal.
    InShell,
    /// The other end is closed, and the guest gets a signal, too.
    Alone,
    /// The shell is killed: the session loses its terminal.
    LeaderKilled,
    /// Only a signal is sent.
    Signal,
}

const STAGES: [Stage; 5] = [Stage::Prompt, Stage::Talk, Stage::Page, Stage::Leaving, Stage::Plain];

fn rounds() -> usize {
    std::env::var("ANOCM_TEST_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap())
}

/// Starts Bob and brings him to this stage.
fn bob(way: Way, stage: Stage, link: &str, alice: &mut Anocm) -> Pane {
    let plain: &[&str] = if stage == Stage::Plain { &["--plain", "--stay"] } else { &[] };
    let words = [&["join", "--nick", "Bob"], plain].concat();
    let mut bob = match way {
        Way::InShell | Way::LeaderKilled => Pane::start_in_shell(&words),
        Way::Alone | Way::Signal => Pane::start(&words),
    };
    if stage == Stage::Prompt {
        bob.see_prompt();
        return bob;
    }
    bob.enter(link);
    // Without a screen, the QR code of the link has replaced this line on the terminal.
    bob.see(if stage == Stage::Plain { "connection: online" } else { "entered: Bob #" });
    alice.wait("joined: Bob #");
    if stage == Stage::Page {
        bob.keys("/help\r");
        bob.see("/whisper NAME TEXT");
    }
    bob
}

/// Runs one case. A relay that hangs sends no more responses.
fn hang_up(way: Way, stage: Stage, hangs: bool) {
    let server = Server::start(&[]);
    let (mut alice, link) = Anocm::open(&["--relay", &server.url]);
    let mut bob = bob(way, stage, &link, &mut alice);
    let ending = Ending::of(bob.pid());
    if hangs {
        server.freeze();
    }
    if stage == Stage::Leaving {
        bob.keys("\x03");
        if hangs {
            bob.see("leaving: Ctrl-C again");
        }
    }
    let since = Instant::now();
    match way {
        Way::InShell | Way::Alone => bob.close(),
        Way::LeaderKilled => bob.kill_leader(),
        Way::Signal => signal(bob.pid(), Signal::HUP),
    }
    ending.wait();
    let took = since.elapsed();
    println!("{way:?}, {stage:?}, {hangs}: {took:?}");
    assert!(took < SOON, "{way:?}, {stage:?}, {hangs}: {took:?}");
    if stage != Stage::Prompt && took < IN_GOOD_ORDER {
        alice.wait("left: Bob #");
    }
    if let (Way::Alone, Stage::Prompt) = (way, stage) {
        assert_eq!(bob.end().code(), Some(1));
    }
}

fn hang_up_at_every_stage(way: Way) {
    for _ in 0..rounds() {
        for stage in STAGES {
            hang_up(way, stage, false);
            if stage != Stage::Prompt {
                hang_up(way, stage, true);
            }
        }
    }
}

#[test]
fn a_session_that_is_closed_takes_the_guest_with_it() {
    hang_up_at_every_stage(Way::InShell);
}

#[test]
fn a_terminal_that_is_closed_takes_the_guest_with_it() {
    hang_up_at_every_stage(Way::Alone);
}

#[test]
fn a_leader_that_is_killed_takes_the_guest_with_it() {
    hang_up_at_every_stage(Way::LeaderKilled);
}

#[test]
fn a_hang_up_signal_does_not_wait_for_a_relay() {
    hang_up_at_every_stage(Way::Signal);
}

#[test]
fn a_relay_in_the_same_process_does_not_keep_it_alive() {
    for _ in 0..rounds() {
        let mut alice = Pane::start_in_shell(&["new"]);
        alice.see("http://127.0.0.1:");
        let ending = Ending::of(alice.pid());
        let since = Instant::now();
        alice.close();
        ending.wait();
        assert!(since.elapsed() < SOON);
    }
}

/// Starts Bob with pipes, as under `ssh` without a terminal, and waits until he is in the room.
fn piped(link: &str) -> (Child, BufReader<ChildStdout>) {
    let mut bob = Command::new(env!("CARGO_BIN_EXE_anocm"))
        .args(["join", "-", "--nick", "Bob", "--stay"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    writeln!(bob.stdin.as_mut().unwrap(), "{link}").unwrap();
    let mut output = BufReader::new(bob.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("entered: ") {
        line.clear();
        assert!(output.read_line(&mut line).unwrap() > 0, "Bob is not in the room");
    }
    (bob, output)
}

#[test]
fn pipes_that_are_closed_take_the_guest_with_them() {
    for _ in 0..rounds() {
        for hangs in [false, true] {
            let server = Server::start(&[]);
            let (mut alice, link) = Anocm::open(&["--relay", &server.url]);
            let (mut bob, output) = piped(&link);
            alice.wait("joined: Bob #");
            let ending = Ending::of(bob.id());
            if hangs {
                server.freeze();
            }
            let since = Instant::now();
            // No output follows, so no failing write reveals that the pipe is closed.
            drop((bob.stdin.take(), output));
            ending.wait();
            let took = since.elapsed();
            println!("pipes, {hangs}: {took:?}");
            assert!(took < SOON, "{took:?}");
            bob.wait().unwrap();
            if took < IN_GOOD_ORDER {
                alice.wait("left: Bob #");
            }
        }
    }
}
