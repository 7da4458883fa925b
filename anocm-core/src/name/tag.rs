//! Tags and colours, which distinguish members of the same name.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::id::{MemberKey, RoomAddress};

/// Four characters derived from a member's key and the room, shown beside the name.
///
/// Crockford's base 32 (no I, L, O or U) of the first 20 bits of
/// `SHA-256("anocm/1 tag" ‖ address ‖ key)`. Enough to distinguish members at a glance. An attacker
/// that tries a million keys can get the tag of another member, so a tag proves nothing; the safety
/// code does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Tag([u8; 4]);

const CROCKFORD: [u8; 32] = *b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl Tag {
    /// The tag of `key` in the room at `address`.
    #[must_use]
    pub fn new(address: &RoomAddress, key: &MemberKey) -> Self {
        let [a, b, c, ..] = hash(address, key);
        let bits = u32::from_be_bytes([0, a, b, c]) >> 4;
        Self([15, 10, 5, 0].map(|shift| pick(&CROCKFORD, bits >> shift)))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|&byte| write!(f, "{}", char::from(byte)))
    }
}

/// A colour derived from a member's key and the room, readable on dark and light.
///
/// One of 32 hues of the same luminance, which has a contrast of at least 4.5 to 1 (WCAG 2.2,
/// level AA) against both black and white.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct Colour {
    /// Red, 0 to 255.
    pub red: u8,
    /// Green, 0 to 255.
    pub green: u8,
    /// Blue, 0 to 255.
    pub blue: u8,
}

/// Hues at equal distances on the OKLCH circle, each with the highest chroma that sRGB allows (at
/// most 0.2), of relative luminance 0.179: the same contrast to black and to white. A table, so
/// that floating point cannot differ between platforms.
#[rustfmt::skip]
const HUES: [[u8; 3]; 32] = [
    [214, 53, 107], [218, 52, 79], [217, 57, 48], [208, 71, 0],
    [190, 88, 0], [174, 99, 2], [161, 106, 2], [151, 111, 0],
    [138, 116, 4], [126, 120, 1], [109, 125, 1], [85, 130, 2],
    [33, 136, 0], [1, 136, 66], [3, 134, 94], [1, 133, 110],
    [4, 132, 121], [2, 131, 132], [1, 130, 143], [5, 128, 156],
    [3, 127, 167], [2, 124, 185], [0, 118, 216], [57, 109, 237],
    [95, 101, 238], [121, 94, 232], [141, 87, 225], [159, 80, 213],
    [175, 73, 197], [188, 67, 178], [200, 60, 156], [209, 54, 134],
];

impl Colour {
    /// The colour of `key` in the room at `address`: selected by the fourth byte of the tag's hash,
    /// modulo 32.
    #[must_use]
    pub fn new(address: &RoomAddress, key: &MemberKey) -> Self {
        let [_, _, _, hue, ..] = hash(address, key);
        let [red, green, blue] = pick(&HUES, u32::from(hue));
        Self { red, green, blue }
    }
}

fn hash(address: &RoomAddress, key: &MemberKey) -> [u8; 32] {
    Sha256::new()
        .chain_update(b"anocm/1 tag")
        .chain_update(address.as_bytes())
        .chain_update(key.as_bytes())
        .finalize()
        .into()
}

/// Returns the item that the lowest five bits of `bits` select.
fn pick<T: Copy + Default>(table: &[T; 32], bits: u32) -> T {
    // Five bits are always within a table of 32.
    table.get((bits & 31) as usize).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(address: u8, key: u8) -> String {
        Tag::new(&RoomAddress::new([address; 16]), &MemberKey::new([key; 32])).to_string()
    }

    fn contrast(a: f64, b: f64) -> f64 {
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// Relative luminance (WCAG 2.2).
    fn luminance(rgb: [u8; 3]) -> f64 {
        let [red, green, blue] = rgb.map(|channel| {
            let channel = f64::from(channel) / 255.0;
            if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    #[test]
    fn a_tag_depends_on_key_and_room() {
        assert_eq!(tag(1, 2), tag(1, 2));
        assert_ne!(tag(1, 2), tag(1, 3));
        assert_ne!(tag(1, 2), tag(4, 2));
    }

    #[test]
    fn the_tag_of_the_protocol_document_never_changes() {
        let ascending = |from: u8| move |n: usize| from + u8::try_from(n).unwrap();
        let address = RoomAddress::new(std::array::from_fn(ascending(0)));
        let key = MemberKey::new(std::array::from_fn(ascending(0x40)));
        assert_eq!(Tag::new(&address, &key).to_string(), "23PH");
        let colour = Colour::new(&address, &key);
        assert_eq!([colour.red, colour.green, colour.blue], HUES[31]);
    }

    #[test]
    fn every_colour_reads_on_black_and_on_white() {
        for rgb in HUES {
            let luminance = luminance(rgb);
            assert!(contrast(luminance, 0.0) >= 4.5, "{rgb:?} on black");
            assert!(contrast(luminance, 1.0) >= 4.5, "{rgb:?} on white");
        }
    }
}
