//! Colours and symbols, depending on the terminal and the guest's options.

use anocm_core::name::Colour;
use ratatui::style::{Color, Modifier, Style};

/// The style settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) ascii: bool,
    colours: Colours,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Colours {
    None,
    Few,
    All,
}

impl Look {
    /// Reads the colour support of the terminal from the environment.
    pub(super) fn of_terminal(ascii: bool) -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let all = std::env::var("COLORTERM")
            .is_ok_and(|value| value.contains("truecolor") || value.contains("24bit"));
        let colours = match (set("NO_COLOR"), all) {
            (true, _) => Colours::None,
            (false, true) => Colours::All,
            (false, false) => Colours::Few,
        };
        Self { ascii, colours }
    }

    #[cfg(test)]
    pub(super) const fn plain(ascii: bool) -> Self {
        Self { ascii, colours: Colours::None }
    }

    /// Returns the style of a member's name.
    pub(super) fn name(self, colour: Colour) -> Style {
        let Colour { red, green, blue, .. } = colour;
        let style = Style::new().add_modifier(Modifier::BOLD);
        match self.colours {
            Colours::None => style,
            Colours::All => style.fg(Color::Rgb(red, green, blue)),
            Colours::Few => style.fg(Color::Indexed(nearest(red, green, blue))),
        }
    }

    /// Returns the style of a QR code, whose drawn parts are light: dark on light scans badly.
    pub(super) fn code(self) -> Style {
        match self.colours {
            Colours::None => Style::new(),
            _ => Style::new().fg(Color::Indexed(231)).bg(Color::Indexed(16)),
        }
    }

    pub(super) const fn dim() -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Returns the style of warnings.
    pub(super) fn bad(self) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD);
        match self.colours {
            Colours::None => style.add_modifier(Modifier::REVERSED),
            _ => style.fg(Color::Red),
        }
    }

    pub(super) const fn whisper() -> Style {
        Style::new().add_modifier(Modifier::ITALIC)
    }

    /// Returns the symbol that the terminal can show.
    pub(super) const fn sign(self, fine: &'static str, ascii: &'static str) -> &'static str {
        if self.ascii { ascii } else { fine }
    }
}

/// Returns the nearest colour of the 6 × 6 × 6 cube, which all terminals share.
fn nearest(red: u8, green: u8, blue: u8) -> u8 {
    // The steps are at 0, 95, 135, 175, 215 and 255.
    let step = |value: u8| match value {
        0..48 => 0,
        48..115 => 1,
        value => (value - 35) / 40,
    };
    16 + 36 * step(red) + 6 * step(green) + step(blue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cube_holds_every_colour() {
        assert_eq!(nearest(0, 0, 0), 16);
        assert_eq!(nearest(255, 255, 255), 231);
        assert_eq!(nearest(255, 0, 95), 16 + 36 * 5 + 1);
        assert_eq!(nearest(135, 175, 215), 16 + 36 * 2 + 6 * 3 + 4);
    }
}
