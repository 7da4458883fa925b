use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::fd::OwnedFd,
};

use anocm_core::{room::Role, testing::sample};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::{keys::Key, *};
use crate::{args, room::script::Scripted};

fn screen(owner: bool) -> Screen {
    let cli = args::parse(["anocm", "new", "--ascii"]).unwrap();
    Screen::new(cli.command.common(), owner, std::iter::empty())
}

fn room() -> Scripted {
    let members = [("Alice", 1), ("Bob", 2)]
        .map(|(name, n)| sample::member(name.parse().unwrap(), n, Role::Member));
    Scripted::new(sample::view(&members))
}

fn pipe() -> (OwnedFd, OwnedFd) {
    pipe_with(PipeFlags::NONBLOCK).unwrap()
}

/// A screen on a terminal that is read, or not.
struct Held {
    terminal: Terminal<TtyBackend>,
    keys: Source,
    /// The end on which keys are pressed.
    keyboard: File,
    /// The end on which frames arrive.
    picture: File,
}

impl Held {
    fn new() -> Self {
        let ((keys, keyboard), (picture, output)) = (pipe(), pipe());
        let output = Output::to_descriptor(output).unwrap();
        Self {
            terminal: Terminal::new(TtyBackend::new(output)).unwrap(),
            keys: Source::of_descriptor(keys).unwrap(),
            keyboard: keyboard.into(),
            picture: picture.into(),
        }
    }

    /// Returns a screen whose terminal accepts nothing more.
    fn stuck() -> Self {
        let mut held = Self::new();
        let output = &mut held.terminal.backend_mut().output;
        output.write_all(&[b'x'; 1 << 20]).unwrap();
        output.write_now().unwrap();
        assert!(output.is_pending());
        held
    }
}

fn types(screen: &mut Screen, room: &Scripted, text: &str) {
    for c in text.chars() {
        let key = if c == '\r' { Key::Send } else { Key::Insert(Zeroizing::new(c.to_string())) };
        assert!(matches!(screen.key(key, room), Next::On));
    }
}

#[test]
fn what_is_typed_on_a_page_is_neither_lost_nor_something_else() {
    let room = room();
    for page in [Page::Help, Page::Link, Page::Code, Page::Members, Page::Safety] {
        let mut screen = screen(true);
        screen.state.page = Some(page);
        types(&mut screen, &room, "/w Bob quite secret");
        assert_eq!(screen.state.page, Some(page));
        types(&mut screen, &room, "\r");
        assert_eq!(screen.state.page, None);
    }
    // No typing notification was sent to the other members either.
    assert_eq!(room.asked().len(), 5);
    for asked in room.asked() {
        let Command::Whisper { text, .. } = asked else { panic!("something else: {asked:?}") };
        assert_eq!(text, "quite secret");
    }
}

#[test]
fn a_page_is_left_by_escape_and_by_enter_in_an_empty_line() {
    let room = room();
    for key in [Key::Back, Key::Send] {
        let mut screen = screen(true);
        screen.state.page = Some(Page::Link);
        screen.state.next_page = Some(Page::Code);
        screen.key(key.clone(), &room);
        assert_eq!(screen.state.page, Some(Page::Code));
        screen.key(key, &room);
        assert_eq!(screen.state.page, None);
    }
}

#[test]
fn a_line_with_a_fault_is_given_back_where_it_is_seen() {
    let mut screen = screen(true);
    screen.state.page = Some(Page::Members);
    types(&mut screen, &room(), "/whispe Bob secret\r");
    assert_eq!(screen.state.page, None);
    assert_eq!(screen.state.input.take().as_str(), "/whispe Bob secret");
}

