//! Breaks text into rows by its width on a terminal.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// The maximum number of rows of a text, without the row that marks a truncation: one message
/// cannot push all others off the screen.
const MOST: usize = 100;

/// Breaks `text` into rows: the first of at most `first` columns, the others of at most `rest`.
/// Breaks between words where it can, otherwise between graphemes. A text of more than [`MOST`]
/// rows ends with an ellipsis.
pub(super) fn wrap(text: &str, first: usize, rest: usize) -> Vec<String> {
    let mut rows = Rows { done: Vec::new(), row: String::new(), left: first, rest: rest.max(2) };
    if rows.text(text).is_none() {
        rows.row = "…".to_owned();
    }
    rows.done.push(rows.row);
    rows.done
}

struct Rows {
    done: Vec<String>,
    row: String,
    left: usize,
    rest: usize,
}

/// Methods return `None` when the row limit is reached.
impl Rows {
    fn text(&mut self, text: &str) -> Option<()> {
        for (n, line) in text.lines().enumerate() {
            if n > 0 {
                self.end()?;
            }
            for word in line.split_word_bounds() {
                self.word(word)?;
            }
        }
        Some(())
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let width = columns(word);
        if width > self.left && word.trim().is_empty() {
            return self.end();
        }
        if width > self.left && width <= self.rest {
            self.end()?;
        }
        if width <= self.left {
            self.row.push_str(word);
            self.left -= width;
            return Some(());
        }
        word.graphemes(true).try_for_each(|grapheme| self.grapheme(grapheme))
    }

    fn grapheme(&mut self, grapheme: &str) -> Option<()> {
        // Unlimited combining marks can make one grapheme wider than any row.
        let grapheme = if grapheme.width() > self.rest { "\u{fffd}" } else { grapheme };
        let width = grapheme.width();
        if width > self.left {
            self.end()?;
        }
        self.row.push_str(grapheme);
        self.left = self.left.saturating_sub(width);
        Some(())
    }

    fn end(&mut self) -> Option<()> {
        self.done.push(std::mem::take(&mut self.row));
        self.left = self.rest;
        (self.done.len() < MOST).then_some(())
    }
}

/// Returns the columns of text, summed over its graphemes, which is how it is drawn. The width of
/// the whole string can be smaller where neighbours join into one shape.
fn columns(text: &str) -> usize {
    text.graphemes(true).map(|grapheme| grapheme.width()).sum()
}

/// Returns as much of `text` as fits into `most` columns, with an ellipsis when something is
/// missing.
pub(super) fn cut(text: &str, most: usize) -> String {
    if columns(text) <= most {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut left = most.saturating_sub(1);
    for grapheme in text.graphemes(true) {
        let width = grapheme.width();
        if width > left {
            break;
        }
        left -= width;
        short.push_str(grapheme);
    }
    if most > 0 {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_stay_whole_where_they_can() {
        assert_eq!(wrap("the quick brown fox", 10, 8), ["the quick ", "brown ", "fox"]);
        assert_eq!(wrap("abcdefghij", 4, 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("one\ntwo", 10, 10), ["one", "two"]);
        assert_eq!(wrap("", 5, 5), [""]);
    }

    #[test]
    fn what_is_wider_than_a_row_is_not_drawn_beyond_it() {
        let rows = wrap("00🉀A𐤟0Aaa 𛅰ෲொ", 0, 2);
        assert!(rows.iter().all(|row| columns(row) <= 2), "{rows:?}");
    }

    #[test]
    fn wide_characters_count_twice_and_stay_whole() {
        assert_eq!(wrap("日本語", 4, 4), ["日本", "語"]);
        assert_eq!(wrap("👨‍👩‍👧x", 3, 3), ["👨‍👩‍👧x"]);
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 0), "");
    }

    #[test]
    fn one_text_cannot_take_the_whole_screen() {
        for part in ["x\n", "\n", "\r\n", "x", "日", "word ", "e\u{301}"] {
            let rows = wrap(&part.repeat(14_900), 10, 10);
            assert_eq!(rows.len(), MOST + 1, "{part:?}");
            assert_eq!(rows.last().unwrap(), "…", "{part:?}");
        }
    }

    #[test]
    fn what_fits_is_not_cut() {
        let text = vec!["x"; MOST].join("\n");
        assert_eq!(wrap(&text, 10, 10), vec!["x"; MOST]);
    }

    proptest! {
        #[test]
        fn no_row_is_too_wide(text in "\\PC{0,80}", first in 0_usize..20, rest in 2_usize..20) {
            let rows = wrap(&text, first, rest);
            for (n, row) in rows.iter().enumerate() {
                let room = if n == 0 { first } else { rest };
                prop_assert!(columns(row) <= room.max(1), "{row:?} in {room}");
            }
        }

        #[test]
        fn what_is_cut_fits(text in "\\PC{0,40}", most in 0_usize..20) {
            prop_assert!(columns(&cut(&text, most)) <= most);
        }
    }
}
