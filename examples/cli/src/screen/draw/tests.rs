use std::time::Duration;

use anocm_core::{
    Invite, RelayUrl, Retention, RoomAddress, RoomEvent, Secret,
    room::{Confirmation, Connection, Member, Message, Role},
    testing::sample,
    transport::TransportError,
    wire::Posture,
};
use ratatui::{Terminal, backend::TestBackend};

use super::*;
use crate::act::Page;

fn alice() -> Member {
    sample::member("Alice".parse().unwrap(), 1, Role::Owner)
}

fn bob() -> Member {
    sample::member("Bob".parse().unwrap(), 2, Role::Member)
}

fn view() -> RoomView {
    sample::view(&[alice(), bob()])
}

fn state() -> State {
    State::new(Look::plain(false), true)
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn kept(from: &Member, number: u8, text: &str) -> Message {
    let retention = Retention::keep(Duration::from_secs(300)).unwrap();
    sample::message(from, number, text, retention, Some(at(300_000)))
}

/// Returns the screen as rows without trailing spaces.
fn drawn(state: &mut State, view: &RoomView, now: Timestamp, size: (u16, u16)) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    terminal.draw(|frame| draw(frame, state, view, now)).unwrap();
    let buffer = terminal.backend().buffer();
    let row = |y| {
        let cells = (0..size.0).map(|x| buffer[(x, y)].symbol());
        cells.collect::<String>().trim_end().to_owned()
    };
    (0..size.1).map(row).collect()
}

#[test]
fn a_conversation_counts_down() {
    let mut state = state();
    let view = view();
    state.apply(&RoomEvent::Entered, &view, at(0));
    state.apply(&RoomEvent::Message(kept(&bob(), 1, "hello there")), &view, at(0));
    let mut whisper = sample::message(&bob(), 2, "psst", Retention::Live, None);
    whisper.whispered_to = Some(alice());
    state.apply(&RoomEvent::Message(whisper), &view, at(0));
    state.input.insert("hi");
    let (a, b) = (alice().tag, bob().tag);
    let says =
        |left: &str| format!("Bob #{b}: hello there{}{left}", " ".repeat(60 - 22 - left.len()));
    let rows = drawn(&mut state, &view, at(139_500), (60, 9));
    assert_eq!(
        rows,
        [
            "anocm · online · 2 of 2 here · your room · relay: memory onl",
            "keeps 5m (live to 1d)",
            "",
            "",
            &format!("· entered: Alice #{a}"),
            &says("2m 41s"),
            &format!("(whisper) Bob #{b}: psst{}live", " ".repeat(60 - 25 - 4)),
            "",
            "[5m] > hi",
        ]
    );
    let rows = drawn(&mut state, &view, at(140_500), (60, 9));
    assert_eq!(rows[5], says("2m 40s"));
}

#[test]
fn members_stand_beside_a_wide_conversation() {
    let mut state = state();
    let mut view = view();
    view.members[1].look_alike = true;
    view.here.pop();
    let typing = RoomEvent::Typing { member: bob().id };
    state.apply(&typing, &view, at(0));
    let rows = drawn(&mut state, &view, at(0), (80, 7));
    let (a, b) = (alice().tag, bob().tag);
    let left = " ".repeat(53);
    assert_eq!(rows[2], format!("{left}│● Alice #{a} owner"));
    assert_eq!(rows[3], format!("{left}│○ Bob #{b} ✎"));
    assert_eq!(rows[4], format!("{left}│  ⚠ looks like another"));
    assert_eq!(rows[5], format!("Bob #{b} is typing"));
}

#[test]
fn a_long_text_cannot_pass_for_another_message() {
    let mut state = state();
    let forged = format!("x\nAlice #{}: I agree", alice().tag);
    state.apply(&RoomEvent::Message(kept(&bob(), 1, &forged)), &view(), at(0));
    let rows = drawn(&mut state, &view(), at(0), (60, 6));
    assert!(rows[2].starts_with(&format!("Bob #{}: x ", bob().tag)));
    assert_eq!(rows[3], format!("│ Alice #{}: I agree", alice().tag));
}

#[test]
fn orders_to_the_terminal_do_not_get_through() {
    let mut state = state();
    let view = view();
    state.apply(&RoomEvent::Message(kept(&bob(), 1, "a\x1b[2Jb\x07\u{9b}3J")), &view, at(0));
    for row in drawn(&mut state, &view, at(0), (60, 8)) {
        assert!(!row.contains(char::is_control), "{row:?}");
    }
}

