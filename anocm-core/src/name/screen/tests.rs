use proptest::prelude::*;

use super::*;
use crate::name::characters::{is_bidi_control, is_nonspacing};

#[test]
fn ordinary_text_is_borrowed_unchanged() {
    for text in [
        "",
        "Hello, world!",
        "two\nlines\tand a tab",
        "Ünïcödé, Ελληνικά, 漢字, עברית, العربية",
        "a family: 👨\u{200d}👩\u{200d}👧\u{200d}👦",
        "in space: 👩🏽\u{200d}🚀",
        "a pirate: 🏴\u{200d}☠\u{fe0f}, a rainbow: 🏳\u{fe0f}\u{200d}🌈",
        "on fire: ❤\u{fe0f}\u{200d}🔥, a key: 1\u{fe0f}\u{20e3}",
        "Scotland: 🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}!",
        "Persian: می\u{200c}خواهم",
        "Sinhala: ශ්\u{200d}රී, Malayalam: ന്\u{200d}",
        "Khmer: ភាសា\u{200b}ខ្មែរ",
        "Japanese: 葛\u{e0100}",
        "Hebrew: בְּרֵאשִׁ֖ית",
        "Tibetan: བསྒྲུབས",
    ] {
        assert!(matches!(clean_text(text), Cow::Borrowed(same) if same == text), "{text}");
    }
}

#[test]
fn what_could_trick_a_reader_is_made_visible() {
    for (text, cleaned) in [
        ("\u{1b}[2J\u{1b}]0;title\u{7}", "\u{fffd}[2J\u{fffd}]0;title\u{fffd}"),
        ("\u{9b}31mred", "\u{fffd}31mred"),
        ("password\r********", "password\u{fffd}********"),
        ("nul\0 delete\u{7f}", "nul\u{fffd} delete\u{fffd}"),
        ("exe.\u{202e}gpj", "exe.\u{fffd}gpj"),
        ("\u{2066}a\u{2069}", "\u{fffd}a\u{fffd}"),
        ("12\u{200f}34", "12\u{fffd}34"),
        ("Al\u{200d}ice Al\u{200c}ice Al\u{200b}ice", "Al\u{fffd}ice Al\u{fffd}ice Al\u{fffd}ice"),
        ("a\u{2028}b\u{2029}c\u{85}d", "a\u{fffd}b\u{fffd}c\u{fffd}d"),
        ("so\u{ad}ft \u{feff}\u{2060}\u{3164}", "so\u{fffd}ft \u{fffd}\u{fffd}\u{fffd}"),
        ("hidden\u{e0068}\u{e0069}", "hidden\u{fffd}\u{fffd}"),
        ("🏴\u{e0067}\u{e0062}", "🏴\u{fffd}\u{fffd}"),
        ("👩\u{200d}\u{200d}🚀 👩\u{200d}", "👩\u{fffd}\u{fffd}🚀 👩\u{fffd}"),
        ("a\u{fe0f}\u{fe0f} \u{fe0f}", "a\u{fe0f}\u{fffd} \u{fffd}"),
        ("می\u{200c}\u{200c}خواهم", "می\u{fffd}\u{fffd}خواهم"),
    ] {
        assert_eq!(clean_text(text), cleaned, "{text:?}");
    }
}

#[test]
fn line_ends_of_other_systems_become_line_feeds() {
    assert_eq!(clean_text("a\r\nb\r\r\nc\r"), "a\nb\u{fffd}\nc\u{fffd}");
}

#[test]
fn marks_do_not_climb_over_other_lines() {
    let zalgo = format!("z{}a", "\u{300}".repeat(50));
    assert_eq!(clean_text(&zalgo), format!("z{}a", "\u{300}".repeat(4)));
    // Selectors or joiners in between do not raise the limit.
    let broken_up = format!("z{}", "\u{300}\u{fe0f}".repeat(50));
    assert_eq!(clean_text(&broken_up).chars().filter(|c| *c == '\u{fe0f}').count(), 0);
    let thai = format!("ส{}", "\u{e47}".repeat(50));
    assert_eq!(clean_text(&thai).chars().count(), 5);
}

#[test]
fn a_line_stays_a_line() {
    assert_eq!(clean_line("one\ntwo\r\nthree\tfour"), "one two three four");
    assert!(matches!(clean_line("one two"), Cow::Borrowed("one two")));
}

/// Text with many of the characters that this module handles.
fn tricky() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>().prop_map(String::from),
        proptest::sample::select(vec![
            "a",
            " ",
            "\n",
            "\t",
            "\r",
            "\r\n",
            "\u{1b}[31m",
            "\u{300}",
            "\u{e47}",
            "\u{20e3}",
            "\u{200b}",
            "\u{200c}",
            "\u{200d}",
            "\u{180e}",
            "\u{fe0f}",
            "\u{e0100}",
            "\u{180b}",
            "\u{202e}",
            "\u{2066}",
            "\u{feff}",
            "\u{34f}",
            "\u{17b4}",
            "👩",
            "🏽",
            "🚀",
            "❤",
            "1",
            "ی",
            "خ",
            "ා",
            "ර",
            "්",
            "ක",
            "ខ",
            "្",
            "ᠠ",
            "🏴",
            "\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "\u{e007f}",
            "\u{fffd}",
        ])
        .prop_map(str::to_owned),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn cleaning_what_is_clean_changes_nothing(text in tricky()) {
        let once = clean_text(&text);
        prop_assert!(matches!(clean_text(&once), Cow::Borrowed(same) if same == once));
        let line = clean_line(&text);
        prop_assert!(matches!(clean_line(&line), Cow::Borrowed(same) if same == line));
    }

    #[test]
    fn nothing_that_steers_a_screen_gets_through(text in tricky()) {
        let cleaned = clean_text(&text);
        let valid = |c: char| matches!(c, '\n' | '\t') || !c.is_control();
        prop_assert!(cleaned.chars().all(|c| valid(c) && !is_bidi_control(c)));
        let line = clean_line(&text);
        prop_assert!(!line.chars().any(char::is_control));
        let mut run = 0;
        for c in cleaned.chars() {
            run = if is_nonspacing(c) && !is_variation_selector(c) { run + 1 } else { 0 };
            prop_assert!(run <= MAX_MARKS);
        }
    }
}
