//! Parses bytes from a terminal as keys (ECMA-48, and the variants that terminals use).
//!
//! Typed input is never lost: an escape character followed by bytes that are no known sequence is
//! the Escape key, and these bytes are parsed on their own. Only unknown sequences with numbers in
//! them, which terminals send and people do not type, are dropped.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

const ESCAPE: u8 = 0x1b;

/// Anything longer is not a sequence.
const LONGEST: usize = 64;

/// The result of parsing the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// More bytes of the token may follow.
    Incomplete,
    /// A token, and its length in bytes.
    Complete(usize, Token),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token {
    Key(KeyEvent),
    PasteBegins,
    Nothing,
}

/// Parses the token that `bytes` begin with. Once the wait for more bytes has `timed_out`, an
/// incomplete sequence is taken as typed.
pub(super) fn first(bytes: &[u8], timed_out: bool) -> Parsed {
    match *bytes {
        [] => Parsed::Incomplete,
        [ESCAPE, ref rest @ ..] => escape(rest, timed_out),
        [byte @ 0..=0x7f, ..] => Parsed::Complete(1, character(byte)),
        _ => multibyte(bytes, timed_out),
    }
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Token {
    Token::Key(KeyEvent::new(code, modifiers))
}

fn plain(code: KeyCode) -> Token {
    key(code, KeyModifiers::NONE)
}

const fn escape_key() -> Parsed {
    Parsed::Complete(1, Token::Key(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE)))
}

fn character(byte: u8) -> Token {
    match byte {
        b'\r' => plain(KeyCode::Enter),
        b'\t' => plain(KeyCode::Tab),
        0x7f => plain(KeyCode::Backspace),
        1..=26 => key(KeyCode::Char((byte - 1 + b'a').into()), KeyModifiers::CONTROL),
        0..0x20 => Token::Nothing,
        byte => plain(KeyCode::Char(byte.into())),
    }
}

/// Parses a character of two to four bytes. Bytes that are not UTF-8 become U+FFFD.
fn multibyte(bytes: &[u8], timed_out: bool) -> Parsed {
    let known = bytes.get(..bytes.len().min(4)).unwrap_or_default();
    let valid = match std::str::from_utf8(known) {
        Ok(text) => text,
        Err(error) if error.valid_up_to() > 0 => {
            std::str::from_utf8(known.get(..error.valid_up_to()).unwrap_or_default())
                .unwrap_or_default()
        }
        Err(error) if error.error_len().is_none() && !timed_out => return Parsed::Incomplete,
        Err(error) => {
            let length = error.error_len().unwrap_or(known.len());
            return Parsed::Complete(length, plain(KeyCode::Char(char::REPLACEMENT_CHARACTER)));
        }
    };
    valid
        .chars()
        .next()
        .map_or(Parsed::Incomplete, |c| Parsed::Complete(c.len_utf8(), plain(KeyCode::Char(c))))
}

/// Parses a sequence, without the escape character that it begins with.
fn escape(rest: &[u8], timed_out: bool) -> Parsed {
    match *rest {
        [] if timed_out => escape_key(),
        [] => Parsed::Incomplete,
        [b'[', ref rest @ ..] => control_sequence(rest, timed_out),
        [b'O'] if !timed_out => Parsed::Incomplete,
        [b'O', last, ..] => match named(last) {
            Some(code) => Parsed::Complete(3, plain(code)),
            // F1 to F4.
            None if matches!(last, b'P'..=b'S') => Parsed::Complete(3, Token::Nothing),
            None if last == b'M' => Parsed::Complete(3, plain(KeyCode::Enter)),
            None => escape_key(),
        },
        [b'\r' | b'\n', ..] => Parsed::Complete(2, key(KeyCode::Enter, KeyModifiers::ALT)),
        [8 | 0x7f, ..] => Parsed::Complete(2, key(KeyCode::Backspace, KeyModifiers::ALT)),
        _ => escape_key(),
    }
}

const fn named(last: u8) -> Option<KeyCode> {
    Some(match last {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'F' => KeyCode::End,
        b'H' => KeyCode::Home,
        _ => return None,
    })
}

