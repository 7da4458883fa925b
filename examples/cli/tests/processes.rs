//! A relay and its guests as real processes, over real sockets.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test, helpers included")]

mod common;

use common::{Anocm, Server, Wire, fragment, is_not_for_two, signal};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Starts a relay with Alice, Bob and Carol in a room; also returns its link.
fn three() -> (Server, Anocm, Anocm, Anocm, String) {
    let server = Server::start(&[]);
    let (mut alice, link) = Anocm::open(&["--relay", &server.url]);
    let mut bob = Anocm::join(&link, &["--nick", "Bob"]);
    alice.wait("joined: Bob #");
    let carol = Anocm::join(&link, &["--nick", "Carol"]);
    alice.wait("joined: Carol #");
    bob.wait("joined: Carol #");
    (server, alice, bob, carol, link)
}

fn assert_absent(lines: &[String], text: &str) {
    assert!(!lines.iter().any(|line| line.contains(text)), "{text:?} is in {lines:#?}");
}

#[test]
fn everyone_hears_everyone() {
    let (_server, mut alice, mut bob, mut carol, _) = three();
    alice.say("one from Alice");
    bob.say("two from Bob");
    carol.say("three from Carol");
    for guest in [&mut alice, &mut bob, &mut carol] {
        // In the relay's order, which is the same for all.
        let mut heard = guest.up_to(" from ");
        heard.extend(guest.up_to(" from "));
        heard.extend(guest.up_to(" from "));
        for said in ["one from Alice  [5m]", "two from Bob  [5m]", "three from Carol  [5m]"] {
            assert!(heard.iter().any(|line| line.ends_with(said)), "{said} in {heard:#?}");
        }
    }
    let order = |guest: &Anocm| {
        guest.seen().iter().filter(|line| line.contains(" from ")).cloned().collect::<Vec<_>>()
    };
    assert_eq!(order(&alice), order(&bob));
    assert_eq!(order(&alice), order(&carol));
}

#[test]
fn members_compare_the_same_safety_code() {
    let (_server, mut alice, mut bob, mut carol, _) = three();
    let codes = [&mut alice, &mut bob, &mut carol].map(|guest| {
        guest.say("/safety");
        guest.say("/help");
        guest.up_to("note: //text").iter().rfind(|line| line.starts_with("safety: ")).cloned()
    });
    assert!(codes[0].is_some());
    assert_eq!(codes[0], codes[1]);
    assert_eq!(codes[0], codes[2]);
}

#[test]
fn a_room_can_be_joined_while_no_member_is_connected() {
    let server = Server::start(&[]);
    let (mut alice, link) = Anocm::open(&["--relay", &server.url]);
    alice.kill();
    let mut bob = Anocm::join(&link, &["--nick", "Bob"]);
    bob.say("/members");
    assert!(bob.wait("member: Alice #").contains(", away"));
    let mut carol = Anocm::join(&link, &["--nick", "Carol"]);
    bob.wait("joined: Carol #");
    bob.say("is anybody here?");
    carol.wait("> is anybody here?");
    carol.say("I am");
    bob.wait("> I am");
}

#[test]
fn live_and_expired_messages_are_not_there_for_a_member_who_was_away() {
    let server = Server::start(&[]);
    let wire = Wire::to(&server.address());
    let (mut alice, link) = Anocm::open(&["--relay", &server.url]);
    let mut bob = Anocm::join(&link, &["--nick", "Bob"]);
    let mut carol = Anocm::join(&wire.link(&link), &["--nick", "Carol"]);
    alice.wait("joined: Carol #");
    wire.cut();
    carol.wait("connection: trying again in ");

    alice.say("/live");
    alice.wait("note: what you send is live");
    alice.say("for whoever is here");
    assert!(bob.wait("for whoever is here").ends_with("  [live]"));
    alice.say("/keep 1s");
    alice.say("for a second");
    assert!(bob.wait("for a second").ends_with("  [1s]"));
    bob.wait("expired: a message of Alice #");
    alice.wait("expired: a message of Alice #");
    alice.say("/keep 5m");
    alice.say("for a while");
    bob.wait("for a while");

    wire.mend();
    let lines = carol.up_to("> for a while  [5m]");
    assert_absent(&lines, "for whoever is here");
    assert_absent(&lines, "for a second");
    alice.say("done");
    let rest = carol.up_to("> done");
    // The number is not predictable: presence updates are live entries, too.
    let told = " entries were live, or had expired, before you could see them";
    assert!(lines.iter().chain(&rest).any(|line| line.ends_with(told)), "{lines:#?} {rest:#?}");
}

