//! Prompts for the link on the terminal without showing it.

use std::io::{self, Read};

use tokio::sync::oneshot;
use zeroize::{Zeroize as _, Zeroizing};

use super::LinkError;
use crate::{
    stdio::{self, complain},
    wipe::Unshown,
};

/// The maximum length of a link in bytes. Reserved at once, so that typing leaves no copies behind.
const MOST: usize = 4096;

/// Prompts and waits; all typed or pasted input stays invisible. When cancelled, the terminal is
/// restored all the same, but one more key is read from it.
///
/// Reads bytes instead of crossterm's events, whose buffers would keep the link.
pub(super) async fn ask() -> Result<Zeroizing<String>, LinkError> {
    complain(format_args!("paste the link of the room (it is not shown), then Enter: "));
    let _unshown = Unshown::start()?;
    let input = stdio::input()?;
    let (to, link) = oneshot::channel();
    // A blocking read cannot be cancelled, and signals must be handled meanwhile.
    std::thread::spawn(move || {
        // The receiver may be gone.
        let _ = to.send(read(input));
    });
    link.await.unwrap_or(Err(LinkError::None))
}

fn read(mut input: impl Read) -> Result<Zeroizing<String>, LinkError> {
    let mut typed = Typed::new();
    // Read one byte at a time: input typed ahead belongs to the next reader of the terminal.
    let mut byte = Zeroizing::new([0]);
    loop {
        match input.read(&mut *byte) {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // In raw mode, the end of input is a hang-up as well.
            Ok(0) | Err(_) => return Err(LinkError::HungUp),
        }
        let [key] = *byte;
        match typed.take(key) {
            Typing::More => {}
            Typing::Done => return Ok(typed.link),
            Typing::GivenUp => return Err(LinkError::None),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Typing {
    More,
    Done,
    GivenUp,
}

struct Typed {
    link: Zeroizing<String>,
    sequence: Sequence,
    /// Whether the input is inside a bracketed paste. A link that was broken over two rows contains
    /// a line break, which does not end the input then.
    pasting: bool,
}

/// The position in an escape sequence, whose letters are not part of the link.
#[derive(Debug, PartialEq, Eq)]
enum Sequence {
    None,
    Escape,
    /// With the last number read.
    Body(u16),
}

/// The numbers of the sequences before and after a bracketed paste.
const PASTE_BEGINS: u16 = 200;
const PASTE_ENDS: u16 = 201;

impl Typed {
    fn new() -> Self {
        Self {
            link: Zeroizing::new(String::with_capacity(MOST)),
            sequence: Sequence::None,
            pasting: false,
        }
    }

    fn take(&mut self, byte: u8) -> Typing {
        let sequence = std::mem::replace(&mut self.sequence, Sequence::None);
        match (sequence, byte) {
            (Sequence::Escape, b'[' | b'O') => self.sequence = Sequence::Body(0),
            (Sequence::Body(number), b'0'..=b'9') => {
                let digit = u16::from(byte - b'0');
                self.sequence = Sequence::Body(number.saturating_mul(10).saturating_add(digit));
            }
            (Sequence::Body(_), b' '..b'@') => self.sequence = Sequence::Body(0),
            (Sequence::Body(PASTE_BEGINS), b'~') => self.pasting = true,
            (Sequence::Body(PASTE_ENDS), b'~') => self.pasting = false,
            (Sequence::Body(_), b'@'..=b'~') => {}
            (_, b'\r' | b'\n') if self.pasting => {}
            (_, b'\r' | b'\n') => return Typing::Done,
            // Ctrl-C, Ctrl-D, Ctrl-X.
            (_, 3 | 4 | 24) => return Typing::GivenUp,
            // Ctrl-U.
            (_, 21) => self.link.zeroize(),
            (_, 8 | 127) => {
                self.link.pop();
            }
            (_, 27) => self.sequence = Sequence::Escape,
            // A link consists of these characters only.
            (_, b'!'..=b'~') if self.link.len() < MOST => self.link.push(byte.into()),
            _ => {}
        }
        Typing::More
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(bytes: &[u8]) -> (String, Typing) {
        let mut typed = Typed::new();
        for &byte in bytes {
            let asked = typed.take(byte);
            if asked != Typing::More {
                return (typed.link.to_string(), asked);
            }
        }
        (typed.link.to_string(), Typing::More)
    }

    #[test]
    fn what_is_typed_until_the_end_of_the_line_is_the_link() {
        assert_eq!(typed(b"https://r/#ab\rnext"), ("https://r/#ab".to_owned(), Typing::Done));
        assert_eq!(typed(b"ax\x7fb").0, "ab");
        assert_eq!(typed(b"wrong\x15right").0, "right");
        assert_eq!(typed(b"ab\x03").1, Typing::GivenUp);
    }

    #[test]
    fn keys_that_are_no_characters_leave_nothing() {
        assert_eq!(typed(b"a\x1b[D\x1b[1;5Cb\x1bOPc\xc3\xa4\x00 d").0, "abcd");
    }

    #[test]
    fn a_pasted_link_may_be_broken_over_rows() {
        let pasted = b"\x1b[200~https://r/#ab\r\ncd\n\x1b[201~";
        assert_eq!(typed(pasted), ("https://r/#abcd".to_owned(), Typing::More));
        assert_eq!(typed(&[&pasted[..], b"\rnext"].concat()).1, Typing::Done);
    }

    #[test]
    fn it_never_outgrows_its_memory() {
        let mut typed = Typed::new();
        (0..2 * MOST).for_each(|_| {
            typed.take(b'x');
        });
        assert_eq!(typed.link.capacity(), MOST);
    }
}
