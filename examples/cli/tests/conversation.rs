//! Conversations between real processes, through an embedded relay or two external ones.

mod common;

use common::Anocm;

#[test]
fn two_talk_whisper_and_leave() {
    let (mut alice, link) = Anocm::open(&[]);
    let mut bob = Anocm::start(&["join", "--nick", "Bob", "-"]);
    bob.say(&link);
    bob.wait("connection: online");
    alice.wait("joined: Bob #");
    alice.say("hello Bob");
    assert!(bob.wait("hello Bob").starts_with("<Alice #"));
    bob.say("/w Alice psst");
    assert!(alice.wait("psst").starts_with("(whisper) <Bob #"));
    assert_eq!(bob.finish().code(), Some(0));
    alice.wait("left: Bob #");
    assert_eq!(alice.finish().code(), Some(0));
}

#[test]
fn everything_typed_before_the_end_of_input_is_sent() {
    let (mut alice, link) = Anocm::open(&[]);
    let mut bob = Anocm::start(&["join", "-"]);
    bob.say(&link);
    (0..300).for_each(|n| bob.say(&format!("line {n}")));
    assert_eq!(bob.finish().code(), Some(0));
    // More than "line", a word with which lines of safety codes can end.
    (0..300).for_each(|n| assert!(alice.wait("> line ").contains(&format!("> line {n}  ["))));
}

#[test]
fn a_room_burns_for_everyone_when_asked_twice() {
    let (mut alice, link) = Anocm::open(&[]);
    let mut bob = Anocm::start(&["join", "-"]);
    bob.say(&link);
    bob.wait("connection: online");
    alice.say("/burn");
    alice.wait("note: this ends the room");
    alice.say("/burn");
    assert_eq!(alice.end().code(), Some(0));
    bob.wait("ended: its owner closed the room");
    assert_eq!(bob.end().code(), Some(1));
}

#[cfg(target_os = "linux")]
#[test]
fn a_link_given_as_an_argument_leaves_the_list_of_processes() {
    let (mut alice, link) = Anocm::open(&[]);
    let mut bob = Anocm::start(&["join", "--nick", "Bob", &link]);
    bob.wait("connection: online");
    alice.wait("joined: Bob #");
    let of = |what: &str| std::fs::read(format!("/proc/{}/{what}", bob.pid())).unwrap_or_default();
    let secret = link.split_once('#').unwrap().1.as_bytes();
    for what in ["cmdline", "environ", "comm"] {
        assert!(!of(what).windows(secret.len()).any(|part| part == secret), "{what}");
    }
    assert!(of("cmdline").starts_with(env!("CARGO_BIN_EXE_anocm").as_bytes()));
}