/// Parses `ESC [ parameters last`.
fn control_sequence(rest: &[u8], timed_out: bool) -> Parsed {
    let length = rest.iter().take_while(|byte| matches!(byte, 0x20..=0x3f)).count();
    let parameters = rest.get(..length).unwrap_or_default();
    let whole = length + 3;
    let Some(&last) = rest.get(length) else {
        return match (parameters, timed_out || length > LONGEST) {
            (_, false) => Parsed::Incomplete,
            // Typed, or a truncated sequence.
            ([], true) => escape_key(),
            (_, true) => Parsed::Complete(length + 2, Token::Nothing),
        };
    };
    let what = match (last, numbers(parameters)) {
        // A byte that cannot end a sequence is not part of it.
        (..0x40 | 0x7f.., _) if parameters.is_empty() => return escape_key(),
        (..0x40 | 0x7f.., _) => return Parsed::Complete(length + 2, Token::Nothing),
        _ if parameters.is_empty() => return without_numbers(last, rest.get(1), timed_out),
        (b'~', [200, ..]) => Token::PasteBegins,
        (b'~', [27, modifiers, code]) | (b'u', [code, modifiers, _]) => coded(code, modifiers),
        (b'~', [number, modifiers, _]) => {
            numbered(number).map_or(Token::Nothing, |code| key(code, of_number(modifiers)))
        }
        (last, [_, modifiers, _]) => {
            named(last).map_or(Token::Nothing, |code| key(code, of_number(modifiers)))
        }
    };
    Parsed::Complete(whole, what)
}

/// Parses `ESC [ last`, and the byte after that.
fn without_numbers(last: u8, next: Option<&u8>, timed_out: bool) -> Parsed {
    match (last, next) {
        // The function keys of a console.
        (b'[', Some(b'A'..=b'E')) => Parsed::Complete(4, Token::Nothing),
        (b'[', None) if !timed_out => Parsed::Incomplete,
        // Function keys, Shift-Tab, focus events of the window.
        (b'P'..=b'S' | b'Z' | b'I' | b'O', _) => Parsed::Complete(3, Token::Nothing),
        _ => named(last).map_or_else(escape_key, |code| Parsed::Complete(3, plain(code))),
    }
}

/// Returns the first three numbers of `1;5:2;7`, each without the part after its colon; 0 if
/// missing.
fn numbers(parameters: &[u8]) -> [u32; 3] {
    let text = std::str::from_utf8(parameters).unwrap_or_default();
    let mut numbers = [0; 3];
    for (number, part) in numbers.iter_mut().zip(text.split(';')) {
        let digits = part.split(':').next().unwrap_or_default();
        *number = digits.parse().unwrap_or_default();
    }
    numbers
}

const fn numbered(number: u32) -> Option<KeyCode> {
    Some(match number {
        1 | 7 => KeyCode::Home,
        3 => KeyCode::Delete,
        4 | 8 => KeyCode::End,
        5 => KeyCode::PageUp,
        6 => KeyCode::PageDown,
        _ => return None,
    })
}

/// Returns a key by its character's number, as terminals report it that are set to do so.
fn coded(code: u32, modifiers: u32) -> Token {
    let code = match (code, char::from_u32(code)) {
        (13 | 57414, _) => KeyCode::Enter,
        (9, _) => KeyCode::Tab,
        (27, _) => KeyCode::Esc,
        (8 | 127, _) => KeyCode::Backspace,
        // Keys without a character have numbers in a Unicode private use area.
        (0xe000..=0xf8ff, _) | (_, None) => return Token::Nothing,
        (_, Some(c)) if c.is_control() => return Token::Nothing,
        (_, Some(c)) => KeyCode::Char(c),
    };
    key(code, of_number(modifiers))
}

