//! Reads standard input line by line.

use std::io::{self, Read};

use tokio::sync::mpsc;
use zeroize::{Zeroize as _, Zeroizing};

use crate::stdio;

/// The longest line in bytes: large enough for the longest message with every character escaped in
/// JSON.
pub(crate) const MAX_LINE: usize = 128 * 1024;

const CHUNK: usize = 4096;

/// An input line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Its text, without the line break.
    Text(Zeroizing<String>),
    /// Longer than [`MAX_LINE`], or not UTF-8; its content is discarded.
    Unfit,
}

/// Lines of standard input as they arrive.
///
/// Read on a separate thread that ends with the process: a read of a terminal or pipe cannot be
/// cancelled, and a runtime would wait for it. The thread reads on only as lines are taken.
#[derive(Debug)]
pub(crate) struct Lines(mpsc::Receiver<Line>);

impl Lines {
    /// Starts to read standard input.
    pub(crate) fn of_stdin() -> io::Result<Self> {
        Ok(Self::of(stdio::input()?))
    }

    pub(crate) fn of(input: impl Read + Send + 'static) -> Self {
        let (to, lines) = mpsc::channel(1);
        std::thread::spawn(move || read(input, &to));
        Self(lines)
    }

    /// Returns the next line; `None` at the end. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Line> {
        self.0.recv().await
    }
}

fn read(mut input: impl Read, to: &mpsc::Sender<Line>) {
    let mut chunk = Zeroizing::new([0; CHUNK]);
    let mut splitter = Splitter::default();
    loop {
        let count = match input.read(&mut *chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        for line in splitter.take(chunk.get(..count).unwrap_or_default()) {
            if to.blocking_send(line).is_err() {
                return;
            }
        }
        chunk.zeroize();
    }
    if let Some(last) = splitter.finish() {
        // The receiver may be gone.
        let _ = to.blocking_send(last);
    }
}

/// Splits bytes into lines and discards lines that are too long.
#[derive(Default)]
struct Splitter {
    line: Zeroizing<Vec<u8>>,
    too_long: bool,
}

impl Splitter {
    fn take(&mut self, bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (part, ends) = match part.split_last() {
                Some((b'\n', part)) => (part, true),
                _ => (part, false),
            };
            if self.line.len() + part.len() > MAX_LINE {
                self.too_long = true;
                self.line.zeroize();
            }
            if !self.too_long {
                self.grow(part);
            }
            if ends {
                lines.push(self.line());
            }
        }
        lines
    }

    fn finish(&mut self) -> Option<Line> {
        (self.too_long || !self.line.is_empty()).then(|| self.line())
    }

    /// Appends without leaving a copy of the line in the old allocation.
    fn grow(&mut self, part: &[u8]) {
        let needed = self.line.len() + part.len();
        if needed > self.line.capacity() {
            let mut larger =
                Zeroizing::new(Vec::with_capacity(needed.next_power_of_two().max(CHUNK)));
            larger.extend_from_slice(&self.line);
            self.line = larger;
        }
        self.line.extend_from_slice(part);
    }

    fn line(&mut self) -> Line {
        let mut bytes = std::mem::take(&mut *self.line);
        if std::mem::take(&mut self.too_long) {
            return Line::Unfit;
        }
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        String::from_utf8(bytes).map_or_else(
            |error| {
                error.into_bytes().zeroize();
                Line::Unfit
            },
            |text| Line::Text(Zeroizing::new(text)),
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(chunks: &[&[u8]]) -> Vec<Line> {
        let mut splitter = Splitter::default();
        let mut lines: Vec<_> = chunks.iter().flat_map(|chunk| splitter.take(chunk)).collect();
        lines.extend(splitter.finish());
        lines
    }

    fn text(text: &str) -> Line {
        Line::Text(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn lines_are_put_together_from_pieces() {
        assert_eq!(
            split(&[b"he", b"llo\r\n\nwor", b"ld"]),
            [text("hello"), text(""), text("world")]
        );
        assert_eq!(split(&[b"\xff\nok\n"]), [Line::Unfit, text("ok")]);
        assert_eq!(split(&[]), []);
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let piece = [b'x'; 1024];
        let mut splitter = Splitter::default();
        for _ in 0..1_000 {
            assert!(splitter.take(&piece).is_empty());
            assert!(splitter.line.len() <= MAX_LINE);
        }
        assert_eq!(splitter.take(b"\nnext\n"), [Line::Unfit, text("next")]);
    }

    #[tokio::test]
    async fn the_end_of_input_comes_after_its_last_line() {
        let mut lines = Lines::of(&b"one\ntwo"[..]);
        assert_eq!(lines.next().await, Some(text("one")));
        assert_eq!(lines.next().await, Some(text("two")));
        assert_eq!(lines.next().await, None);
    }

    proptest! {
        #[test]
        fn where_the_pieces_are_cut_does_not_matter(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..60), at in 0_usize..60) {
            let (front, back) = bytes.split_at(at.min(bytes.len()));
            prop_assert_eq!(split(&[front, back]), split(&[&bytes]));
        }
    }
}
