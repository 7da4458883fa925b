//! Conversations between real processes, over a real socket.

#![allow(clippy::unwrap_used, reason = "a test, helpers included")]

mod common;

use std::process::ExitStatus;

use common::Anocm;
use serde_json::Value;

fn code(status: ExitStatus) -> Option<i32> {
    status.code()
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

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
    assert_eq!(code(bob.finish()), Some(0));
    alice.wait("left: Bob #");
    assert_eq!(code(alice.finish()), Some(0));
}

#[test]
fn a_message_expires_on_both_sides() {
    let (mut alice, link) = Anocm::open(&["--keep", "1s"]);
    let mut bob = Anocm::start(&["join", "-"]);
    bob.say(&link);
    bob.wait("connection: online");
    alice.say("gone soon");
    assert!(bob.wait("gone soon").ends_with("  [1s]"));
    bob.wait("expired: a message of Alice #");
    alice.wait("expired: a message of Alice #");
}

#[test]
fn everything_typed_before_the_end_of_input_is_sent() {
    let (mut alice, link) = Anocm::open(&[]);
    let mut bob = Anocm::start(&["join", "-"]);
    bob.say(&link);
    (0..300).for_each(|n| bob.say(&format!("line {n}")));
    assert_eq!(code(bob.finish()), Some(0));
    (0..300).for_each(|n| assert!(alice.wait("line ").contains(&format!("> line {n}  ["))));
}

#[test]
fn whoever_is_removed_is_told_and_the_old_link_is_dead() {
    let (mut alice, link) = Anocm::open(&[]);
    let mut bob = Anocm::start(&["join", "--nick", "Bob", "-"]);
    bob.say(&link);
    bob.wait("connection: online");
    alice.wait("joined: Bob #");
    alice.say("/kick Bob");
    bob.wait("ended: you were removed by Alice #");
    assert_eq!(code(bob.end()), Some(1));
    let new = alice.wait("room: ");
    assert!(!new.contains(&link));
    let mut bob = Anocm::start(&["join", "-"]);
    bob.say(&link);
    bob.wait("ended: not let in");
    assert_eq!(code(bob.end()), Some(1));
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
    assert_eq!(code(alice.end()), Some(0));
    bob.wait("ended: its owner closed the room");
    assert_eq!(code(bob.end()), Some(1));
}

#[test]
fn programs_talk_in_json() {
    let (mut alice, link) = Anocm::open(&[]);
    let mut bot = Anocm::start(&["join", "--json", "--nick", "Bot", "-"]);
    bot.say(&link);
    let entered = json(&bot.wait("\"event\":\"entered\""));
    assert_eq!(entered["view"]["members"].as_array().unwrap().len(), 2);
    bot.say(r#"{"do":"say","text":"beep ☃","retention_ms":0,"ref":"1"}"#);
    let done = json(&bot.wait("\"event\":\"done\""));
    let said = json(&bot.wait("\"event\":\"message\""));
    assert_eq!((&said["id"], &said["own"]), (&done["id"], &Value::Bool(true)));
    assert_eq!(said["text"], "beep ☃");
    alice.wait("> beep ☃  [live]");
    bot.say(r#"{"do":"leave"}"#);
    assert_eq!(json(&bot.wait("\"event\":\"ended\""))["reason"], "left");
    assert_eq!(code(bot.end()), Some(0));
}

#[test]
fn a_link_that_is_none_is_wrong_usage_and_not_repeated() {
    let mut bob = Anocm::start(&["join", "-"]);
    bob.say("https://relay.example/#nonsense");
    assert_eq!(code(bob.end()), Some(2));
    assert!(bob.seen().is_empty());
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