#[test]
fn a_message_expires_on_every_screen() {
    let (_server, mut alice, mut bob, mut carol, _) = three();
    bob.say("/keep 1s");
    bob.say("gone soon");
    for guest in [&mut alice, &mut bob, &mut carol] {
        assert!(guest.wait("> gone soon").ends_with("  [1s]"));
        guest.wait("expired: a message of Bob #");
    }
}

#[test]
fn a_member_who_leaves_is_gone_for_all() {
    let (_server, mut alice, mut bob, mut carol, _) = three();
    bob.say("/leave");
    bob.wait("ended: you left");
    assert_eq!(bob.end().code(), Some(0));
    alice.wait("left: Bob #");
    carol.wait("left: Bob #");
    alice.say("/members");
    alice.say("/w Bob are you there?");
    let lines = alice.up_to("error: nobody here is called that");
    assert_absent(&lines, "member: Bob #");
}

#[test]
fn a_kicked_member_sends_and_reads_nothing_more() {
    let server = Server::start(&[]);
    let wire = Wire::to(&server.address());
    let (mut alice, link) = Anocm::open(&["--relay", &server.url]);
    let mut carol = Anocm::join(&link, &["--nick", "Carol"]);
    let mut bob = Anocm::join(&wire.link(&link), &["--nick", "Bob"]);
    alice.wait("joined: Bob #");
    // Disconnect Bob, so that he has a queued message when he is removed, and only his old keys and
    // tokens to read what follows.
    wire.cut();
    bob.wait("connection: trying again in ");
    bob.say("am I still heard?");
    alice.say("/kick Bob");
    carol.wait("removed: Bob #");
    alice.say("not for Bob");
    carol.wait("> not for Bob");

    wire.mend();
    bob.wait("ended: you were removed by Alice #");
    assert_eq!(bob.end().code(), Some(1));
    assert_absent(bob.seen(), "> not for Bob");
    alice.say("end");
    assert_absent(&carol.up_to("> end"), "am I still heard?");
    assert_absent(&alice.up_to("> end"), "am I still heard?");

    let mut again = Anocm::start(&["join", "-"]);
    again.say(&link);
    again.wait("ended: not let in");
    assert_eq!(again.end().code(), Some(1));
    alice.say("/link");
    let new = alice.wait("room: ").split_once(": ").unwrap().1.to_owned();
    assert_ne!(fragment(&new), fragment(&link));
    let mut dave = Anocm::join(&new, &["--nick", "Dave"]);
    dave.say("the new one works");
    alice.wait("> the new one works");
}

#[test]
fn a_whisper_is_heard_by_one() {
    let (_server, mut alice, mut bob, mut carol, _) = three();
    alice.say("/w Bob between us");
    assert!(bob.wait("> between us").starts_with("(whisper) <Alice #"));
    assert!(alice.wait("> between us").starts_with("(whisper to Bob #"));
    alice.say("for all");
    assert_absent(&carol.up_to("> for all"), "between us");
}

