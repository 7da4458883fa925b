use std::time::Duration;

use anocm_core::{
    Command, Retention, Timestamp,
    room::{CommandError, Ended, Member, Role},
    testing::sample,
};
use tokio::sync::mpsc;

use super::*;
use crate::{
    lines::Lines,
    printer::Outlet,
    room::script::Scripted,
    signals::Stop,
    talk::{Ends, Manner, Outcome, talk},
};

fn alice() -> Member {
    sample::member("Alice".parse().unwrap(), 1, Role::Owner)
}

fn bob() -> Member {
    sample::member("Bob".parse().unwrap(), 2, Role::Member)
}

fn room() -> Scripted {
    Scripted::new(sample::view(&[alice(), bob()]))
}

async fn run(
    mut room: Scripted,
    input: &'static str,
    manner: Manner,
) -> (String, Outcome, Scripted) {
    let mut written = Vec::new();
    let (_keep, stops) = mpsc::channel(1);
    let ends = Ends { lines: Lines::of(input.as_bytes()), stops, outlet: Outlet::wide() };
    let mut plain = Plain::new(&mut written, false, false);
    let well = talk(&mut room, &mut plain, ends, manner).await;
    (String::from_utf8(written).unwrap(), well, room)
}

#[tokio::test(start_paused = true)]
async fn a_conversation_is_written_line_by_line() {
    let five = Retention::keep(Duration::from_secs(300)).unwrap();
    let mut whisper = sample::message(&bob(), 2, "psst\x1b[2J\nentered: x", Retention::Live, None);
    whisper.whispered_to = Some(alice());
    let kept = sample::message(&bob(), 1, "hello", five, Some(Timestamp::from_millis(300_000)));
    let room = room()
        .then(RoomEvent::Entered)
        .then(RoomEvent::Message(kept.clone()))
        .then(RoomEvent::Message(whisper.clone()))
        .then(RoomEvent::Expired { id: kept.id })
        .then(RoomEvent::Expired { id: whisper.id })
        .after_commands(2)
        .then(RoomEvent::Ended(Ended::Left));
    let (written, well, room) = run(room, "hi\n/nonsense\n", Manner::default()).await;
    let (a, b) = (alice().tag, bob().tag);
    // The position of the error among the events depends on the thread that reads the input.
    let (errors, told): (Vec<_>, Vec<_>) =
        written.lines().partition(|line| line.starts_with("error: "));
    assert_eq!(errors.len(), 1);
    assert_eq!(
        told,
        [
            format!("entered: Alice #{a}").as_str(),
            &format!("<Bob #{b}> hello  [5m]"),
            &format!("(whisper) <Bob #{b}> psst\u{fffd}[2J⏎entered: x  [live]"),
            &format!("expired: a message of Bob #{b}"),
            "ended: you left",
        ]
    );
    assert_eq!(well, Outcome::Well);
    assert!(matches!(room.asked().as_slice(), [Command::Send { .. }, Command::Leave]));
}

#[tokio::test(start_paused = true)]
async fn a_room_that_ends_by_itself_is_no_success() {
    let room =
        room().then(RoomEvent::Entered).then(RoomEvent::Ended(Ended::Removed { by: bob().id }));
    let manner = Manner { stay: true, ..Manner::default() };
    let (written, well, _) = run(room, "", manner).await;
    assert!(written.ends_with(&format!("ended: you were removed by Bob #{}\n", bob().tag)));
    assert_eq!(well, Outcome::Lost);
}

#[tokio::test(start_paused = true)]
async fn a_line_without_place_in_the_queue_is_tried_again_and_not_lost() {
    let mut room =
        room().then(RoomEvent::Entered).after_commands(3).then(RoomEvent::Ended(Ended::Left));
    room.answer = Some(CommandError::QueueFull);
    let (written, _, room) = run(room, "hi\n", Manner::default()).await;
    assert!(!written.contains("error"));
    for command in room.asked() {
        assert!(matches!(command, Command::Send { text, .. } if text == "hi"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_signal_leaves_and_a_second_one_does_not_wait() {
    let mut room = room().then(RoomEvent::Entered).after_commands(9);
    let (stop, stops) = mpsc::channel(2);
    stop.send(Stop::Requested).await.unwrap();
    stop.send(Stop::Requested).await.unwrap();
    let manner = Manner { stay: true, ..Manner::default() };
    let mut plain = Plain::new(Vec::new(), false, false);
    let started = tokio::time::Instant::now();
    let ends = Ends { lines: Lines::of(&b""[..]), stops, outlet: Outlet::wide() };
    talk(&mut room, &mut plain, ends, manner).await;
    assert!(started.elapsed() < crate::talk::LEAVING);
    assert!(matches!(room.asked().as_slice(), [Command::Leave]));
}

#[tokio::test(start_paused = true)]
async fn a_hang_up_that_is_told_twice_leaves_and_takes_less_than_a_second() {
    let mut room = room().then(RoomEvent::Entered).after_commands(9);
    let (stop, stops) = mpsc::channel(2);
    stop.send(Stop::HungUp).await.unwrap();
    stop.send(Stop::HungUp).await.unwrap();
    let manner = Manner { stay: true, ..Manner::default() };
    let mut plain = Plain::new(Vec::new(), false, false);
    let started = tokio::time::Instant::now();
    let ends = Ends { lines: Lines::of(&b""[..]), stops, outlet: Outlet::wide() };
    talk(&mut room, &mut plain, ends, manner).await;
    // The full timeout, since the room does not reply.
    assert_eq!(started.elapsed(), crate::talk::HANGING_UP);
    assert!(matches!(room.asked().as_slice(), [Command::Leave]));
}

#[test]
fn members_are_listed_with_role_and_presence() {
    let mut view = sample::view(&[alice(), bob()]);
    view.here.pop();
    view.members[1].look_alike = true;
    let mut written = Vec::new();
    let mut plain = Plain::new(&mut written, false, true);
    let line = Line::Text(Zeroizing::new("/members".to_owned()));
    plain.line(line, &Scripted::new(view)).unwrap();
    assert_eq!(
        String::from_utf8(written).unwrap(),
        format!(
            "member: Alice #{}, owner, here\n\
             member: Bob #{}, member, away, can be mistaken for another\n",
            alice().tag,
            bob().tag
        )
    );
}
