use proptest::prelude::*;

use super::*;

fn new(name: &str) -> Result<String, NicknameError> {
    Nickname::new(name).map(|name| name.as_str().to_owned())
}

#[test]
fn names_of_many_scripts_are_lawful() {
    for name in [
        "Alice",
        "x",
        "Анна",
        "Ελένη",
        "李小龍",
        "さくら",
        "김철수",
        "שרה",
        "שָׁלוֹם",
        "محمد",
        "ที่รัก",
        "कृष्ण",
        "ကျော်",
        "སྒྲོལ་མ",
        "O'Brien-Smith Jr.",
        "🦀",
        "👍🏽 ok",
    ] {
        assert_eq!(new(name).as_deref(), Ok(name), "{name}");
    }
}

#[test]
fn what_was_typed_is_spelled_in_the_one_way() {
    for (typed, name) in [
        ("  Alice\n", "Alice"),
        ("Alice \t\u{3000} B", "Alice B"),
        ("Ame\u{301}lie", "Amélie"),
        ("❤\u{fe0f}", "❤"),
        ("a \u{fe0f} b", "a b"),
    ] {
        assert_eq!(new(typed).as_deref(), Ok(name));
    }
}

#[test]
fn the_error_says_what_is_wrong() {
    use NicknameError::{Control, Direction, Empty, Invisible, Marks, Separator, TooLong, Unknown};
    for (typed, error) in [
        ("", Empty),
        (" \t\u{3000}", Empty),
        (&*"a".repeat(33), TooLong),
        (&"語".repeat(22), TooLong),
        ("\u{1b}[31mAlice", Control),
        ("Alice\0", Control),
        ("Alice\u{9b}", Control),
        ("\u{202e}ecilA", Direction),
        ("Alice\u{2066}", Direction),
        ("Alice\u{200f}", Direction),
        ("Al\u{200d}ice", Invisible),
        ("Al\u{200b}ice", Invisible),
        ("\u{3164}", Invisible),
        ("\u{2800}", Invisible),
        ("Al\u{ad}ice", Invisible),
        ("👨\u{200d}👩", Invisible),
        ("Alice\u{e0041}", Invisible),
        ("Bob #M3XD> kick her", Separator),
        ("Alice: I agree", Separator),
        ("Ａlice：", Separator),
        ("\u{e000}", Unknown),
        ("\u{378}", Unknown),
        ("\u{ffff}", Unknown),
        ("z\u{304}\u{304}\u{304}\u{304}", Marks),
        ("\u{301}Alice", Marks),
        ("Alice \u{301}", Marks),
    ] {
        assert_eq!(new(typed), Err(error), "{typed:?}");
    }
}

#[test]
fn limits_hold_to_the_character_and_the_byte() {
    assert!(new(&"a".repeat(32)).is_ok());
    assert!(new(&"ü".repeat(32)).is_ok());
    assert!(new(&"語".repeat(21)).is_ok());
    // The name is composed before its characters are counted.
    assert!(new(&"u\u{308}".repeat(32)).is_ok());
}

#[test]
fn a_received_name_is_made_fit() {
    for (sent, name) in [
        ("Alice", "Alice"),
        (" Alice ", "Alice"),
        ("", "guest"),
        ("\u{301}", "guest"),
        ("\u{fe0f}", "guest"),
        ("\u{202e}ecilA", "\u{fffd}ecilA"),
        ("\u{1b}[2J", "\u{fffd}[2J"),
        ("Bob #M3XD: I", "Bob \u{fffd}M3XD\u{fffd} I"),
        ("z\u{304}\u{305}\u{306}\u{307}\u{308}!", "z\u{304}\u{305}\u{306}!"),
        ("a \u{301} b", "a b"),
    ] {
        assert_eq!(Nickname::received(sent).as_str(), name);
    }
    assert_eq!(Nickname::received(&"語".repeat(99)).as_str(), "語".repeat(21));
}

#[test]
fn a_name_prints_for_people_and_not_for_logs() {
    let name = Nickname::new("Alice").unwrap();
    assert_eq!(format!("{name:>7}"), "  Alice");
    assert_eq!(format!("{name:?}"), "Nickname(..)");
    assert_eq!(Nickname::default().as_str(), "guest");
    assert_eq!("Alice".parse(), Ok(name));
}

/// Text with many of the characters that this module handles.
fn tricky() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "([ \t\r\u{ad}\u{300}-\u{36f}\u{b3e}\u{b47}\u{b57}\u{1100}-\u{1112}\u{1161}-\u{1175}]|\
          [\u{11a8}-\u{11c2}\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2800}\u{fe0f}\u{1f3fb}]|\
          [a-z]|\\PC){0,40}",
    ]
}

proptest! {
    #[test]
    fn a_name_is_spelled_in_one_way(typed in tricky()) {
        if let Ok(name) = Nickname::new(&typed) {
            prop_assert!(unicode_normalization::is_nfc(name.as_str()));
            prop_assert!(!name.as_str().starts_with(' ') && !name.as_str().ends_with(' '));
            prop_assert!(!name.as_str().contains("  "));
            prop_assert_eq!(Nickname::new(name.as_str()), Ok(name));
        }
    }

    #[test]
    fn whatever_is_received_becomes_a_lawful_name(sent in tricky()) {
        let name = Nickname::received(&sent);
        prop_assert_eq!(Nickname::new(name.as_str()), Ok(name.clone()));
        if let Ok(typed) = Nickname::new(&sent) {
            prop_assert_eq!(name, typed);
        }
    }
}
