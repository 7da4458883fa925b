//! The logs of the programs contain no secrets, at any verbosity.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test, helpers included")]

mod common;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use anocm_core::Invite;
use common::{Anocm, Server, Wire, are_two, fragment};
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use rustix::process::Signal;
use serde_json::{Value, json};

const VERBOSE: [(&str, &str); 1] = [("RUST_LOG", "trace")];

/// Words that occur in the conversation only.
const SAID: [&str; 4] = ["xylophone", "quicksand", "marzipan", "zeppelin"];
const NAMES: [&str; 3] = ["Wilhelmina", "Bartholomew", "Clementine"];

/// The results of a conversation.
struct Told {
    /// The log of each relay.
    relays: Vec<String>,
    guests: Vec<Anocm>,
    links: [String; 2],
}

#[test]
fn no_log_tells_of_a_whole_conversation() {
    let told = converse();
    let guests: Vec<_> = told.guests.iter().map(Anocm::errors).collect();
    // Otherwise there would be no log to search.
    told.relays.iter().for_each(|log| assert!(log.contains(" DEBUG "), "{log}"));
    guests.iter().for_each(|log| assert!(log.contains(" INFO "), "{log}"));
    let members = identities(&told.guests[..3]);
    assert!(members.len() > 8, "{members:?}");
    let links = told.links.iter().flat_map(|link| secrets(link));
    let secrets: Vec<_> = links.chain(members).collect();
    for log in guests.iter().chain(&told.relays) {
        assert_tells_nothing(log, &secrets);
    }
}

/// Does everything that is possible, a lost connection and a refusal included.
fn converse() -> Told {
    let mut server = Server::start(&["--log", "trace"]);
    let wire = Wire::to(&server.address());
    let [w, b, c] = NAMES;
    let (mut alice, entered) = start(&["new", "--relay", &server.url], w, None);
    let link = text(&entered, "/view/link");
    let (mut bob, _) = start(&["join", "-"], b, Some(&link));
    let (mut carol, entered) = start(&["join", "-"], c, Some(&wire.link(&link)));
    let carol_id = text(&entered, "/view/me");
    alice.wait(&carol_id);

    // To each relay, if there are two.
    (0..2).for_each(|_| talk_nonsense(&server));
    alice.say(&json!({"do": "say", "text": SAID[0]}).to_string());
    bob.say(&json!({"do": "whisper", "to": carol_id, "text": SAID[1]}).to_string());
    carol.wait(SAID[1]);
    carol.say(&json!({"do": "say", "text": SAID[2], "retention_ms": 1_000}).to_string());
    alice.wait(SAID[2]);
    alice.wait("\"event\":\"expired\"");
    carol.say(&json!({"do": "rename", "name": SAID[3]}).to_string());
    alice.wait("\"event\":\"renamed\"");
    wire.cut();
    carol.wait("\"state\":\"waiting\"");
    alice.say(&json!({"do": "remove", "member": carol_id}).to_string());
    let replaced = object(&alice.wait("\"event\":\"invite_replaced\""));
    let new_link = text(&replaced, "/link");
    wire.mend();
    carol.wait("\"event\":\"ended\"");
    carol.end();
    let late = refused(c, &link);
    bob.say(r#"{"do":"leave"}"#);
    bob.end();
    alice.wait("\"event\":\"left\"");
    server.signal(Signal::TERM);
    if are_two() {
        // The room still exists, but no relay reports its end.
        alice.wait("\"state\":\"waiting\"");
        alice.say(r#"{"do":"wipe"}"#);
    }
    alice.wait("\"event\":\"ended\"");
    alice.end();

    let relays = server.end().into_iter().map(|(_, written)| written).collect();
    Told { relays, guests: vec![alice, bob, carol, late], links: [link, new_link] }
}

/// Starts a guest that enters; returns its `entered` event.
fn start(words: &[&str], name: &str, link: Option<&str>) -> (Anocm, Value) {
    let words = [words, &["--json", "-vvv", "--nick", name]].concat();
    let mut guest = Anocm::start_with(&words, &VERBOSE);
    if let Some(link) = link {
        guest.say(link);
    }
    let entered = object(&guest.wait("\"event\":\"entered\""));
    (guest, entered)
}

/// Starts a guest with a link that no longer works.
fn refused(name: &str, link: &str) -> Anocm {
    let mut late = Anocm::start_with(&["join", "-vvv", "--nick", name, "-"], &VERBOSE);
    late.say(link);
    late.wait("ended: not let in");
    late.end();
    late
}

/// Searches for known secrets, and for strings that merely look like a secret.
fn assert_tells_nothing(log: &str, secrets: &[String]) {
    for secret in NAMES.iter().chain(&SAID).copied().chain(secrets.iter().map(String::as_str)) {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
    for word in log.split(|c: char| !c.is_ascii_alphanumeric() && !"-_+/".contains(c)) {
        // Catches keys, tokens and ids that are not listed above, in any encoding.
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        assert!(word.len() < 16 || digits < 2 || is_time(word), "{word} is in the log:\n{log}");
    }
    assert!(!log.contains("127.0.0.1"), "an address is in the log:\n{log}");
}

/// Sends what a relay logs in any case.
fn talk_nonsense(server: &Server) {
    let mut tcp = TcpStream::connect(server.address()).unwrap();
    tcp.write_all(b"\0\xff\r\n\r\n").unwrap();
    // Until the relay closes the connection, in whatever way.
    let _ = tcp.read_to_end(&mut Vec::new());
}

/// Returns the contents of a link in every encoding that a log might use.
fn secrets(link: &str) -> Vec<String> {
    let invite = Invite::parse(link).unwrap();
    let mut all = vec![fragment(link).to_owned()];
    for part in [invite.address().as_bytes(), &invite.secret().expose()[..]] {
        all.extend([HEXLOWER.encode(part), HEXUPPER.encode(part)]);
        all.extend([BASE64.encode(part), BASE64URL_NOPAD.encode(part)]);
        all.push(format!("{part:?}").trim_matches(['[', ']']).to_owned());
        all.push(String::from_utf8_lossy(part).into_owned());
    }
    all
}

/// Returns every id and tag that the guests wrote.
fn identities(guests: &[Anocm]) -> Vec<String> {
    let mut all = Vec::new();
    for line in guests.iter().flat_map(Anocm::seen) {
        gather(&object(line), &mut all);
    }
    all.sort();
    all.dedup();
    all
}

fn gather(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value.as_str()) {
                    ("id" | "me", Some(id)) => into.push(id.to_owned()),
                    ("tag", Some(tag)) => into.push(format!("#{tag}")),
                    _ => gather(value, into),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| gather(value, into)),
        _ => {}
    }
}

/// Whether this is a timestamp like `2026-11-05T14:03:59`, which precedes each line.
fn is_time(word: &str) -> bool {
    word.starts_with("20") && word.get(10..11) == Some("T")
}

fn object(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

fn text(value: &Value, at: &str) -> String {
    value.pointer(at).unwrap().as_str().unwrap().to_owned()
}