#[test]
fn a_burnt_room_is_over_for_all_and_its_link_dead() {
    let (_server, mut alice, mut bob, mut carol, link) = three();
    alice.say("/burn");
    alice.wait("note: this ends the room");
    alice.say("/burn");
    assert_eq!(alice.end().code(), Some(0));
    for guest in [&mut bob, &mut carol] {
        guest.wait("ended: its owner closed the room");
        assert_eq!(guest.end().code(), Some(1));
    }
    let mut late = Anocm::start(&["join", "-"]);
    late.say(&link);
    late.wait("ended: ");
    assert_eq!(late.end().code(), Some(1));
}

#[test]
fn a_killed_relay_takes_the_room_along_and_guests_say_so() {
    let (server, mut alice, mut bob, mut carol, _) = three();
    let address = server.kill();
    for guest in [&mut alice, &mut bob, &mut carol] {
        guest.wait("connection: trying again in ");
    }
    let _new = Server::start_at(&address, &[]);
    for guest in [&mut alice, &mut bob, &mut carol] {
        guest.wait("ended: the room is gone");
        assert_eq!(guest.end().code(), Some(1));
    }
}

#[test]
fn a_relay_told_to_end_tells_its_rooms() {
    if is_not_for_two("rooms in Redis outlive them, which a test of its own looks at") {
        return;
    }
    let (mut server, mut alice, mut bob, mut carol, _) = three();
    server.signal(Signal::TERM);
    for guest in [&mut alice, &mut bob, &mut carol] {
        guest.wait("ended: the room is gone");
        assert_eq!(guest.end().code(), Some(1));
    }
    server.end().iter().for_each(|(status, _)| assert_eq!(status.code(), Some(0)));
}

#[test]
fn a_guest_told_to_stop_leaves_in_good_order() {
    for stop in [Signal::INT, Signal::TERM, Signal::HUP] {
        let (mut alice, link) = Anocm::open(&[]);
        let mut bob = Anocm::join(&link, &["--nick", "Bob"]);
        signal(bob.pid(), stop);
        bob.wait("ended: you left");
        assert_eq!(bob.end().code(), Some(0), "{stop:?}");
        alice.wait("left: Bob #");
    }
}

#[test]
fn the_end_of_input_is_the_end_unless_told_to_stay() {
    let (mut alice, link) = Anocm::open(&[]);
    let mut bob = Anocm::join(&link, &["--nick", "Bob", "--stay"]);
    bob.say("last words");
    bob.close();
    alice.wait("> last words");
    alice.say("still listening?");
    bob.wait("> still listening?");
    assert_eq!(alice.finish().code(), Some(0));
}

