//! What the programs log, however much they are asked to say.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test, helpers included")]

mod common;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use anocm_core::Invite;
use common::{Anocm, Server, Wire, fragment, signal};
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use rustix::process::Signal;
use serde_json::{Value, json};

const VERBOSE: [(&str, &str); 1] = [("RUST_LOG", "trace")];

/// Words that nothing but the conversation holds.
const SAID: [&str; 4] = ["xylophone", "quicksand", "marzipan", "zeppelin"];
const NAMES: [&str; 3] = ["Wilhelmina", "Bartholomew", "Clementine"];

#[test]
fn no_log_tells_of_a_whole_conversation() {
    let mut server = Server::start(&["--log", "trace"]);
    let wire = Wire::to(&server.address());
    let [w, b, c] = NAMES;
    let verbose = ["--json", "-vvv", "--nick"];
    let new = [&["new", "--relay", &server.url], &verbose[..], &[w]].concat();
    let mut alice = Anocm::start_with(&new, &VERBOSE);
    let entered = object(&alice.wait("\"event\":\"entered\""));
    let link = entered["view"]["link"].as_str().unwrap().to_owned();
    let join = |name: &str, link: &str| {
        let words = [&["join"], &verbose[..], &[name, "-"]].concat();
        let mut guest = Anocm::start_with(&words, &VERBOSE);
        guest.say(link);
        let entered = object(&guest.wait("\"event\":\"entered\""));
        (guest, entered["view"]["me"].as_str().unwrap().to_owned())
    };
    let (mut bob, _) = join(b, &link);
    let (mut carol, carol_id) = join(c, &wire.link(&link));
    alice.wait(&carol_id);

    talk_nonsense(&server);
    // Everything that can be done, a lost connection and a refusal included.
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
    let new_link =
        object(&alice.wait("\"event\":\"invite_replaced\""))["link"].as_str().unwrap().to_owned();
    wire.mend();
    carol.wait("\"event\":\"ended\"");
    carol.end();
    let mut late = Anocm::start_with(&["join", "-vvv", "--nick", c, "-"], &VERBOSE);
    late.say(&link);
    late.wait("ended: not let in");
    late.end();
    bob.say(r#"{"do":"leave"}"#);
    bob.end();
    alice.wait("\"event\":\"left\"");
    signal(server.pid(), Signal::TERM);
    alice.wait("\"event\":\"ended\"");
    alice.end();

    let (_, relay) = server.end();
    let guests = [&alice, &bob, &carol, &late].map(Anocm::errors);
    // Or there would be nothing to find anything in.
    assert!(relay.contains(" DEBUG "), "{relay}");
    guests.iter().for_each(|log| assert!(log.contains(" INFO "), "{log}"));
    let announced = format!("listening on {}\n", server.url);
    let logs = [&[relay.replacen(&announced, "", 1)], &guests[..]].concat();
    let members = identities(&[&alice, &bob, &carol]);
    assert!(members.len() > 8, "{members:?}");
    let secrets = [secrets(&link), secrets(&new_link), members].concat();
    for log in &logs {
        for secret in NAMES.iter().chain(&SAID).copied().chain(secrets.iter().map(String::as_str)) {
            assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
        }
        for word in log.split(|c: char| !c.is_ascii_alphanumeric() && !"-_+/".contains(c)) {
            // No key, token or id that was not thought of above, in whatever spelling.
            let digits = word.bytes().filter(u8::is_ascii_digit).count();
            assert!(word.len() < 16 || digits < 2 || is_time(word), "{word} is in the log:\n{log}");
        }
        assert!(!log.contains("127.0.0.1"), "an address is in the log:\n{log}");
    }
}

/// What a relay says something about in any case.
fn talk_nonsense(server: &Server) {
    let mut tcp = TcpStream::connect(server.address()).unwrap();
    tcp.write_all(b"\0\xff\r\n\r\n").unwrap();
    // Until it hangs up, in whatever way.
    let _ = tcp.read_to_end(&mut Vec::new());
}

/// What a link holds, in every spelling that a log might use.
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

/// Every id and tag that the guests wrote.
fn identities(guests: &[&Anocm]) -> Vec<String> {
    let mut all = Vec::new();
    for line in guests.iter().flat_map(|guest| guest.seen()) {
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

/// `2026-11-05T14:03:59` as it stands before each line.
fn is_time(word: &str) -> bool {
    word.starts_with("20") && word.get(10..11) == Some("T")
}

fn object(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}
