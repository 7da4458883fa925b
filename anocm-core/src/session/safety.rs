//! The safety code, which members compare.

use std::{fmt, sync::LazyLock};

/// The English word list of BIP-39, 2,048 words in order, one a line (MIT licence; taken from
/// rust-bip39, which publishes it under CC0-1.0).
const LIST: &str = include_str!("words.txt");

/// The list indexed by number: every epoch has a code, and scanning the text for twelve lines takes
/// some 75 µs.
static WORDS: LazyLock<Vec<&'static str>> = LazyLock::new(|| LIST.lines().collect());

/// The 64 emoji of Matrix's short authentication strings, in order, one a line (client-server API,
/// "SAS method: emoji"; Apache-2.0): chosen to be distinguished at a glance and named easily.
const EMOJI_LIST: &str = include_str!("emoji.txt");

static EMOJI: LazyLock<Vec<&'static str>> = LazyLock::new(|| EMOJI_LIST.lines().collect());

const WORD_BITS: usize = 11;
const EMOJI_BITS: usize = 6;

/// The code that members compare by voice or sight: the same for all members of the epoch.
///
/// **Compare the words.** A man in the middle that holds the link and is in both halves of a split
/// room can search on both sides until the two codes agree: 2¹⁸ tries on each side for the six
/// emoji, which is trivial, and 2⁶⁶ for the twelve words. The emoji only show at a glance that a
/// code has changed.
///
/// # Examples
/// ```
/// # fn show(code: &anocm_core::room::SafetyCode) {
/// println!("{}", code.emoji().join(" "));
/// println!("{}", code.words().join(" "));
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SafetyCode {
    words: [&'static str; 12],
    emoji: [&'static str; 6],
}

impl SafetyCode {
    /// Makes the code of an exported secret: its first 132 bits, most significant first, select
    /// twelve words, the 36 after them six emoji.
    pub(crate) fn new(exported: &[u8; 32]) -> Self {
        let emoji_from = 12 * WORD_BITS;
        Self {
            words: std::array::from_fn(|n| {
                let word = WORDS.get(bits(exported, n * WORD_BITS, WORD_BITS));
                word.copied().unwrap_or_default()
            }),
            emoji: std::array::from_fn(|n| {
                let emoji = EMOJI.get(bits(exported, emoji_from + n * EMOJI_BITS, EMOJI_BITS));
                emoji.copied().unwrap_or_default()
            }),
        }
    }

    /// Twelve words, 132 bits: for comparison.
    #[must_use]
    pub const fn words(&self) -> &[&'static str; 12] {
        &self.words
    }

    /// Six emoji, 36 bits: for a glance, not for a comparison.
    #[must_use]
    pub const fn emoji(&self) -> &[&'static str; 6] {
        &self.emoji
    }
}

impl fmt::Display for SafetyCode {
    /// The words, then the emoji, separated by spaces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.words.join(" "), self.emoji.join(" "))
    }
}

impl fmt::Debug for SafetyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SafetyCode(..)")
    }
}

/// `count` bits from bit `from`, most significant first.
fn bits(bytes: &[u8; 32], from: usize, count: usize) -> usize {
    (from..from + count).fold(0, |number, bit| {
        let byte = bytes.get(bit / 8).copied().unwrap_or_default();
        number << 1 | usize::from(byte >> (7 - bit % 8) & 1)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_lists_are_whole() {
        assert_eq!(WORDS.iter().collect::<HashSet<_>>().len(), 2_048);
        assert_eq!(EMOJI.iter().collect::<HashSet<_>>().len(), 64);
        // The published SHA-256 of BIP-39's english.txt.
        assert_eq!(
            data_encoding::HEXLOWER.encode(&Sha256::digest(LIST)),
            "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"
        );
    }

    #[test]
    fn the_first_and_the_last_of_each_list_can_come() {
        let lowest = SafetyCode::new(&[0; 32]);
        assert_eq!(lowest.words(), &["abandon"; 12]);
        assert_eq!(lowest.emoji(), &["🐶"; 6]);
        let highest = SafetyCode::new(&[0xff; 32]);
        assert_eq!(highest.words(), &["zoo"; 12]);
        assert_eq!(highest.emoji(), &["📌"; 6]);
    }

    #[test]
    fn bits_are_taken_in_order() {
        let mut secret = [0; 32];
        // Word 0 is 1 (bits 0 to 10), word 11 is 1 (bits 121 to 131), emoji 5 is 1 (162 to 167).
        for bit in [10, 131, 167] {
            secret[bit / 8] |= 0x80 >> (bit % 8);
        }
        let code = SafetyCode::new(&secret);
        assert_eq!(code.words()[0], "ability");
        assert_eq!(code.words()[1], "abandon");
        assert_eq!(code.words()[11], "ability");
        assert_eq!(code.emoji(), &["🐶", "🐶", "🐶", "🐶", "🐶", "🐱"]);
        assert!(code.to_string().starts_with("ability abandon"));
        assert!(code.to_string().ends_with("ability 🐶 🐶 🐶 🐶 🐶 🐱"));
    }
}