#[test]
fn two_scripts_talk_in_json() {
    let server = Server::start(&[]);
    let mut ask = Anocm::start(&["new", "--json", "--nick", "Ask", "--relay", &server.url]);
    let entered = object(&ask.wait("\"event\":\"entered\""));
    let link = entered["view"]["link"].as_str().unwrap();
    let mut echo = Anocm::start(&["join", "--json", "--nick", "Echo", "-"]);
    echo.say(link);
    let me = object(&echo.wait("\"event\":\"entered\""))["view"]["me"].clone();
    let joined = object(&ask.wait("\"event\":\"joined\""));
    assert_eq!(joined["member"]["id"], me);
    for n in 0..20 {
        let text = format!("number {n} \u{1b}[2J\n☃");
        ask.say(&json!({"do": "say", "text": text, "ref": n.to_string()}).to_string());
        let done = object(&ask.wait("\"event\":\"done\""));
        assert_eq!(done["ref"], n.to_string());
        let heard = echo.wait("\"event\":\"message\"");
        assert!(heard.is_ascii() && !heard.contains('\u{1b}'));
        let heard = object(&heard);
        assert_eq!((&heard["id"], &heard["text"]), (&done["id"], &json!(text)), "{heard}");
        let from = &heard["from"]["id"];
        echo.say(
            &json!({"do": "whisper", "to": from, "text": text, "retention_ms": 0}).to_string(),
        );
        let back = loop {
            let message = object(&ask.wait("\"event\":\"message\""));
            if message["own"] == false {
                break message;
            }
        };
        assert_eq!((&back["text"], &back["whispered_to"]["name"]), (&json!(text), &json!("Ask")));
        // Its own copy of the reply.
        echo.wait("\"event\":\"message\"");
    }
    echo.say(r#"{"do":"leave"}"#);
    assert_eq!(echo.end().code(), Some(0));
    assert_eq!(object(&ask.wait("\"event\":\"left\""))["member"]["id"], me);
    ask.say(r#"{"do":"close"}"#);
    assert_eq!(object(&ask.wait("\"event\":\"ended\""))["reason"], "closed_by_owner");
    assert_eq!(ask.end().code(), Some(0));
}

fn object(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

#[test]
fn a_bad_link_is_not_repeated() {
    let (_alice, link) = Anocm::open(&[]);
    let (head, last) = link.split_at(link.len() - 1);
    let bad = format!("{head}{}", if last == "A" { "B" } else { "A" });
    for as_argument in [true, false] {
        let mut bob = Anocm::start(&["join", if as_argument { &bad } else { "-" }]);
        if !as_argument {
            bob.say(&bad);
        }
        assert_eq!(bob.end().code(), Some(2));
        let said = bob.errors();
        assert!(said.starts_with("error: "), "{said}");
        assert!(!said.contains(fragment(head)), "{said}");
        assert!(bob.seen().is_empty());
    }
}

#[test]
fn a_proxy_that_is_not_there_is_named_and_tried_again() {
    let server = Server::start(&[]);
    let (_alice, link) = Anocm::open(&["--relay", &server.url]);
    // Nothing listens at a port that is too low for any test.
    let mut bob = Anocm::start(&["join", "--socks5", "127.0.0.1:1", "-"]);
    bob.say(&link);
    for _ in 0..3 {
        let line = bob.wait("connection: trying again in ");
        assert!(line.ends_with("the proxy cannot be reached"), "{line}");
    }
}

#[test]
fn a_certificate_that_is_not_trusted_is_said_plainly() {
    let files = tempfile::tempdir().unwrap();
    let (chain, key) = (files.path().join("chain.pem"), files.path().join("key.pem"));
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    write(&chain, &made.cert.pem());
    write(&key, &made.signing_key.serialize_pem());
    let (chain, key) = (chain.to_str().unwrap(), key.to_str().unwrap());
    let server = Server::start(&["--tls-cert", chain, "--tls-key", key]);
    let mut alice = Anocm::start(&["new", "--plain", "--relay", &server.url]);
    let line = alice.wait("connection: trying again in ");
    assert!(line.ends_with("from an authority that is not trusted here"), "{line}");
    signal(alice.pid(), Signal::INT);
    assert_eq!(alice.end().code(), Some(1));
    // A private authority is trusted with `--relay-ca`.
    let mut bob = Anocm::start(&["new", "--plain", "--relay", &server.url, "--relay-ca", chain]);
    bob.wait("connection: online");
    assert_eq!(bob.finish().code(), Some(0));
    let mut carol = Anocm::start(&["new", "--relay", &server.url, "--relay-ca", key]);
    assert_eq!(carol.end().code(), Some(2));
    assert!(carol.errors().contains("--relay-ca"), "{}", carol.errors());
}

#[test]
fn a_room_is_opened_where_the_operator_allows_less_than_is_asked_for() {
    let server = Server::start(&["--max-retention", "1h", "--max-age", "1d"]);
    let (mut alice, _) = Anocm::open(&["--relay", &server.url]);
    let less = "trouble: the relay allows less than was asked for: messages are kept for 1h";
    assert!(alice.seen().iter().any(|line| line.starts_with(less)), "{:?}", alice.seen());
    assert_eq!(alice.finish().code(), Some(0));
}

#[expect(clippy::disallowed_methods, reason = "a certificate for the server to read")]
fn write(path: &std::path::Path, text: &str) {
    std::fs::write(path, text).unwrap();
}
