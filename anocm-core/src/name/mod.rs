//! Names and text made fit to be shown.
//!
//! Names prove nothing: a [`Tag`] and a [`Colour`] from the member's key stand beside each, and
//! [`look_alike`] finds names that can be mistaken for each other. Text that others wrote goes
//! through [`clean_text`] or [`clean_line`] before it reaches a screen.

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
