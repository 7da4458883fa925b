use std::time::Duration;

use anocm_core::{
    MessageId, Retention, Timestamp,
    room::{
        CommandError, Connection, Departure, Ended, JoinFailure, Member, Role, SendFailure, Trouble,
    },
    testing::sample,
    transport::TransportError,
    wire::Refusal,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::room::script::Scripted;

fn alice() -> Member {
    sample::member("Alice".parse().unwrap(), 1, Role::Owner)
}

fn bob() -> Member {
    sample::member("Bob".parse().unwrap(), 2, Role::Member)
}

fn id(n: u8) -> String {
    hex(&[n; 16])
}

fn person(member: &Member) -> Value {
    serde_json::to_value(Person::of(member)).unwrap()
}

fn ask(room: &Scripted, line: &str) -> (Vec<Value>, Flow) {
    let mut written = Vec::new();
    let line = Line::Text(Zeroizing::new(line.to_owned()));
    let flow = Json::new(&mut written).line(line, room).unwrap();
    let written = String::from_utf8(written).unwrap();
    let answers = written.lines().map(|line| serde_json::from_str(line).unwrap());
    (answers.collect(), flow)
}

fn told(event: &RoomEvent) -> Value {
    let mut room = Scripted::new(sample::view(&[alice(), bob()]));
    room.now = Timestamp::from_millis(1_000);
    let mut written = Vec::new();
    Json::new(&mut written).event(event, &room).unwrap();
    assert!(written.ends_with(b"\n"));
    assert!(written[..written.len() - 1].iter().all(|byte| (b' '..=b'~').contains(byte)));
    serde_json::from_slice(&written).unwrap()
}

#[test]
fn every_command_reaches_the_room() {
    let room = Scripted::new(sample::view(&[alice(), bob()]));
    let bob = id(2);
    let lines = [
        json!({"do": "say", "text": "hi", "retention_ms": 30_000}),
        json!({"do": "whisper", "to": bob, "text": "hi"}),
        json!({"do": "custom", "kind": 7, "body": "00ff"}),
        json!({"do": "typing"}),
        json!({"do": "rename", "name": "Alicia"}),
        json!({"do": "remove", "member": bob}),
        json!({"do": "set_role", "member": bob, "role": "moderator"}),
        json!({"do": "set_room_retention", "min_ms": 0, "default_ms": 1_000, "max_ms": 2_000}),
        json!({"do": "set_keep", "retention_ms": 0}),
        json!({"do": "set_cap", "retention_ms": null}),
        json!({"do": "replace_invite"}),
        json!({"do": "refresh_keys"}),
        json!({"do": "close"}),
    ];
    for line in &lines {
        let (answers, _) = ask(&room, &line.to_string());
        assert_eq!(answers.len(), 1, "{line}");
        assert_eq!(answers[0]["event"], "done", "{line}: {}", answers[0]);
    }
    let asked = room.asked();
    assert_eq!(asked.len(), lines.len());
    let kept = Retention::keep(Duration::from_secs(30)).unwrap();
    assert!(
        matches!(&asked[0], Command::Send { text, retention } if text == "hi" && *retention == Some(kept))
    );
    assert!(matches!(&asked[1], Command::Whisper { to, .. } if to.as_bytes() == &[2; 16]));
    assert!(matches!(&asked[2], Command::Custom { kind: 7, body, .. } if body == &[0, 255]));
    assert!(
        matches!(&asked[8], Command::SetGuestRetention(guest) if guest.default == Some(Retention::Live))
    );
    assert!(matches!(&asked[11], Command::RefreshKeys));
    assert!(matches!(asked.last(), Some(Command::Close)));
}

#[test]
fn answers_carry_the_reference_and_the_id() {
    let room = Scripted::new(sample::view(&[alice()]));
    let (answers, _) = ask(&room, r#"{"do":"say","text":"hi","ref":"a1"}"#);
    assert_eq!(answers, [json!({"event": "done", "ref": "a1", "id": id(9)})]);
    let (answers, _) = ask(&room, r#"{"do":"dance","ref":"a2"}"#);
    assert_eq!((&answers[0]["event"], &answers[0]["ref"]), (&json!("error"), &json!("a2")));
    let (answers, flow) = ask(&room, r#"{"do":"leave"}"#);
    assert_eq!((answers.len(), flow), (0, Flow::Leave));
}

#[test]
fn a_name_is_tidied_as_if_typed_or_refused_with_the_reason() {
    let room = Scripted::new(sample::view(&[alice()]));
    let (answers, _) = ask(&room, r#"{"do":"rename","name":"  Alice  B "}"#);
    assert_eq!(answers[0]["event"], "done");
    let asked = room.asked();
    let [Command::Rename(name)] = asked.as_slice() else { panic!("one new name") };
    assert_eq!(name.as_str(), "Alice B");
    let (answers, _) = ask(&room, r#"{"do":"rename","name":"\u202eecilA"}"#);
    assert!(answers[0]["why"].as_str().unwrap().contains("direction"), "{answers:?}");
}

#[test]
fn what_is_not_understood_is_not_done() {
    let room = Scripted::new(sample::view(&[alice()]));
    for line in [
        "hi",
        "[]",
        "{}",
        r#"{"do":"say"}"#,
        r#"{"do":"say","text":"hi","retention":5}"#,
        r#"{"do":"say","text":"hi","retention_ms":999}"#,
        r#"{"do":"remove","member":"00"}"#,
        r#"{"do":"set_role","member":"02020202020202020202020202020202","role":"owner"}"#,
        r#"{"do":"set_room_retention","min_ms":5000,"default_ms":1000,"max_ms":2000}"#,
        r#"{"do":"set_cap"}"#,
        r#"{"do":"set_keep"}"#,
        r#"{"do":"typing","loud":true}"#,
        r#"{"do":"typing","ref":7}"#,
    ] {
        let (answers, flow) = ask(&room, line);
        assert_eq!(
            (&answers[0]["event"], &answers[0]["code"]),
            (&json!("error"), &json!("bad_request")),
            "{line}"
        );
        assert_eq!(flow, Flow::On);
    }
    assert!(room.asked().is_empty());
}

#[test]
fn what_went_wrong_has_a_code() {
    let mut room = Scripted::new(sample::view(&[alice()]));
    room.answer = Some(CommandError::NotAllowed);
    let (answers, _) = ask(&room, r#"{"do":"replace_invite"}"#);
    assert_eq!(answers[0]["code"], "not_allowed");
    room.answer = Some(CommandError::QueueFull);
    let (answers, flow) = ask(&room, r#"{"do":"say","text":"hi"}"#);
    assert_eq!((&answers[0]["code"], flow), (&json!("queue_full"), Flow::On));
    let id = MessageId::new([9; 16]);
    let why = SendFailure::Refused(Refusal::Full);
    assert_eq!(told(&RoomEvent::NotSent { id, why })["code"], "full");
    let ended = Ended::NotLetIn(JoinFailure::LinkReplaced);
    assert_eq!(told(&RoomEvent::Ended(ended))["code"], "link_replaced");
    let waits = Connection::retrying(Duration::from_secs(1), TransportError::Untrusted);
    assert_eq!(told(&RoomEvent::Connection(waits))["connection"]["code"], "untrusted");
}

#[test]
fn a_message_tells_all_that_is_known_of_it() {
    let kept = Retention::keep(Duration::from_secs(300)).unwrap();
    let expires = Some(Timestamp::from_millis(300_000));
    let message = sample::message(&bob(), 3, "h\u{202e}i\u{9b}2J\n😀", kept, expires);
    assert_eq!(
        told(&RoomEvent::Message(message)),
        json!({
            "event": "message", "id": id(3), "seq": 3, "from": person(&bob()),
            "whispered_to": null, "own": false, "text": "h\u{202e}i\u{9b}2J\n😀",
            "retention_ms": 300_000, "expires_in_ms": 299_000,
        })
    );
}

#[test]
fn events_have_stable_names() {
    let by = alice().id;
    for (event, shape) in [
        (RoomEvent::Heard { by: bob() }, json!({"event": "heard", "by": person(&bob())})),
        (
            RoomEvent::Confirmed { by: alice() },
            json!({"event": "confirmed", "by": person(&alice())}),
        ),
        (RoomEvent::Recovered, json!({"event": "recovered"})),
        (
            RoomEvent::Departed { member: bob(), how: Departure::Removed { by } },
            json!({"event": "removed", "member": person(&bob()), "by": id(1)}),
        ),
        (
            RoomEvent::Departed { member: bob(), how: Departure::Left },
            json!({"event": "left", "member": person(&bob())}),
        ),
        (
            RoomEvent::Joined { member: bob(), again: true },
            json!({"event": "joined", "member": person(&bob()), "again": true}),
        ),
        (
            RoomEvent::Trouble(Trouble::Gap { from: by, count: 2 }),
            json!({"event": "trouble", "kind": "gap", "member": id(1), "count": 2}),
        ),
        (
            RoomEvent::Ended(Ended::Removed { by }),
            json!({"event": "ended", "reason": "removed", "by": id(1)}),
        ),
    ] {
        assert_eq!(told(&event), shape);
    }
}

#[test]
fn the_view_says_what_the_next_message_gets() {
    let entered = told(&RoomEvent::Entered);
    assert_eq!(entered["view"]["me"], json!(id(1)));
    assert_eq!(entered["view"]["next_ms"], json!(300_000));
    assert_eq!(entered["view"]["connection"]["state"], json!("online"));
    assert_eq!(entered["view"]["members"], json!([person(&alice()), person(&bob())]));
}

proptest! {
    #[test]
    fn escaping_changes_no_meaning(text in any::<String>()) {
        let json = serde_json::to_string(&text).unwrap();
        let safe = ascii(&json);
        prop_assert!(safe.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        prop_assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
    }

    #[test]
    fn no_line_makes_it_panic(line in "\\PC{0,60}") {
        let _ = Request::read(&line);
    }
}
