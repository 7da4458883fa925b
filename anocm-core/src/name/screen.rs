//! Text of other members, made safe to display.

use std::borrow::Cow;

use unicode_normalization::char::canonical_combining_class;
use unicode_script::{Script, UnicodeScript};

use super::characters::{
    REPLACEMENT, is_invisible, is_nonspacing, is_pictograph, is_variation_selector,
};

/// The most nonspacing marks on one character. Pointed Hebrew with accents needs four.
const MAX_MARKS: usize = 4;

const ZERO_WIDTH_SPACE: char = '\u{200b}';
const ZERO_WIDTH_JOINER: char = '\u{200d}';
const BLACK_FLAG: char = '\u{1f3f4}';

/// What follows the black flag in the flags of England, Scotland and Wales: "gbeng", "gbsct" and
/// "gbwls" in tag characters, and the character that ends a tag.
const FLAG_TAGS: [&str; 3] = [
    "\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
    "\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
    "\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}",
];
const FLAG_TAG_CHARS: usize = 6;

/// Makes text safe for a screen, a terminal included: characters that could mislead a reader are
/// replaced by U+FFFD, which is visible.
///
/// Kept: line feeds and tabs. Replaced: all other control characters (escape included), all
/// characters that control the direction of text, line and paragraph separators, and all invisible
/// characters. A carriage return before a line feed is left out. Of the marks on one character, all
/// after the fourth are left out.
///
/// Some invisible characters affect visible text and are kept where they do so: a zero-width joiner
/// between two pictographs (👩‍🚀), a variation selector after a visible character (❤️), the tags of
/// three flags, and joiners and zero-width spaces within the words of scripts that are written with
/// them, such as Persian, Sinhala or Khmer.
///
/// Idempotent. The owned copy is not wiped when it is dropped.
///
/// # Examples
/// ```
/// use anocm_core::name::clean_text;
///
/// assert_eq!(clean_text("red: \u{1b}[31m"), "red: \u{fffd}[31m");
/// assert_eq!(clean_text("two\r\nlines"), "two\nlines");
/// ```
#[must_use]
pub fn clean_text(text: &str) -> Cow<'_, str> {
    clean(text, false)
}

/// Like [`clean_text`], and with a space in place of each line feed and tab: for titles,
/// notifications and lists.
#[must_use]
pub fn clean_line(text: &str) -> Cow<'_, str> {
    clean(text, true)
}

fn clean(text: &str, one_line: bool) -> Cow<'_, str> {
    let mut eye = Eye::default();
    let mut rest = text.chars();
    // Allocated at the first difference.
    let mut cleaned: Option<String> = None;
    let mut seen = 0;
    while let Some(c) = rest.next() {
        let shown = match eye.look(c, rest.as_str()) {
            Some('\n' | '\t') if one_line => Some(' '),
            shown => shown,
        };
        if shown != Some(c) && cleaned.is_none() {
            let mut same = String::with_capacity(text.len());
            same.push_str(text.get(..seen).unwrap_or_default());
            cleaned = Some(same);
        }
        if let Some(cleaned) = &mut cleaned {
            cleaned.extend(shown);
        }
        seen += c.len_utf8();
    }
    cleaned.map_or(Cow::Borrowed(text), Cow::Owned)
}

/// The state of the output so far that affects the next character.
#[derive(Default)]
struct Eye {
    /// The last character shown that is not invisible.
    last: Option<char>,
    /// Nonspacing marks since the last other character.
    marks: usize,
    /// Whether a variation selector can follow.
    selectable: bool,
    /// Whether a joiner has just been shown.
    joined: bool,
    /// Tag characters of a flag that are still to come.
    tags: usize,
}

impl Eye {
    /// Returns the character to show for `c`, which is followed by `rest`. `None` when it is left
    /// out.
    fn look(&mut self, c: char, rest: &str) -> Option<char> {
        if self.tags > 0 {
            self.tags -= 1;
            return Some(c);
        }
        match c {
            '\r' if rest.starts_with('\n') => None,
            '\n' | '\t' => self.show(c),
            _ if c.is_control() => self.show(REPLACEMENT),
            _ if is_variation_selector(c) && self.selectable => {
                self.selectable = false;
                Some(c)
            }
            _ if is_joiner(c) && self.can_join(c, rest) => {
                self.joined = true;
                self.selectable = false;
                Some(c)
            }
            _ if is_invisible(c) => self.show(REPLACEMENT),
            _ if is_nonspacing(c) => self.show_mark(c),
            _ => {
                if c == BLACK_FLAG && FLAG_TAGS.iter().any(|tags| rest.starts_with(tags)) {
                    self.tags = FLAG_TAG_CHARS;
                }
                self.show(c)
            }
        }
    }

    fn show(&mut self, c: char) -> Option<char> {
        self.last = Some(c);
        self.marks = 0;
        self.selectable = !c.is_whitespace() && c != REPLACEMENT;
        self.joined = false;
        Some(c)
    }

    fn show_mark(&mut self, c: char) -> Option<char> {
        if self.marks == MAX_MARKS {
            return None;
        }
        self.last = Some(c);
        self.marks += 1;
        self.selectable = false;
        self.joined = false;
        Some(c)
    }

    /// Returns whether the joiner or zero-width space `c` has a visible effect between the last
    /// shown character and the next one. That next character is never itself replaced or left out,
    /// so that cleaning is idempotent.
    fn can_join(&self, c: char, rest: &str) -> bool {
        let Some(last) = self.last.filter(|_| !self.joined) else {
            return false;
        };
        let next = rest.chars().next();
        if c == ZERO_WIDTH_JOINER && is_pictograph(last) {
            return next.is_some_and(is_pictograph);
        }
        // UAX 31, rules A2 and B: a joiner after a virama shapes the letter before it.
        if c != ZERO_WIDTH_SPACE && canonical_combining_class(last) == 9 {
            return true;
        }
        let script = last.script();
        writes_with_joiners(script)
            && next.is_some_and(|next| {
                next.is_alphabetic() && !is_nonspacing(next) && next.script() == script
            })
    }
}

/// Returns whether `c` is a zero-width space, non-joiner or joiner, or the Mongolian vowel
/// separator.
const fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200d}' | '\u{180e}')
}

const fn writes_with_joiners(script: Script) -> bool {
    use Script::{
        Arabic, Balinese, Bengali, Devanagari, Gujarati, Gurmukhi, Javanese, Kannada, Khmer, Lao,
        Malayalam, Mandaic, Mongolian, Myanmar, Nko, Oriya, Phags_Pa, Sinhala, Syriac, Tai_Tham,
        Tamil, Telugu, Thai, Tibetan,
    };
    matches!(
        script,
        Arabic
            | Balinese
            | Bengali
            | Devanagari
            | Gujarati
            | Gurmukhi
            | Javanese
            | Kannada
            | Khmer
            | Lao
            | Malayalam
            | Mandaic
            | Mongolian
            | Myanmar
            | Nko
            | Oriya
            | Phags_Pa
            | Sinhala
            | Syriac
            | Tai_Tham
            | Tamil
            | Telugu
            | Thai
            | Tibetan
    )
}

#[cfg(test)]
mod tests;
