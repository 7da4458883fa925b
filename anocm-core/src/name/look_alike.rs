//! Names that can be mistaken for each other.

use unicode_normalization::UnicodeNormalization;
use unicode_security::skeleton;

use super::Nickname;

/// Returns whether two names can be mistaken for each other, or are the same.
///
/// Compares the skeletons of Unicode Technical Standard 39, in which characters that look alike are
/// mapped to the same one, without regard to case and to the accents of European scripts. It says
/// nothing about the member behind a name; use it to warn, never to refuse.
///
/// # Examples
/// ```
/// use anocm_core::{Nickname, name::look_alike};
///
/// let alice = Nickname::new("alice")?;
/// assert!(look_alike(&alice, &Nickname::new("аlice")?)); // Cyrillic а
/// assert!(look_alike(&alice, &Nickname::new("ALICE")?));
/// assert!(!look_alike(&alice, &Nickname::new("bob")?));
/// # Ok::<(), anocm_core::NicknameError>(())
/// ```
#[must_use]
pub fn look_alike(a: &Nickname, b: &Nickname) -> bool {
    let (a, b) = (looks(a), looks(b));
    a.iter().zip(&b).any(|(a, b)| a == b)
}

/// Returns the two look-alike forms of a name. Two names look alike when they have the same form at
/// the same position: for many names, sort these instead of comparing every pair.
///
/// The first is made from the name as written, so that a capital I equals an l; the second from the
/// lower-case name, so that a capital Greek alpha equals an a.
#[must_use]
pub fn looks(name: &Nickname) -> [String; 2] {
    let lower = name.as_str().to_lowercase();
    [look(name.as_str()), look(&lower)]
}

fn look(name: &str) -> String {
    let bare: String = name.nfd().filter(|c| !is_accent(*c)).collect();
    let plain: String = skeleton(&bare).filter(|c| !is_accent(*c)).collect();
    // Applied again: the lower case of a capital can look like another character.
    skeleton(&plain.to_lowercase()).collect()
}

/// Returns whether `c` is an accent of Latin, Greek or Cyrillic, which is easily missed. Marks of
/// other scripts are vowels.
const fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn alike(a: &str, b: &str) -> bool {
        look_alike(&Nickname::new(a).unwrap(), &Nickname::new(b).unwrap())
    }

    #[test]
    fn names_that_can_be_mistaken_are_found() {
        for (a, b) in [
            ("alice", "alice"),
            ("alice", "аlice"),
            ("Alice", "ALICE"),
            ("Alice", "ΑLICE"),
            ("Alice", "AIice"),
            ("Alice", "Alicé"),
            ("Alice", "Ａlice"),
            ("Alice", "𝐀𝐥𝐢𝐜𝐞"),
            ("bob", "b0b"),
            ("mark", "rnark"),
            ("paypal", "раураl"),
            ("Андрей", "Андреи"),
        ] {
            assert!(alike(a, b), "{a} {b}");
            assert!(alike(b, a), "{b} {a}");
        }
    }

    #[test]
    fn different_names_are_left_alone() {
        for (a, b) in
            [("alice", "bob"), ("alice", "alicia"), ("มี", "มา"), ("की", "के"), ("李", "李小龍")]
        {
            assert!(!alike(a, b), "{a} {b}");
        }
    }

    proptest! {
        #[test]
        fn looking_alike_is_mutual_and_blind_to_case(a in "\\PC{1,12}", b in "\\PC{1,12}") {
            if let (Ok(a), Ok(b)) = (Nickname::new(&a), Nickname::new(&b)) {
                prop_assert!(look_alike(&a, &a));
                prop_assert_eq!(look_alike(&a, &b), look_alike(&b, &a));
            }
        }

        #[test]
        fn case_does_not_hide_a_look_alike(a in "[a-zA-Zа-яА-Я]{1,12}") {
            prop_assert!(alike(&a, &a.to_uppercase()) && alike(&a, &a.to_lowercase()));
        }
    }
}