#[test]
fn what_is_wrong_stands_in_the_header() {
    let mut view = view();
    view.broken = true;
    view.confirmation = Confirmation::Heard { by: bob() };
    view.connection =
        Connection::Waiting { retry_in: Duration::from_secs(3), why: TransportError::Cut };
    view.posture = Posture::Broken;
    let rows = drawn(&mut state(), &view, at(0), (160, 6));
    assert_eq!(
        rows[0],
        "anocm · ROOM BROKEN · trying again in 3s: the connection was cut · \
         not confirmed: owner not heard yet · relay: NOT memory only · 2 of 2 here"
    );
    view.me = None;
    view.broken = false;
    view.connection = Connection::Connecting;
    let rows = drawn(&mut state(), &view, at(0), (60, 6));
    assert_eq!(rows[0], "anocm · connecting · not in the room yet");
}

#[test]
fn looking_back_shows_what_was_before() {
    let mut state = state();
    for number in 1..=9 {
        let said = kept(&bob(), number, &format!("message {number}"));
        state.apply(&RoomEvent::Message(said), &view(), at(0));
    }
    let shows = |rows: &[String], number: u8| {
        rows.iter().any(|row| row.contains(&format!("message {number} ")))
    };
    let rows = drawn(&mut state, &view(), at(0), (60, 7));
    assert!(shows(&rows, 9) && shows(&rows, 7) && !shows(&rows, 6));
    state.scroll += 2;
    let rows = drawn(&mut state, &view(), at(0), (60, 7));
    assert!(shows(&rows, 7) && shows(&rows, 5) && !shows(&rows, 8));
    assert_eq!(rows[5], "PgDn for newer");
    state.scroll = 1_000;
    let rows = drawn(&mut state, &view(), at(0), (60, 7));
    assert!(shows(&rows, 1) && state.scroll == 6);
}

#[test]
fn the_help_names_every_command_and_the_panic_key() {
    let mut state = state();
    state.page = Some(Page::Help);
    let text = drawn(&mut state, &view(), at(0), (90, 30)).join("\n");
    for (usage, _) in crate::commands::HELP {
        assert!(text.contains(usage), "{usage}");
    }
    assert!(text.contains("Ctrl-X") && text.contains("] > Esc goes back"));
}

#[test]
fn the_link_comes_with_its_code_where_there_is_space() {
    let link = "https://relay.example/#AQAHBwcHBwcHBwcHBwcHBwc";
    let relay = RelayUrl::parse("https://relay.example/").unwrap();
    let mut view = view();
    let secret = Secret::new([9; 32]);
    view.invite = Some(Invite::new(relay, RoomAddress::new([7; 16]), secret));
    let mut state = state();
    state.page = Some(Page::Link);
    let text = drawn(&mut state, &view, at(0), (110, 30)).join("\n");
    assert!(text.contains(link) && text.contains('█') && text.contains("] > Esc goes back"));
    let text = drawn(&mut state, &view, at(0), (110, 20)).join("\n");
    assert!(text.contains(link) && !text.contains('█') && text.contains("] > Esc goes back"));
}

#[test]
fn a_code_that_does_not_fit_beside_its_link_comes_after_it() {
    let mut view = view();
    // The second host makes a larger code, for which part of the margin is dropped.
    for host in ["relay.example", "a-relay-with-a-longer-name.example"] {
        let relay = RelayUrl::parse(&format!("https://{host}/")).unwrap();
        let invite = Invite::new(relay, RoomAddress::new([7; 16]), Secret::new([9; 32]));
        let link = invite.to_link();
        view.invite = Some(invite);
        let mut state = state();
        state.page = Some(Page::Link);
        let rows = drawn(&mut state, &view, at(0), (80, 24));
        // Broken at the edge and nowhere else.
        assert_eq!(rows[1..3].concat(), *link);
        assert!(rows[23].ends_with("] > Esc shows it as a QR code"));
        assert_eq!(state.next_page, Some(Page::Code));
        state.page = state.next_page;
        let rows = drawn(&mut state, &view, at(0), (80, 24));
        assert!(rows[..23].iter().all(|row| row.starts_with(['█', '▀'])), "{rows:#?}");
        assert!(rows[0].chars().all(|c| c == '█'));
        assert!(rows[23].ends_with("] > Esc goes back"));
        assert_eq!(state.next_page, None);
    }
}

