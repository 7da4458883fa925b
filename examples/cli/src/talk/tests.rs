use std::{io::Write, sync::mpsc::Receiver, time::Duration};

use anocm_core::{
    MessageId, Retention,
    room::{Connection, Role, RoomView, SendFailure},
    testing::sample,
    transport::TransportError,
};
use tokio::{sync::mpsc, time::Instant};

use super::{session_loop::SENDING, *};
use crate::{json::Json, plain::Plain, printer, room::script::Scripted, signals::Stop};

fn view(waiting: usize) -> RoomView {
    let alice = sample::member("Alice".parse().unwrap(), 1, Role::Owner);
    let mut view = sample::view(&[alice]);
    view.waiting = waiting;
    view
}

fn entered(waiting: usize) -> Scripted {
    Scripted::new(view(waiting)).then(RoomEvent::Entered)
}

fn left(room: Scripted, after: usize) -> Scripted {
    room.after_commands(after).then(RoomEvent::Ended(Ended::Left))
}

fn ends(input: &'static str) -> (Ends, mpsc::Sender<Stop>) {
    let (stop, stops) = mpsc::channel(2);
    (Ends { lines: Lines::of(input.as_bytes()), stops, outlet: Outlet::wide() }, stop)
}

/// Returns the outcome, the output, and the time it took.
async fn run(room: &mut Scripted, input: &'static str) -> (Outcome, String, Duration) {
    let (started, (ends, _stop)) = (Instant::now(), ends(input));
    let mut written = Vec::new();
    let outcome = if input.starts_with('{') {
        talk(room, &mut Json::new(&mut written), ends, Manner::default()).await
    } else {
        talk(room, &mut Plain::new(&mut written, false, false), ends, Manner::default()).await
    };
    (outcome, String::from_utf8(written).unwrap(), started.elapsed())
}

