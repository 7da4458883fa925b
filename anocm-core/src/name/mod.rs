//! Names and text, made safe to display.
//!
//! Names are not authenticated: a [`Tag`] and a [`Colour`] derived from the member's key are shown
//! beside each, and [`look_alike`] finds names that can be mistaken for each other. Pass text of
//! other members through [`clean_text`] or [`clean_line`] before displaying it.

mod characters;
mod look_alike;
mod nickname;
mod screen;
mod tables;
mod tag;

pub use look_alike::{look_alike, looks};
pub use nickname::{Nickname, NicknameError};
pub use screen::{clean_line, clean_text};
pub use tag::{Colour, Tag};
