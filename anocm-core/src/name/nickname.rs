//! Nicknames.

use std::{fmt, ops::Deref, str::FromStr};

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroize;

use super::characters::{
    REPLACEMENT, is_bidi_control, is_invisible, is_nonspacing, is_separator, is_valid_in_names,
    is_variation_selector,
};

/// A guest's nickname in one room: 1 to 32 characters in at most 64 bytes, all visible.
///
/// Each name has one spelling: Unicode NFC, no space at either end, single plain spaces within.
/// Names are not authenticated, see [`Tag`](super::Tag) and [`look_alike`](super::look_alike).
/// Wiped on drop; `Debug` is redacted.
///
/// The characters allowed are those of one fixed version of Unicode: a name that one member's
/// program accepts is displayed unchanged by every other member's program.
///
/// # Examples
/// ```
/// use anocm_core::{Nickname, NicknameError};
///
/// assert_eq!(Nickname::new("  Alice \t B ")?.as_str(), "Alice B");
/// assert_eq!(Nickname::new("\u{202e}ecilA"), Err(NicknameError::Direction));
/// assert_eq!(Nickname::received("\u{202e}ecilA").as_str(), "\u{fffd}ecilA");
/// # Ok::<(), NicknameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Nickname(String);

impl Nickname {
    /// The most characters (Unicode scalar values).
    pub const MAX_CHARS: usize = 32;
    /// The most bytes of UTF-8.
    pub const MAX_BYTES: usize = 64;
    /// The most nonspacing marks on one character. Tibetan and pointed Hebrew need three.
    const MAX_MARKS: usize = 3;

    /// Makes a name from a guest's input: composes it (NFC), replaces each run of white space by
    /// one space, trims both ends, and leaves out variation selectors, which many keyboards append
    /// to emoji.
    ///
    /// # Errors
    /// [`NicknameError`] with the reason.
    pub fn new(name: &str) -> Result<Self, NicknameError> {
        let name = Self(tidy(name));
        check(&name.0)?;
        Ok(name)
    }

    /// Makes a name from the input of another member: replaces characters that are not allowed by
    /// U+FFFD and truncates it. An empty result becomes "guest". Never fails: a leaf may hold any
    /// name, so that members of all versions agree on which leaf is valid.
    #[must_use]
    pub fn received(name: &str) -> Self {
        // The input is truncated first, so that no sender controls the processing time.
        let start: String = name.chars().take(8 * Self::MAX_CHARS).collect();
        let mut fit = String::with_capacity(Self::MAX_BYTES);
        let mut marks = MarkRun::default();
        for c in tidy(&start).chars().take(Self::MAX_CHARS) {
            let c = if is_valid_in_names(c) { c } else { REPLACEMENT };
            if fit.len() + c.len_utf8() > Self::MAX_BYTES {
                break;
            }
            if marks.admits(c) {
                fit.push(c);
            }
        }
        Self::new(&fit).unwrap_or_default()
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Nickname {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Nickname {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Nickname {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Nickname {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl Default for Nickname {
    /// "guest".
    fn default() -> Self {
        Self("guest".to_owned())
    }
}

impl FromStr for Nickname {
    type Err = NicknameError;

    fn from_str(name: &str) -> Result<Self, NicknameError> {
        Self::new(name)
    }
}

impl TryFrom<String> for Nickname {
    type Error = NicknameError;

    /// Like [`Nickname::new`].
    fn try_from(name: String) -> Result<Self, NicknameError> {
        Self::new(&name)
    }
}

impl fmt::Display for Nickname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Nickname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nickname(..)")
    }
}

impl Drop for Nickname {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// A name that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum NicknameError {
    /// No visible character.
    #[error("a name needs at least one visible character")]
    Empty,
    /// Over 32 characters or over 64 bytes.
    #[error("a name has at most 32 characters and at most 64 bytes")]
    TooLong,
    /// A control character, such as escape.
    #[error("a name holds no control characters")]
    Control,
    /// A character that controls the direction of text.
    #[error("a name holds no characters that change the direction of text")]
    Direction,
    /// An invisible or a blank character.
    #[error("a name holds no invisible characters")]
    Invisible,
    /// One of `#`, `<`, `>` and `:`, or a look-alike of one: they delimit names from tags and text,
    /// so a name that contains them could imitate a message of another member.
    #[error("a name holds none of # < > :")]
    Separator,
    /// A character that is for private use, not assigned, or newer than the protocol.
    #[error("a name holds known characters only")]
    Unknown,
    /// Too many marks on one character, or a mark on none.
    #[error("a name has at most three marks on one character")]
    Marks,
}

/// Returns a name's one spelling: composed, with single spaces, without variation selectors.
fn tidy(name: &str) -> String {
    let mut spaced = String::with_capacity(name.len());
    for c in name.chars().filter(|c| !is_variation_selector(*c)) {
        if !c.is_whitespace() {
            spaced.push(c);
        } else if !spaced.ends_with(' ') {
            spaced.push(' ');
        }
    }
    let tidy = spaced.trim_matches(' ').nfc().collect();
    spaced.zeroize();
    tidy
}

/// Checks whether a tidy `name` is valid. The result depends only on the name and the fixed tables:
/// Unicode guarantees that the composed form of assigned characters never changes.
fn check(name: &str) -> Result<(), NicknameError> {
    if name.is_empty() {
        return Err(NicknameError::Empty);
    }
    if name.len() > Nickname::MAX_BYTES || name.chars().count() > Nickname::MAX_CHARS {
        return Err(NicknameError::TooLong);
    }
    if let Some(unfit) = name.chars().find(|c| !is_valid_in_names(*c)) {
        return Err(why_unfit(unfit));
    }
    let mut marks = MarkRun::default();
    if name.chars().all(|c| marks.admits(c)) { Ok(()) } else { Err(NicknameError::Marks) }
}

fn why_unfit(c: char) -> NicknameError {
    if c.is_control() {
        NicknameError::Control
    } else if is_bidi_control(c) {
        NicknameError::Direction
    } else if is_separator(c) {
        NicknameError::Separator
    } else if is_invisible(c) || matches!(c, '\u{2800}' | '\u{16fe4}' | '\u{1d159}') {
        NicknameError::Invisible
    } else {
        NicknameError::Unknown
    }
}

/// Counts the marks on a character.
struct MarkRun(usize);

impl Default for MarkRun {
    /// At the start there is no base character that could carry a mark.
    fn default() -> Self {
        Self(Nickname::MAX_MARKS)
    }
}

impl MarkRun {
    fn admits(&mut self, c: char) -> bool {
        if is_nonspacing(c) {
            self.0 = self.0.saturating_add(1);
            self.0 <= Nickname::MAX_MARKS
        } else {
            // A space cannot carry a mark either.
            self.0 = if c == ' ' { Nickname::MAX_MARKS } else { 0 };
            true
        }
    }
}

#[cfg(test)]
mod tests;
