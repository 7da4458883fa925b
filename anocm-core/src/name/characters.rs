//! The characters that are allowed in names and on screens.
//!
//! A name that one member's program accepts must be displayed unchanged by every other member's
//! program, whichever Unicode version its library was built with. The tables are therefore fixed at
//! one version, and part of the protocol.

use super::tables::{LAWFUL, NONSPACING};

/// The replacement for a character that is not shown.
pub(super) const REPLACEMENT: char = '\u{fffd}';

/// Returns whether `c` is allowed in a name: a letter, mark, number, punctuation mark or symbol of
/// Unicode 18 that is not invisible or blank, or the plain space, and not a separator.
pub(super) fn is_valid_in_names(c: char) -> bool {
    toggles(&LAWFUL, c) && !is_separator(c)
}

/// Returns whether `c` is, or looks like, one of the characters with which front ends delimit
/// names, as in `<Bob #7K2Q> text`. A name that contains them could imitate a message of another
/// member.
pub(super) const fn is_separator(c: char) -> bool {
    matches!(
        c,
        '#' | '<'
            | '>'
            | ':'
            | '\u{2c2}'
            | '\u{2c3}'
            | '\u{2d0}'
            | '\u{2f8}'
            | '\u{589}'
            | '\u{5c3}'
            | '\u{703}'
            | '\u{704}'
            | '\u{831}'
            | '\u{1361}'
            | '\u{1393}'
            | '\u{16ec}'
            | '\u{1803}'
            | '\u{1809}'
            | '\u{2039}'
            | '\u{203a}'
            | '\u{205a}'
            | '\u{2236}'
            | '\u{22d5}'
            | '\u{266f}'
            | '\u{276e}'
            | '\u{276f}'
            | '\u{2a74}'
            | '\u{a4fd}'
            | '\u{a789}'
            | '\u{fe13}'
            | '\u{fe30}'
            | '\u{fe55}'
            | '\u{fe5f}'
            | '\u{fe64}'
            | '\u{fe65}'
            | '\u{ff03}'
            | '\u{ff1a}'
            | '\u{ff1c}'
            | '\u{ff1e}'
    )
}

/// Returns whether `c` is drawn over, under or around the character before it, and takes no width
/// of its own (categories Mn and Me of Unicode 18).
pub(super) fn is_nonspacing(c: char) -> bool {
    toggles(&NONSPACING, c)
}