#[test]
fn a_page_longer_than_the_window_is_shown_to_its_end() {
    let mut state = state();
    let members: Vec<_> = (1..=30)
        .map(|n| sample::member(format!("guest {n}").parse().unwrap(), n, Role::Member))
        .collect();
    let view = sample::view(&members);
    state.page = Some(Page::Members);
    let rows = drawn(&mut state, &view, at(0), (60, 11));
    assert!(rows[0].contains("guest 1 ") && rows[9].contains("guest 10 "), "{rows:#?}");
    assert!(rows[10].ends_with("] > Esc goes back, PgDn shows more"), "{rows:#?}");
    // Beyond the end.
    state.page_top += 500;
    let rows = drawn(&mut state, &view, at(0), (60, 11));
    assert!(rows[0].contains("guest 21 ") && rows[9].contains("guest 30 "), "{rows:#?}");
    state.turn_page();
    assert_eq!((state.page, state.page_top), (None, 0));
}

#[test]
fn what_is_typed_is_seen_under_every_page() {
    let mut state = state();
    state.input.insert("/w Bob secret");
    for page in [Page::Help, Page::Link, Page::Code, Page::Members, Page::Safety] {
        state.page = Some(page);
        let rows = drawn(&mut state, &view(), at(0), (60, 12));
        assert_eq!(rows[11], "[5m] > /w Bob secret", "{page:?}");
    }
}

#[test]
fn a_message_of_line_breaks_alone_leaves_place_for_others() {
    let mut state = state();
    state.apply(&RoomEvent::Message(kept(&bob(), 1, "before")), &view(), at(0));
    let breaks = format!("x{}y", "\n".repeat(14_900));
    state.apply(&RoomEvent::Message(kept(&bob(), 2, &breaks)), &view(), at(0));
    state.scroll = usize::MAX / 2;
    let rows = drawn(&mut state, &view(), at(0), (60, 8));
    assert!(rows[2].contains(": before "), "{rows:#?}");
    assert!(state.scroll < 110, "{}", state.scroll);
}

#[test]
fn a_whisper_keeps_the_tag_of_a_long_name() {
    let mut state = state();
    let mut to = bob();
    to.nickname = "Bartholomew the Elder".parse().unwrap();
    let mut whisper = sample::message(&alice(), 1, "psst", Retention::Live, None);
    whisper.own = true;
    whisper.whispered_to = Some(to);
    state.apply(&RoomEvent::Message(whisper), &view(), at(0));
    let (a, b) = (alice().tag, bob().tag);
    let mut row = |width| {
        let rows = drawn(&mut state, &view(), at(0), (width, 8));
        rows.into_iter().find(|row| row.starts_with('(')).unwrap_or_default()
    };
    assert!(
        row(79).starts_with(&format!("(whisper to Bartholomew the Elder #{b}) Alice #{a}: psst"))
    );
    assert!(row(60).starts_with(&format!("(to Bartholomew the Elder #{b}) Alice #{a}: psst")));
    for width in 30..60 {
        let row = row(width);
        assert!(row.starts_with("(to B") && row.contains(&format!(" #{b}) ")), "{row}");
    }
}

#[test]
fn ascii_is_ascii() {
    let mut state = State::new(Look::plain(true), true);
    let mut view = view();
    view.members[1].look_alike = true;
    state.apply(&RoomEvent::Entered, &view, at(0));
    let long = kept(&bob(), 1, &"word ".repeat(40));
    state.apply(&RoomEvent::Message(long), &view, at(0));
    assert!(drawn(&mut state, &view, at(0), (90, 12)).concat().is_ascii());
}

#[test]
fn no_size_of_the_window_makes_it_panic() {
    let mut state = state();
    state.apply(&RoomEvent::Message(kept(&bob(), 1, "日本語 text\nmore")), &view(), at(0));
    state.input.insert("日本語");
    let mut view = view();
    let relay = RelayUrl::parse("https://relay.example/").unwrap();
    view.invite = Some(Invite::new(relay, RoomAddress::new([7; 16]), Secret::new([9; 32])));
    let pages = [Page::Help, Page::Link, Page::Code, Page::Members, Page::Safety];
    for page in pages.map(Some).into_iter().chain([None]) {
        state.page = page;
        for size in [(1, 1), (2, 3), (5, 4), (11, 6), (81, 5), (79, 2), (300, 100)] {
            drawn(&mut state, &view, at(0), size);
        }
    }
}
