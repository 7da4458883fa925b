//! A link as a QR code made of text.

use qrcode::{Color, EcLevel, QrCode};
use zeroize::Zeroizing;

use super::InviteError;

/// The width in squares of the quiet zone around the code, as ISO/IEC 18004 requires.
const QUIET: usize = 4;
/// A drawn block takes three bytes of UTF-8.
const BLOCK: usize = 3;

/// Draws the light squares as half blocks, two rows to a line.
///
/// The lowest error correction level makes the squares largest: a display does not get scratched.
pub(super) fn to_text(link: &str) -> Result<Zeroizing<String>, InviteError> {
    let code =
        QrCode::with_error_correction_level(link, EcLevel::L).map_err(|_| InviteError::TooLong)?;
    let width = code.width();
    let full = width + 2 * QUIET;
    let colors = Zeroizing::new(
        code.into_colors().into_iter().map(|color| color == Color::Light).collect::<Vec<bool>>(),
    );
    let is_light = |x: usize, y: usize| {
        let inside = |at: usize| at.checked_sub(QUIET).filter(|at| *at < width);
        match (inside(x), inside(y)) {
            (Some(x), Some(y)) => colors.get(y * width + x).copied().unwrap_or(true),
            _ => true,
        }
    };
    let mut text = Zeroizing::new(String::with_capacity((full * BLOCK + 1) * full.div_ceil(2)));
    for y in (0..full).step_by(2) {
        for x in 0..full {
            // With an odd number of rows, the last line has no lower half.
            let below = y + 1 < full && is_light(x, y + 1);
            text.push(match (is_light(x, y), below) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use crate::{Invite, RelayUrl, RoomAddress, Secret};

    /// Pixels per side of a square.
    const SCALE: usize = 4;

    /// Decodes `text` as a camera would, drawn in light on a dark screen.
    fn scan(text: &str) -> String {
        let rows: Vec<Vec<bool>> = text
            .lines()
            .flat_map(|line| {
                let upper = line.chars().map(|block| "█▀".contains(block)).collect();
                let lower = line.chars().map(|block| "█▄".contains(block)).collect();
                [upper, lower]
            })
            .collect();
        let side = rows[0].len() * SCALE;
        let mut picture = rqrr::PreparedImage::prepare_from_bitmap(side, side, |x, y| {
            !rows[y / SCALE][x / SCALE]
        });
        let grids = picture.detect_grids();
        assert_eq!(grids.len(), 1);
        grids[0].decode().unwrap().1
    }

    fn invite(relay: &str) -> Invite {
        let relay = RelayUrl::parse(relay).unwrap();
        Invite::new(relay, RoomAddress::new([0x3c; 16]), Secret::new([0xc3; 32]))
    }

    #[test]
    fn a_scanner_reads_the_very_link() {
        let path = "a".repeat(200);
        for relay in ["https://relay.example/", &format!("https://relay.example/{path}/")] {
            let invite = invite(relay);
            assert_eq!(scan(&invite.qr().unwrap()), *invite.to_link());
        }
    }

    #[test]
    fn the_code_fits_a_small_terminal() {
        let text = invite("https://relay.example/").qr().unwrap();
        assert!(text.lines().count() <= 25);
        assert!(text.lines().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn the_longest_link_fits() {
        let host = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".");
        let relay = format!("https://{host}:65535/{}/", "e".repeat(254));
        assert!(invite(&relay).qr().is_ok());
        assert!(Invite::parse(&invite(&relay).to_link()) == Ok(invite(&relay)));
    }
}