/// Returns whether `c` controls the direction of text (property `Bidi_Control`, which is closed).
pub(super) const fn is_bidi_control(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// Returns whether `c` selects a glyph of the character before it.
pub(super) const fn is_variation_selector(c: char) -> bool {
    matches!(
        c,
        '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}'
    )
}

/// Returns whether `c` is invisible: property `Default_Ignorable_Code_Point`, which includes the
/// bidi controls and the variation selectors, and the invisible line separators and annotation
/// characters.
pub(super) const fn is_invisible(c: char) -> bool {
    is_default_ignorable(c) || matches!(c, '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}')
}

const fn is_default_ignorable(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Returns whether `c` is a pictograph that can be joined with others into one picture. The ranges
/// include room for future pictographs; their few other symbols are harmless.
pub(super) const fn is_pictograph(c: char) -> bool {
    matches!(
        c,
        '\u{a9}'
            | '\u{ae}'
            | '\u{203c}'
            | '\u{2049}'
            | '\u{2122}'
            | '\u{2139}'
            | '\u{2190}'..='\u{21ff}'
            | '\u{2300}'..='\u{23ff}'
            | '\u{24c2}'
            | '\u{25a0}'..='\u{27bf}'
            | '\u{2900}'..='\u{297f}'
            | '\u{2b00}'..='\u{2bff}'
            | '\u{3030}'
            | '\u{303d}'
            | '\u{3297}'
            | '\u{3299}'
            | '\u{1f000}'..='\u{1faff}'
    )
}

/// Looks `c` up in a table of range boundaries in ascending order: in, out, in, out …
fn toggles(table: &[u32], c: char) -> bool {
    table.partition_point(|&edge| edge <= u32::from(c)) % 2 == 1
}

#[cfg(test)]
mod tests {
    use unicode_normalization::UnicodeNormalization;
    use unicode_properties::{
        GeneralCategory::{self, EnclosingMark, NonspacingMark},
        GeneralCategoryGroup::{Letter, Mark, Number, Punctuation, Symbol},
        UNICODE_VERSION, UnicodeGeneralCategory,
    };

    use super::*;

    /// The version that the tables are fixed at.
    const TABLES: u64 = 18;

    fn by_definition(c: char) -> bool {
        let blank = ['\u{2800}', '\u{16fe4}', '\u{1d159}'].contains(&c);
        let group = c.general_category_group();
        let visible = [Letter, Mark, Number, Punctuation, Symbol].contains(&group);
        c == ' ' || visible && !blank && !is_invisible(c)
    }

    fn is_stacked(category: GeneralCategory) -> bool {
        matches!(category, NonspacingMark | EnclosingMark)
    }

    #[test]
    fn the_tables_are_those_of_their_version() {
        let same_version = UNICODE_VERSION.0 == TABLES;
        for c in '\0'..=char::MAX {
            // Later versions assign more characters; assigned characters do not change.
            if same_version || toggles(&LAWFUL, c) {
                assert_eq!(toggles(&LAWFUL, c), by_definition(c), "{c:?}");
            }
            if same_version {
                assert_eq!(is_nonspacing(c), is_stacked(c.general_category()), "{c:?}");
            }
        }
    }

    #[test]
    fn ignorable_characters_are_those_that_skeletons_leave_out() {
        for c in '\0'..=char::MAX {
            let left_out = unicode_security::skeleton(&c.to_string()).next().is_none();
            assert_eq!(is_default_ignorable(c), left_out, "{c:?}");
        }
    }

    #[test]
    fn nothing_that_steers_or_hides_is_lawful_in_names() {
        for c in '\0'..=char::MAX {
            if c.is_control() || is_bidi_control(c) || is_invisible(c) {
                assert!(!is_valid_in_names(c), "{c:?}");
            }
            if is_bidi_control(c) || is_variation_selector(c) {
                assert!(is_default_ignorable(c), "{c:?}");
            }
        }
    }

    #[test]
    fn no_form_of_a_separator_is_lawful_in_names() {
        let separators = ['#', '<', '>', ':'];
        // Similar to the eye, but not in the tables of look-alikes.
        let by_eye = ['\u{22d5}', '\u{266f}'];
        for c in '\0'..=char::MAX {
            let looks = unicode_security::skeleton(&c.to_string()).collect::<String>();
            let is_form = c.nfkc().any(|form| separators.contains(&form));
            // Letters and marks are needed in names, whatever they look like.
            let group = c.general_category_group();
            let is_sign = [Punctuation, Symbol].contains(&group) && u32::from(c) <= 0xffff;
            if is_form || is_sign && looks.chars().count() == 1 && looks.contains(separators) {
                assert!(!is_valid_in_names(c), "{c:?} U+{:04X}", u32::from(c));
            }
            if is_separator(c) {
                assert!(looks.contains(separators) || by_eye.contains(&c), "{c:?}");
            }
        }
    }

    /// Returns the first character of each range and the first after it, alternating: the content
    /// of `tables.rs`.
    fn edges(is_in: impl Fn(char) -> bool) -> Vec<u32> {
        let mut edges: Vec<u32> = Vec::new();
        for c in '\0'..=char::MAX {
            if is_in(c) != (edges.len() % 2 == 1) {
                // The gap of the surrogates is not a range boundary.
                edges.push(u32::from(c));
            }
        }
        edges
    }

    #[test]
    fn the_tables_follow_from_the_definition() {
        // For a new version of the protocol, use the values that this prints.
        if UNICODE_VERSION.0 == TABLES {
            assert_eq!(edges(by_definition), LAWFUL);
            assert_eq!(edges(|c| is_stacked(c.general_category())), NONSPACING);
        }
    }
}