/// The number is one more than a bit set of modifiers.
fn of_number(number: u32) -> KeyModifiers {
    let bits = number.saturating_sub(1);
    let mut modifiers = KeyModifiers::NONE;
    for (bit, modifier) in
        [(1, KeyModifiers::SHIFT), (2, KeyModifiers::ALT), (4, KeyModifiers::CONTROL)]
    {
        if bits & bit != 0 {
            modifiers |= modifier;
        }
    }
    modifiers
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(mut bytes: &[u8]) -> Vec<Token> {
        let mut keys = Vec::new();
        while let Parsed::Complete(length, what) = first(bytes, true) {
            keys.push(what);
            bytes = &bytes[length..];
        }
        assert!(bytes.is_empty());
        keys
    }

    fn char(c: char) -> Token {
        plain(KeyCode::Char(c))
    }

    fn control(c: char) -> Token {
        key(KeyCode::Char(c), KeyModifiers::CONTROL)
    }

    #[test]
    fn characters_and_controls_are_keys() {
        assert_eq!(keys("aä日👍".as_bytes()), ['a', 'ä', '日', '👍'].map(char));
        assert_eq!(keys(b"\x18\x03\n"), [control('x'), control('c'), control('j')]);
        let named = [KeyCode::Enter, KeyCode::Tab, KeyCode::Backspace];
        assert_eq!(keys(b"\r\t\x7f"), named.map(plain));
        assert_eq!(keys(b"\xff\xe4x"), [char('\u{fffd}'), char('\u{fffd}'), char('x')]);
    }

    #[test]
    fn sequences_are_keys_in_all_their_forms() {
        let up = [KeyCode::Up, KeyCode::Up, KeyCode::PageDown, KeyCode::Home].map(plain);
        assert_eq!(keys(b"\x1b[A\x1bOA\x1b[6~\x1b[1~"), up);
        assert_eq!(keys(b"\x1b[1;5C"), [key(KeyCode::Right, KeyModifiers::CONTROL)]);
        assert_eq!(keys(b"\x1b\r"), [key(KeyCode::Enter, KeyModifiers::ALT)]);
        assert_eq!(keys(b"\x1b[200~"), [Token::PasteBegins]);
        // The panic key of a terminal that reports keys by numbers, in both encodings.
        assert_eq!(keys(b"\x1b[120;5u\x1b[27;5;120~"), [control('x'), control('x')]);
    }

    #[test]
    fn escape_and_what_is_typed_after_it_are_not_lost() {
        let escape = || plain(KeyCode::Esc);
        assert_eq!(keys(b"\x1b/w"), [escape(), char('/'), char('w')]);
        assert_eq!(keys(b"\x1bOK"), [escape(), char('O'), char('K')]);
        assert_eq!(keys(b"\x1b[x]"), [escape(), char('['), char('x'), char(']')]);
        assert_eq!(keys(b"\x1b[[x"), [escape(), char('['), char('['), char('x')]);
        assert_eq!(keys(b"\x1b\x18"), [escape(), control('x')]);
        assert_eq!(keys(b"\x1b["), [escape(), char('[')]);
    }

    #[test]
    fn what_a_terminal_tells_of_itself_is_not_typed() {
        for told in
            [&b"\x1b[I"[..], b"\x1b[O", b"\x1b[?62;22c", b"\x1b[24;80R", b"\x1b[[A", b"\x1b[15~"]
        {
            assert_eq!(keys(told), [Token::Nothing], "{told:?}");
        }
    }

    #[test]
    fn a_beginning_is_waited_for() {
        for part in [&b"\x1b"[..], b"\x1b[", b"\x1b[1;", b"\x1bO", b"\xf0\x9f", b""] {
            assert_eq!(first(part, false), Parsed::Incomplete, "{part:?}");
        }
    }

    proptest! {
        #[test]
        fn all_bytes_come_to_an_end(bytes: Vec<u8>) {
            let mut rest = &bytes[..];
            while let Parsed::Complete(length, _) = first(rest, true) {
                prop_assert!((1..=rest.len()).contains(&length));
                rest = &rest[length..];
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn no_printable_character_is_lost(text in "\\x1b?[^\\x1b\\[O\\x00-\\x1f\\x7f-\\u{9f}][^\\x00-\\x1f\\x7f-\\u{9f}]{0,20}") {
            let typed: String = keys(text.as_bytes())
                .into_iter()
                .filter_map(|what| match what {
                    Token::Key(KeyEvent { code: KeyCode::Char(c), .. }) => Some(c),
                    _ => None,
                })
                .collect();
            prop_assert_eq!(typed, text.trim_start_matches('\x1b'));
        }
    }
}
