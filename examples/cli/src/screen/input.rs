//! The input line.

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation as _};
use unicode_width::UnicodeWidthStr as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::members::one_line;

/// The longest line in bytes: the longest message and the command before it.
const MOST: usize = 15_000 + 1_000;

/// A line with a cursor. Its memory is reserved once, so that no copies are left behind, and wiped
/// when the line is taken.
#[derive(Debug)]
pub(super) struct Input {
    text: Zeroizing<String>,
    /// In bytes; always on a grapheme boundary.
    cursor: usize,
}

/// Cursor movements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    Left,
    Right,
    Start,
    End,
}

/// Deletions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delete {
    Before,
    After,
    WordBefore,
    ToStart,
    ToEnd,
}

impl Input {
    pub(super) fn new() -> Self {
        Self { text: Zeroizing::new(String::with_capacity(MOST)), cursor: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether the line as it stands would be sent to all members.
    pub(super) fn is_message(&self) -> bool {
        !self.is_empty() && (!self.text.starts_with('/') || self.text.starts_with("//"))
    }

    /// Inserts text at the cursor. Returns whether all of it fitted; otherwise its end is dropped.
    pub(super) fn insert(&mut self, text: &str) -> bool {
        let mut chars = text.chars().peekable();
        let mut fits = true;
        while let Some(c) = chars.next() {
            let c = match c {
                // Terminals send a carriage return for each line break of a paste.
                '\r' => {
                    chars.next_if_eq(&'\n');
                    '\n'
                }
                '\x0b' | '\x0c' | '\u{85}' => '\n',
                c if c.is_control() && !matches!(c, '\n' | '\t') => continue,
                c => c,
            };
            fits = self.text.len() + c.len_utf8() <= MOST;
            if !fits {
                break;
            }
            self.text.insert(self.cursor, c);
            self.cursor += c.len_utf8();
        }
        self.settle();
        fits
    }

    pub(super) fn go(&mut self, to: Move) {
        self.cursor = match to {
            Move::Left => self.boundary_before(self.cursor),
            Move::Right => self.boundary_after(self.cursor),
            Move::Start => 0,
            Move::End => self.text.len(),
        };
    }

    pub(super) fn delete(&mut self, what: Delete) {
        let at = self.cursor;
        let (from, to) = match what {
            Delete::Before => (self.boundary_before(at), at),
            Delete::After => (at, self.boundary_after(at)),
            Delete::WordBefore => (self.word_before(at), at),
            Delete::ToStart => (0, at),
            Delete::ToEnd => (at, self.text.len()),
        };
        if from == to {
            return;
        }
        // Rewrite the whole line: after shortening a text in place, its old end would stay in
        // memory.
        let rest = Zeroizing::new(self.text.get(to..).unwrap_or_default().to_owned());
        let before = Zeroizing::new(self.text.get(..from).unwrap_or_default().to_owned());
        self.text.zeroize();
        self.text.push_str(&before);
        self.text.push_str(&rest);
        self.cursor = from;
        self.settle();
    }

    /// Takes the line and leaves an empty one.
    pub(super) fn take(&mut self) -> Zeroizing<String> {
        let text = Zeroizing::new(self.text.to_string());
        self.clear();
        text
    }

    pub(super) fn clear(&mut self) {
        self.text.zeroize();
        self.cursor = 0;
    }

    /// Returns the part of the line that is shown in `columns`, and the cursor's column in it.
    pub(super) fn window(&self, columns: usize) -> (Zeroizing<String>, usize) {
        let (before, after) = self.text.split_at_checked(self.cursor).unwrap_or_default();
        let before = Zeroizing::new(one_line(before));
        let after = Zeroizing::new(one_line(after));
        // One column is reserved for the cursor, also at the end.
        let mut room = columns.saturating_sub(1);
        let mut start = before.len();
        for (at, grapheme) in before.grapheme_indices(true).rev() {
            if grapheme.width() > room {
                break;
            }
            room -= grapheme.width();
            start = at;
        }
        let mut shown = Zeroizing::new(before.get(start..).unwrap_or_default().to_owned());
        let cursor = shown.width();
        let mut room = columns.saturating_sub(cursor);
        for grapheme in after.graphemes(true) {
            if grapheme.width() > room {
                break;
            }
            room -= grapheme.width();
            shown.push_str(grapheme);
        }
        (shown, cursor)
    }

    /// Moves the cursor to the end of the grapheme that has formed around it.
    fn settle(&mut self) {
        let mut cursor = GraphemeCursor::new(self.cursor, self.text.len(), true);
        if !matches!(cursor.is_boundary(&self.text, 0), Ok(true)) {
            self.cursor = self.boundary_after(self.cursor);
        }
    }

    fn boundary_before(&self, at: usize) -> usize {
        let mut cursor = GraphemeCursor::new(at, self.text.len(), true);
        cursor.prev_boundary(&self.text, 0).ok().flatten().unwrap_or(0)
    }

    fn boundary_after(&self, at: usize) -> usize {
        let mut cursor = GraphemeCursor::new(at, self.text.len(), true);
        cursor.next_boundary(&self.text, 0).ok().flatten().unwrap_or(self.text.len())
    }

    fn word_before(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or_default();
        before
            .split_word_bound_indices()
            .rev()
            .find(|(_, word)| !word.trim().is_empty())
            .map_or(0, |(start, _)| start)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn typed(text: &str) -> Input {
        let mut input = Input::new();
        input.insert(text);
        input
    }

    #[test]
    fn one_key_moves_and_deletes_one_character_as_seen() {
        let mut input = typed("a👨‍👩‍👧e\u{301}");
        input.go(Move::Left);
        input.delete(Delete::Before);
        assert_eq!(*input.text, "ae\u{301}");
        input.go(Move::End);
        input.delete(Delete::Before);
        assert_eq!(*input.text, "a");
    }

    #[test]
    fn the_cursor_stands_where_the_terminal_puts_it() {
        let mut input = typed("日本");
        assert_eq!(input.window(10), (Zeroizing::new("日本".to_owned()), 4));
        input.go(Move::Left);
        assert_eq!(input.window(10), (Zeroizing::new("日本".to_owned()), 2));
        input.go(Move::End);
        assert_eq!(input.window(4), (Zeroizing::new("本".to_owned()), 2));
    }

    #[test]
    fn a_pasted_line_break_is_seen_and_sent_but_sends_nothing() {
        let mut input = typed("one\ntwo\x1b[2J");
        assert_eq!(input.window(20).0.as_str(), "one⏎two[2J");
        assert_eq!(input.take().as_str(), "one\ntwo[2J");
        assert!(input.is_empty());
    }

    #[test]
    fn what_is_pasted_keeps_its_lines_and_tabs_however_they_are_told() {
        for text in ["if x:\n\ty\n\nz", "if x:\r\ty\r\rz", "if x:\r\n\ty\r\n\r\nz"] {
            let mut input = typed(text);
            assert_eq!(input.window(20).0.as_str(), "if x:⏎ y⏎⏎z");
            assert_eq!(input.take().as_str(), "if x:\n\ty\n\nz");
        }
        assert_eq!(typed("a\u{85}b\x0bc\x0cd").take().as_str(), "a\nb\nc\nd");
    }

    #[test]
    fn words_and_ends_are_deleted() {
        let mut input = typed("one two  ");
        input.delete(Delete::WordBefore);
        assert_eq!(*input.text, "one ");
        input.go(Move::Start);
        input.delete(Delete::After);
        input.delete(Delete::ToEnd);
        assert!(input.is_empty());
    }

    #[test]
    fn it_never_outgrows_its_memory() {
        let mut input = Input::new();
        let memory = input.text.capacity();
        assert!(!input.insert(&"é".repeat(MOST)));
        assert!(input.text.len() <= MOST);
        assert_eq!(input.text.capacity(), memory);
    }

    #[test]
    fn commands_are_not_announced_as_typing() {
        assert!(typed("hi").is_message() && typed("//hi").is_message());
        assert!(!typed("/whisper Bob").is_message() && !typed("").is_message());
    }

    proptest! {
        #[test]
        fn no_sequence_of_keys_makes_it_panic(
            keys in proptest::collection::vec((0_usize..10, "\\PC{0,4}"), 0..40),
            columns in 0_usize..12,
        ) {
            let mut input = Input::new();
            for (key, text) in keys {
                match key {
                    0 => input.go(Move::Left),
                    1 => input.go(Move::Right),
                    2 => input.go(Move::Start),
                    3 => input.delete(Delete::Before),
                    4 => input.delete(Delete::After),
                    5 => input.delete(Delete::WordBefore),
                    6 => input.delete(Delete::ToStart),
                    _ => {
                        input.insert(&text);
                    }
                }
                prop_assert!(input.text.is_char_boundary(input.cursor));
                let (_, cursor) = input.window(columns);
                prop_assert!(cursor <= columns);
            }
        }
    }
}
