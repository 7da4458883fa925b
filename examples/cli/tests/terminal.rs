//! The screen, driven through a pseudo-terminal and inspected.
#![cfg(unix)]

mod common;

use common::{Anocm, ESCAPE, Look, PANIC_KEY, Server, Terminal, are_two};
use serde_json::json;

/// Bob joins as the README says: without an argument, by pasting the link at the prompt.
fn join(link: &str, columns: u16, rows: u16) -> Terminal {
    let mut bob = Terminal::start(&["join", "--nick", "Bob"], columns, rows);
    bob.see("paste the link of the room (it is not shown)");
    bob.enter(link);
    let look = bob.see("entered: Bob #");
    assert!(!look.all().contains(common::fragment(link)));
    bob.see("2 of 2 here");
    bob
}

/// Returns the rows right of the line between conversation and members.
fn panel(look: &Look) -> Vec<String> {
    let beside = |row: &String| row.split_once('│').map(|(_, right)| right.trim_end().to_owned());
    look.rows.iter().filter_map(beside).filter(|row| !row.is_empty()).collect()
}

#[test]
fn two_talk_on_screens_of_two_sizes() {
    let (mut alice, link) = Terminal::open(&[], 80, 24);
    let mut bob = join(&link, 120, 40);
    alice.see("joined: Bob #");
    let look = alice.see("2 of 2 here");
    assert!(look.rows[0].starts_with("anocm · online · 2 of 2 here · your room"), "{look:#?}");
    bob.see("2 of 2 here · confirmed");
    assert!(look.rows[0].contains("relay: "));
    assert!(look.rows[1].starts_with("safety "));
    assert!(look.rows[1].contains("keeps 5m (live to 1d)"));
    assert!(look.rows[23].starts_with("[5m] > a message, or /help"));
    assert_eq!(look.titles, ["anocm"]);

    // Long enough for the first hour of it to be seen, however busy the machine.
    alice.say("/keep 1d");
    alice.see("[1d] > ");
    alice.say("hello Bob");
    let look = bob.wait("a countdown", |look| {
        look.row(": hello Bob")
            .is_some_and(|row| row.starts_with("Alice #") && row.contains(" 23h "))
    });
    let members = panel(&look);
    assert!(members[0].starts_with("● Alice #") && members[0].ends_with(" owner"), "{members:?}");
    assert!(members[1].starts_with("● Bob #"), "{members:?}");

    bob.keys("hel");
    let look = alice.see(" is typing");
    assert!(look.rows[22].starts_with("Bob #"), "{look:#?}");
    assert!(panel(&look).iter().any(|row| row.ends_with('✎')), "{look:#?}");
    bob.keys("lo\r");
    alice.wait("the message instead", |look| look.has(": hello") && !look.has(" is typing"));

    bob.say("/w Alice psst");
    let look = alice.see(": psst");
    assert!(look.row(": psst").unwrap().starts_with("(whisper) Bob #"), "{look:#?}");
    let look = bob.see(": psst");
    assert!(look.row(": psst").unwrap().starts_with("(whisper to Alice #"), "{look:#?}");
}

#[test]
fn pages_show_what_was_asked_for() {
    let (mut alice, link) = Terminal::open(&[], 80, 24);
    alice.say("/members");
    let look = alice.see("> Esc goes back");
    assert!(look.rows[0].starts_with("● Alice #") && look.rows[0].trim_end().ends_with("owner"));
    alice.go_back();

    alice.say("/safety");
    let look = alice.see("> Esc goes back");
    assert!(look.rows[0].starts_with("Compare the twelve words"));
    let words = look.rows.iter().filter(|row| row.split_whitespace().count() == 6);
    assert!(words.count() >= 2, "{look:#?}");
    alice.go_back();

    alice.say("/help");
    let look = alice.see("> Esc goes back");
    for command in ["/keep TIME", "/whisper NAME TEXT", "/burn", "//text", "Ctrl-X"] {
        assert!(look.has(command), "{look:#?}");
    }
    alice.go_back();

    alice.say("/link");
    assert_eq!(alice.see("Whoever has this link").link(), link);
    alice.keys(ESCAPE);
    // The whole code: from the margin above to the margin below.
    let look = alice.see("> Esc goes back");
    let code: Vec<_> = look.rows.iter().take_while(|row| row.contains(['█', '▀', '▄'])).collect();
    let width = code[0].trim_end().chars().count();
    assert!(code[0].trim_end().chars().all(|c| c == '█'), "{look:#?}");
    assert!(
        code.iter().all(|row| row.starts_with(['█', '▀']) && row.trim_end().ends_with(['█', '▀']))
    );
    assert!(width.abs_diff(2 * code.len()) <= 5, "{width} by {}", code.len());
    assert!(look.rows[23].starts_with("[5m] > Esc goes back"));
}