#[tokio::test(start_paused = true)]
async fn a_terminal_that_is_gone_is_left_in_less_than_a_second() {
    let mut held = Held::new();
    let (_stop, stops) = mpsc::channel(1);
    // A room that never replies.
    let mut room = room().then(RoomEvent::Entered).after_commands(9);
    drop(held.keyboard);
    let started = Instant::now();
    let ends = (held.keys, stops);
    let mut screen = screen(false);
    let end = screen.talk(&mut room, &mut held.terminal, ends, GuestRetention::default()).await;
    assert!(matches!(end, Ok(End::GivenUp)));
    assert_eq!(started.elapsed(), HANGING_UP);
    assert!(matches!(room.asked().as_slice(), [Command::Leave]));
}

#[tokio::test(start_paused = true)]
async fn a_terminal_that_cannot_be_written_is_gone_too() {
    let mut held = Held::new();
    let (_stop, stops) = mpsc::channel(1);
    let left = RoomEvent::Ended(Ended::Left);
    let mut room = room().then(RoomEvent::Entered).after_commands(1).then(left);
    drop(held.picture);
    let ends = (held.keys, stops);
    let mut screen = screen(false);
    let end = screen.talk(&mut room, &mut held.terminal, ends, GuestRetention::default()).await;
    assert!(matches!(end, Ok(End::Ended(Ended::Left))));
    drop(held.keyboard);
}

#[tokio::test(start_paused = true)]
async fn a_terminal_that_is_stuck_holds_up_neither_signals_nor_keys() {
    for asks in [Stop::Requested, Stop::HungUp] {
        let mut held = Held::stuck();
        let (stop, stops) = mpsc::channel(1);
        stop.send(asks).await.unwrap();
        let left = RoomEvent::Ended(Ended::Left);
        let mut room = room().then(RoomEvent::Entered).after_commands(1).then(left);
        let ends = (held.keys, stops);
        let mut screen = screen(false);
        let end = screen.talk(&mut room, &mut held.terminal, ends, GuestRetention::default()).await;
        assert!(matches!(end, Ok(End::Ended(Ended::Left))), "{asks:?}");
    }
    let mut held = Held::stuck();
    let (_stop, stops) = mpsc::channel(1);
    let mut room = room().then(RoomEvent::Entered).after_commands(9);
    held.keyboard.write_all(b"\x18").unwrap();
    let ends = (held.keys, stops);
    let mut screen = screen(false);
    let end = screen.talk(&mut room, &mut held.terminal, ends, GuestRetention::default()).await;
    assert!(matches!(end, Ok(End::Wipe)));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_drawn_while_nothing_changes() {
    let mut held = Held::new();
    let (_stop, stops) = mpsc::channel(1);
    let mut room = room().then(RoomEvent::Entered).after_commands(9);
    let mut screen = screen(false);
    let ends = (held.keys, stops);
    let talk = screen.talk(&mut room, &mut held.terminal, ends, GuestRetention::default());
    assert!(tokio::time::timeout(Duration::from_secs(3_600), talk).await.is_err());
    let mut drawn = vec![0; 1 << 16];
    let count = held.picture.read(&mut drawn).unwrap();
    // Two frames of a screen of 80 by 24, and redraws when notices vanish.
    assert!(count < 8_000, "{count}");
    assert_eq!(held.picture.read(&mut drawn).unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_is_not_taken_is_forgotten_with_what_it_shows() {
    let mut held = Held::stuck();
    let before = Instant::now();
    let (_stop, stops) = mpsc::channel(1);
    let expired = RoomEvent::Expired { id: anocm_core::MessageId::new([1; 16]) };
    let mut room = room().then(RoomEvent::Entered).then(expired).after_commands(9);
    let mut screen = screen(false);
    let ends = (held.keys, stops);
    let talk = screen.talk(&mut room, &mut held.terminal, ends, GuestRetention::default());
    assert!(tokio::time::timeout(Duration::from_secs(2), talk).await.is_err());
    let output = &mut held.terminal.backend_mut().output;
    // What is pending now was drawn after that.
    assert!(output.is_pending() && !screen.stale);
    assert!(output.stalls_at() > before + Duration::from_millis(500));
}
