//! Key bindings.

#[cfg(not(unix))]
use crossterm::event::Event;
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use zeroize::Zeroizing;

use super::input::{Delete, Move};

/// An action at the keyboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Insert(Zeroizing<String>),
    Move(Move),
    Delete(Delete),
    Send,
    Up,
    Down,
    PageUp,
    PageDown,
    /// Ctrl-C.
    Leave,
    /// Ctrl-D: leaves when the line is empty, otherwise deletes.
    LeaveIfEmpty,
    /// Ctrl-X.
    Wipe,
    Redraw,
    /// Escape: closes a page, or does nothing.
    Back,
    Nothing,
}

/// Maps an event of the terminal to its action.
#[cfg(not(unix))]
pub(super) fn read(event: Event) -> Key {
    match event {
        Event::Key(key) => of_key(key),
        Event::Paste(text) => Key::Insert(Zeroizing::new(text)),
        // Every event is followed by a draw, which uses the new size.
        _ => Key::Nothing,
    }
}

/// Maps a key to its action.
pub(super) fn of_key(key: KeyEvent) -> Key {
    if key.kind == KeyEventKind::Release {
        return Key::Nothing;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        // On some systems AltGr is reported as Control and Alt, with the character it produces.
        if !key.modifiers.contains(KeyModifiers::ALT) {
            return with_control(key.code);
        }
    } else if key.modifiers.contains(KeyModifiers::ALT) {
        return match key.code {
            KeyCode::Enter => Key::Insert(Zeroizing::new("\n".to_owned())),
            KeyCode::Backspace => Key::Delete(Delete::WordBefore),
            KeyCode::Char(c) => Key::Insert(Zeroizing::new(c.to_string())),
            _ => Key::Nothing,
        };
    }
    match key.code {
        KeyCode::Enter => Key::Send,
        KeyCode::Backspace => Key::Delete(Delete::Before),
        KeyCode::Delete => Key::Delete(Delete::After),
        KeyCode::Left => Key::Move(Move::Left),
        KeyCode::Right => Key::Move(Move::Right),
        KeyCode::Home => Key::Move(Move::Start),
        KeyCode::End => Key::Move(Move::End),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Char(c) => Key::Insert(Zeroizing::new(c.to_string())),
        KeyCode::Tab => Key::Insert(Zeroizing::new("\t".to_owned())),
        KeyCode::Esc => Key::Back,
        _ => Key::Nothing,
    }
}

const fn with_control(code: KeyCode) -> Key {
    match code {
        KeyCode::Char('x' | 'X') => Key::Wipe,
        KeyCode::Char('c' | 'C') => Key::Leave,
        KeyCode::Char('d') => Key::LeaveIfEmpty,
        KeyCode::Char('l') => Key::Redraw,
        KeyCode::Char('a') => Key::Move(Move::Start),
        KeyCode::Char('e') => Key::Move(Move::End),
        KeyCode::Char('b') => Key::Move(Move::Left),
        KeyCode::Char('f') => Key::Move(Move::Right),
        KeyCode::Char('h') => Key::Delete(Delete::Before),
        KeyCode::Char('w') => Key::Delete(Delete::WordBefore),
        KeyCode::Char('u') => Key::Delete(Delete::ToStart),
        KeyCode::Char('k') => Key::Delete(Delete::ToEnd),
        KeyCode::Char('j') => Key::Send,
        _ => Key::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: KeyCode, modifiers: KeyModifiers) -> Key {
        of_key(KeyEvent::new(code, modifiers))
    }

    #[test]
    fn the_panic_key_is_control_x_in_any_case() {
        for c in ['x', 'X'] {
            assert_eq!(key(KeyCode::Char(c), KeyModifiers::CONTROL), Key::Wipe);
        }
        let x = Key::Insert(Zeroizing::new("x".to_owned()));
        assert_eq!(key(KeyCode::Char('x'), KeyModifiers::NONE), x);
    }

    #[test]
    fn a_key_let_go_does_nothing() {
        let released = KeyEvent {
            kind: KeyEventKind::Release,
            ..KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE)
        };
        assert_eq!(of_key(released), Key::Nothing);
    }

    #[test]
    fn a_character_is_typed_with_alt_too() {
        let slash = Key::Insert(Zeroizing::new("/".to_owned()));
        assert_eq!(key(KeyCode::Char('/'), KeyModifiers::ALT), slash);
    }

    #[test]
    fn what_altgr_makes_is_typed() {
        let both = KeyModifiers::CONTROL | KeyModifiers::ALT;
        let at = Key::Insert(Zeroizing::new("@".to_owned()));
        assert_eq!(key(KeyCode::Char('@'), both), at);
    }
}