#[test]
fn a_whisper_typed_on_a_page_is_a_whisper() {
    let mut alice = Terminal::start(&["new", "--nick", "Alice"], 120, 40);
    let link = alice.see("Whoever has this link can come in").link();
    let mut bob = Anocm::join(&link, &["--nick", "Bob"]);
    let mut carol = Anocm::join(&link, &["--nick", "Carol"]);
    bob.wait("joined: Carol #");
    alice.say("/w Bob between us");
    let line = bob.wait("between us");
    assert!(line.starts_with("(whisper) <Alice #"), "{line}");
    alice.say("for all");
    for line in carol.up_to("for all") {
        assert!(!line.contains("between us"), "{line}");
    }
    // Escape and the keys after it arrive in one piece, as over a slow network.
    alice.say("/help");
    alice.see("/whisper NAME TEXT");
    alice.say(&format!("{ESCAPE}/w Bob and this"));
    let line = bob.wait("and this");
    assert!(line.starts_with("(whisper) <Alice #"), "{line}");
}

#[test]
fn what_is_pasted_keeps_its_lines_and_tabs() {
    let (mut alice, link) = Anocm::open(&[]);
    let mut bob = Anocm::start(&["join", "--json", "--nick", "Bob", "-"]);
    bob.say(&link);
    bob.wait("\"event\":\"entered\"");
    alice.wait("joined: Bob #");
    let mut carol = Terminal::start(&["join", "--nick", "Carol"], 80, 24);
    carol.enter(&link);
    carol.see("3 of 3 here");
    carol.paste("if x:\r\ty\r\rz");
    carol.see("> if x:⏎");
    carol.keys("\r");
    let line = bob.wait("\"event\":\"message\"");
    assert!(line.contains(r#""text":"if x:\n\ty\n\nz""#), "{line}");
}

#[test]
fn a_wide_screen_shows_link_and_code_together() {
    let alice = Terminal::start(&["new"], 120, 40);
    let look = alice.see("> Esc goes back");
    assert!(look.has("█"));
    assert!(look.link().starts_with("http://127.0.0.1:"));
}

#[test]
fn a_message_vanishes_when_its_time_has_come() {
    let (mut alice, link) = Terminal::open(&[], 80, 24);
    let mut bob = Anocm::join(&link, &["--nick", "Bob"]);
    bob.say("this stays");
    alice.see("this stays");
    // Only now, with everything in place, and long enough to be seen on a busy machine.
    bob.say("/keep 15s");
    bob.say("this goes");
    alice.see("this goes");
    alice.say("/keep 15s");
    alice.see("[15s] > ");
    alice.say("mine goes, too");
    alice.see(": mine goes, too");
    alice.wait("the end of its time", |look| look.has("this stays") && !look.has("this goes"));
    let look = alice.wait("its end", |look| !look.has("mine goes"));
    assert!(look.has("this stays"), "{look:#?}");
    assert!(!look.all().contains("this goes") && !look.all().contains("mine goes"), "{look:#?}");
}

#[test]
fn the_picture_follows_the_window() {
    let (mut alice, link) = Terminal::open(&[], 80, 24);
    let mut bob = Anocm::join(&link, &["--nick", "Bob"]);
    bob.say("a word and then many others so that one row of the window does not hold them all");
    alice.see("a word and then");
    alice.resize(40, 12);
    let look = alice.wait("a small picture", |look| {
        look.rows[0].starts_with("anocm · online") && look.rows[11].starts_with("[5m] > ")
    });
    assert!(look.has("a word and then") && look.has("│ ") && !look.has("● Alice"), "{look:#?}");
    alice.resize(120, 40);
    let look = alice.wait("a large picture", |look| {
        look.rows.len() == 40 && look.rows[39].starts_with("[5m] > ") && look.has("● Bob")
    });
    assert!(look.has("so that one row of the window does not hold"), "{look:#?}");
}

#[test]
fn hostile_text_does_not_touch_the_picture() {
    let server = Server::start(&[]);
    let (alice, link) = Terminal::open(&["--relay", &server.url], 80, 24);
    let mut eve = Anocm::start(&["join", "--json", "--nick", "Eve", "-"]);
    eve.say(&link);
    eve.wait("\"event\":\"entered\"");
    let hostile = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{1b}]52;c;b3duZWQ=\u{7}\u{1b}[?1049l\u{9b}3J\r\n\u{202e}gnitirw\u{2066}\u{0}\u{8}\t\u{200b}end";
    eve.say(&json!({"do": "say", "text": hostile}).to_string());
    let look = alice.see("end");
    assert!(look.taken && look.rows[0].starts_with("anocm · online"), "{look:#?}");
    assert!(look.rows[23].starts_with("[5m] > "), "{look:#?}");
    assert_eq!((look.titles.as_slice(), look.others.len()), (&["anocm".to_owned()][..], 0));
    assert!(!look.all().contains(['\u{202e}', '\u{2066}', '\u{7}', '\u{1b}']), "{look:#?}");
    // The line between the conversation and the members is straight.
    let beside = |row: &&String| row.chars().position(|c| c == '│') == Some(53);
    assert!(look.rows[2..22].iter().all(|row| beside(&row) || row.starts_with('│')), "{look:#?}");

    for name in ["\u{202e}ecilA", "A\u{1b}[31m", "a\u{7}b"] {
        eve.say(&json!({"do": "rename", "name": name, "ref": "r"}).to_string());
        let line = eve.wait("\"ref\":\"r\"");
        assert!(line.contains("\"error\""), "{name:?}: {line}");
    }
    // A similar name is allowed and marked.
    eve.say(&json!({"do": "rename", "name": "\u{410}lice"}).to_string());
    alice.see("looks like another");
}

#[test]
fn the_panic_key_leaves_nothing() {
    let (mut alice, link) = Terminal::open(&[], 80, 24);
    let mut bob = Anocm::join(&link, &["--nick", "Bobolink"]);
    bob.say("something unspeakable");
    alice.see("something unspeakable");
    alice.keys("half a sent");
    alice.see("half a sent");
    assert!(alice.look().taken);
    alice.keys(PANIC_KEY);
    let (code, left) = alice.end();
    assert_eq!(code, Some(0));
    assert!(!left.taken);
    // Earlier output of the shell is gone, too: clearing the scrollback clears all of it.
    assert_eq!(left.all().trim(), "");
    if are_two() {
        // No leave was sent on her behalf, and the room has other members.
        bob.say("is anybody here?");
        bob.wait("> is anybody here?");
    } else {
        // The relay was embedded in her process, too.
        bob.wait("ended: the room is gone");
    }
}

#[test]
fn ctrl_c_leaves_and_gives_the_terminal_back() {
    let (mut alice, link) = Terminal::open(&[], 80, 24);
    let mut bob = join(&link, 80, 24);
    alice.see("joined: Bob #");
    alice.say("between us");
    bob.see("between us");
    bob.keys("\x03");
    let (code, left) = bob.end();
    assert_eq!(code, Some(0));
    assert!(!left.taken && left.has("$ earlier command 47"), "{left:#?}");
    assert!(!left.all().contains("between us") && !left.all().contains("Alice"), "{left:#?}");
    alice.see("left: Bob #");
}

#[test]
fn the_end_of_a_room_is_said_on_the_cleared_terminal() {
    let server = Server::start(&[]);
    let (mut alice, link) = Terminal::open(&["--relay", &server.url], 80, 24);
    let mut bob = join(&link, 80, 24);
    alice.see("joined: Bob #");
    alice.say("/kick Bob");
    let (code, left) = bob.end();
    assert_eq!(code, Some(1));
    assert!(left.has("ended: you were removed"), "{left:#?}");
    assert!(!left.all().contains("Alice"), "{left:#?}");
    // While the relay is away, the header shows that.
    let address = server.kill();
    let look = alice.see("trying again in ");
    assert!(look.rows[0].starts_with("anocm · trying again in "), "{look:#?}");
    let _new = Server::start_at(&address, &[]);
    let (code, left) = alice.end();
    assert_eq!(code, Some(1));
    assert!(left.has("ended: the room is gone"), "{left:#?}");
}