#[test]
fn only_an_end_of_ones_own_is_a_success() {
    let closed = Ended::Closed(CloseReason::Owner);
    assert_eq!(Outcome::of(Ended::Left, false), Outcome::Well);
    assert_eq!(Outcome::of(Ended::Left, true), Outcome::Lost);
    assert_eq!(Outcome::of(closed, true), Outcome::Well);
    assert_eq!(Outcome::of(closed, false), Outcome::Lost);
    assert_eq!(Outcome::of(Ended::Closed(CloseReason::Gone), true), Outcome::Lost);
    assert_eq!(Outcome::of(Ended::DishonestRelay, false), Outcome::Lost);
    assert_eq!(Outcome::of(Ended::Wiped, false), Outcome::Wiped);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_in_time_is_waited_for_and_no_success() {
    let say_and_leave = "{\"do\":\"say\",\"text\":\"hi\"}\n{\"do\":\"leave\"}\n";
    for input in ["hi\n", "hi\n/leave\n", say_and_leave] {
        let mut room = left(entered(1), 2);
        let (outcome, written, took) = run(&mut room, input).await;
        assert_eq!(outcome, Outcome::Lost, "{input}");
        assert_eq!(took, SENDING, "{input}");
        let (warning, end) = (written.find("not all that was said"), written.find("ended"));
        assert!(warning.is_some() && warning < end, "{input}: {written}");
        assert!(matches!(room.asked().as_slice(), [Command::Send { .. }, Command::Leave]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_not_sent_is_no_success() {
    let not_sent = RoomEvent::NotSent { id: MessageId::new([9; 16]), why: SendFailure::Impossible };
    let mut room = left(entered(0).after_commands(1).then(not_sent), 2);
    let (outcome, written, _) = run(&mut room, "hi\n").await;
    assert_eq!(outcome, Outcome::Lost);
    assert!(written.contains("not sent: ") && written.contains("warning: not all"), "{written}");
}

#[tokio::test(start_paused = true)]
async fn a_room_is_left_only_once_it_is_closed_if_that_was_asked_for() {
    for input in
        ["/burn\n/burn\n", "{\"do\":\"close\"}\n", "{\"do\":\"close\"}\n{\"do\":\"leave\"}"]
    {
        let mut room = left(entered(0), 2);
        let (outcome, written, took) = run(&mut room, input).await;
        assert_eq!((outcome, took), (Outcome::Lost, SENDING), "{input}");
        assert!(written.contains("the room is not known to have been closed"), "{written}");

        let closed = RoomEvent::Ended(Ended::Closed(CloseReason::Owner));
        let mut room = entered(0).after_commands(1).then(closed);
        let (outcome, written, _) = run(&mut room, input).await;
        assert_eq!(outcome, Outcome::Well, "{input}");
        assert!(!written.contains("warning"), "{written}");
        assert!(matches!(room.asked().as_slice(), [Command::Close]));
    }
}

/// Output that triggers a stop as soon as this word is written.
struct Stopping(&'static str, mpsc::Sender<Stop>);

impl Write for Stopping {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.starts_with(self.0.as_bytes()) {
            // Once is enough.
            let _ = self.1.try_send(Stop::Requested);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_when_left_at_once_is_lost_unless_it_was_a_sign_of_life() {
    let silent = ("", "entered", 1, Outcome::Well);
    let said = ("hi\n/help\n", "note", 2, Outcome::Lost);
    for (input, word, commands, outcome) in [silent, said] {
        // The view of a room that has ended.
        let mut over = view(1);
        over.me = None;
        let mut room = left(Scripted::new(over).then(RoomEvent::Entered), commands);
        let (ends, stop) = ends(input);
        let manner = Manner { stay: true, ..Manner::default() };
        let mut plain = Plain::new(Stopping(word, stop), false, false);
        assert_eq!(talk(&mut room, &mut plain, ends, manner).await, outcome, "{input}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_guest_who_does_not_get_in_gives_up_in_time_and_says_why() {
    let waiting = Connection::Waiting {
        retry_in: Duration::from_secs(1),
        why: TransportError::ProxyUnreachable,
    };
    let mut room = left(Scripted::new(view(0)).then(RoomEvent::Connection(waiting)), 1);
    let (ends, _stop) = ends("hi\n");
    let manner = Manner { entering: Joining::new(None, false), ..Manner::default() };
    let (started, mut written) = (Instant::now(), Vec::new());
    let outcome = talk(&mut room, &mut Plain::new(&mut written, false, false), ends, manner).await;
    assert_eq!((outcome, started.elapsed()), (Outcome::Lost, Duration::from_secs(60)));
    let written = String::from_utf8(written).unwrap();
    assert!(
        written.contains("not in the room within 60s: the proxy cannot be reached"),
        "{written}"
    );
    assert!(matches!(room.asked().as_slice(), [Command::Leave]));
}

/// A reader that reads only when told to.
struct Stalled(Receiver<()>);

impl Write for Stalled {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.recv().map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_fetched_for_a_reader_who_stalls_and_signals_are_heard() {
    const ALL: usize = 2_000;
    let bob = sample::member("Bob".parse().unwrap(), 2, Role::Member);
    let said = sample::message(&bob, 1, &"x".repeat(1_000), Retention::Live, None);
    let room = (0..ALL).fold(entered(0), |room, _| room.then(RoomEvent::Message(said.clone())));
    let mut room = left(room, 1);
    let (read, reader) = std::sync::mpsc::channel();
    let (printer, outlet) = printer::start(Stalled(reader));
    let (ends, stop) = ends("");
    let ends = Ends { outlet, ..ends };
    let manner = Manner { stay: true, ..Manner::default() };
    let mut plain = Plain::new(printer, false, false);
    let (outcome, ()) = tokio::join!(talk(&mut room, &mut plain, ends, manner), async {
        // Paused time advances only when all tasks are idle.
        tokio::time::sleep(Duration::from_secs(3600)).await;
        stop.send(Stop::Requested).await.unwrap();
    });
    assert_eq!(outcome, Outcome::Lost);
    assert!(matches!(room.asked().as_slice(), [Command::Leave]));
    let fetched = ALL - room.steps_left();
    assert!((60..200).contains(&fetched), "{fetched}");
    drop(read);
}
