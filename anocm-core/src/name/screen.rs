//! Text of others, made fit for a screen.

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

/// Text fit for a screen, a terminal included: what could trick a reader is made visible as
/// U+FFFD.
///
/// Kept: line feeds and tabs. Replaced: all other control characters (escape!), all that steers
/// the direction of text, line and paragraph separators, and everything invisible. A line feed
/// may be preceded by a carriage return, which is left out. Of the marks on one character, all
/// after the fourth are left out.
///
/// Some invisible characters make visible text and stay where they do: a zero-width joiner
/// between two pictographs (👩‍🚀), a variation selector after a visible character (❤️), the tags of
/// three flags, and joiners and zero-width spaces within the words of scripts that are written
/// with them, such as Persian, Sinhala or Khmer.
///
/// Cleaning what is clean changes nothing. The owned copy is not wiped when it is dropped.
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
    // Made at the first difference.
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

/// What was shown so far, as far as it matters for the next character.
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
    /// Tag characters still to come of a flag.
    tags: usize,
}

impl Eye {
    /// What to show for `c`, which is followed by `rest`.
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

    /// Whether the joiner or zero-width space `c` does something visible between what was shown
    /// last and what comes next. What comes next is never itself replaced or left out, so that
    /// cleaning again finds the same.
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

/// Zero-width space, non-joiner and joiner, and the Mongolian vowel separator.
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
