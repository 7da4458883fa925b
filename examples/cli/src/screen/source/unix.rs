//! Key input from the bytes of a terminal.

use std::{io, time::Duration};

use tokio::time::Instant;
use zeroize::{Zeroize as _, Zeroizing};

use super::super::{
    keys::{self, Key},
    sequences::{self, Parsed, Token},
};
use crate::tty::{ReadEvent, TtyReader};

/// The maximum number of bytes per read.
const CHUNK: usize = 1024;

/// How long the rest of a sequence may take before its bytes are taken as typed.
const SEQUENCE: Duration = Duration::from_millis(50);

/// The same for a paste, which may arrive in pieces over a slow network.
const PASTING: Duration = Duration::from_secs(1);

/// The maximum size of a paste in bytes; several times what fits into a line.
const LONGEST_PASTE: usize = 64 * 1024;

const PASTE_ENDS: &[u8] = b"\x1b[201~";

/// Ctrl-C and Ctrl-X, which must work even if the end of a paste was lost.
const URGENT: [u8; 2] = [3, 24];

/// Keys of the terminal.
#[derive(Debug)]
pub(crate) struct Source {
    reader: TtyReader,
    chunk: Zeroizing<[u8; CHUNK]>,
    parser: Parser,
    /// When an incomplete sequence is taken as typed.
    times_out_at: Option<Instant>,
}

impl Source {
    /// Reads standard input, which is a terminal, until dropped.
    pub(crate) fn start() -> io::Result<Self> {
        Ok(Self::of(TtyReader::open()?))
    }

    #[cfg(test)]
    pub(crate) fn of_descriptor(from: std::os::fd::OwnedFd) -> io::Result<Self> {
        Ok(Self::of(TtyReader::of(from)?))
    }

    fn of(reader: TtyReader) -> Self {
        let chunk = Zeroizing::new([0; CHUNK]);
        Self { reader, chunk, parser: Parser::default(), times_out_at: None }
    }

    /// Returns the next key, or `None` when the terminal is gone. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Key> {
        loop {
            if let Some(key) = self.parser.next(false) {
                return Some(key);
            }
            let wait = self.parser.waits();
            if wait.is_none() {
                self.times_out_at = None;
            } else if self.times_out_at.is_none() {
                self.times_out_at = wait.map(|wait| Instant::now() + wait);
            }
            tokio::select! {
                biased;
                typed = self.reader.read(&mut *self.chunk) => match typed {
                    ReadEvent::Bytes(count) => {
                        self.times_out_at = None;
                        self.parser.take(self.chunk.get(..count).unwrap_or_default());
                        self.chunk.zeroize();
                    }
                    ReadEvent::Resized => return Some(Key::Nothing),
                    ReadEvent::Gone => return None,
                },
                () = crate::talk::until(self.times_out_at) => {
                    self.times_out_at = None;
                    if let Some(key) = self.parser.next(true) {
                        return Some(key);
                    }
                }
            }
        }
    }
}

/// Parses bytes into keys.
#[derive(Default)]
struct Parser {
    bytes: Zeroizing<Vec<u8>>,
    pasted: Option<Pasted>,
}

/// A paste whose end has not arrived.
#[derive(Default)]
struct Pasted {
    text: Zeroizing<Vec<u8>>,
    /// Nothing has arrived for a while.
    stalled: bool,
}

impl Parser {
    fn take(&mut self, bytes: &[u8]) {
        if self.pasted.as_ref().is_some_and(|pasted| pasted.stalled)
            && matches!(bytes, [byte] if URGENT.contains(byte))
        {
            self.pasted = None;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns how long to wait for the rest of a sequence or paste.
    fn waits(&self) -> Option<Duration> {
        match &self.pasted {
            Some(pasted) if pasted.text.is_empty() && self.bytes.is_empty() => None,
            Some(_) => Some(PASTING),
            None if self.bytes.is_empty() => None,
            None => Some(SEQUENCE),
        }
    }

    fn next(&mut self, timed_out: bool) -> Option<Key> {
        loop {
            if self.pasted.is_some() {
                return self.paste(timed_out);
            }
            let Parsed::Complete(length, what) = sequences::first(&self.bytes, timed_out) else {
                return None;
            };
            self.drop_first(length);
            match what {
                Token::Key(key) => match keys::of_key(key) {
                    Key::Nothing => {}
                    key => return Some(key),
                },
                Token::PasteBegins => self.pasted = Some(Pasted::default()),
                Token::Nothing => {}
            }
        }
    }

    /// Returns the paste once it is complete, or what has arrived when the wait has timed out.
    fn paste(&mut self, timed_out: bool) -> Option<Key> {
        let pasted = self.pasted.as_mut()?;
        let end = find(&self.bytes, PASTE_ENDS);
        let part = match end {
            Some(end) => end,
            None if timed_out => self.bytes.len(),
            None => self.bytes.len() - begun(&self.bytes, PASTE_ENDS),
        };
        let room = LONGEST_PASTE.saturating_sub(pasted.text.len());
        pasted.text.extend_from_slice(self.bytes.get(..part.min(room)).unwrap_or_default());
        pasted.stalled = timed_out;
        let text = (end.is_some() || timed_out).then(|| {
            let text = Zeroizing::new(String::from_utf8_lossy(&pasted.text).into_owned());
            pasted.text.zeroize();
            text
        });
        if end.is_some() {
            self.pasted = None;
        }
        self.drop_first(part + end.map_or(0, |_| PASTE_ENDS.len()));
        text.map(Key::Insert)
    }

    /// Removes and wipes processed bytes.
    fn drop_first(&mut self, count: usize) {
        let count = count.min(self.bytes.len());
        let left = self.bytes.len() - count;
        self.bytes.copy_within(count.., 0);
        if let Some(rest) = self.bytes.get_mut(left..) {
            rest.zeroize();
        }
        self.bytes.truncate(left);
    }
}

impl std::fmt::Debug for Parser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Parser(..)")
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// Returns how many bytes at the end are the beginning of `what`.
fn begun(bytes: &[u8], what: &[u8]) -> usize {
    (1..what.len())
        .rev()
        .find(|&count| what.get(..count).is_some_and(|begin| bytes.ends_with(begin)))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Write as _};

    use proptest::prelude::*;
    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    fn insert(text: &str) -> Key {
        Key::Insert(Zeroizing::new(text.to_owned()))
    }

    /// Returns all keys of input that arrives in these pieces.
    fn keys(pieces: &[&[u8]]) -> Vec<Key> {
        let mut parser = Parser::default();
        let mut keys = Vec::new();
        for piece in pieces {
            parser.take(piece);
            keys.extend(std::iter::from_fn(|| parser.next(false)));
        }
        if parser.waits().is_some() {
            keys.extend(std::iter::from_fn(|| {
                parser.waits().is_some().then(|| parser.next(true)).flatten()
            }));
        }
        keys
    }

    fn source() -> (Source, File) {
        let (from, to) = pipe_with(PipeFlags::NONBLOCK).unwrap();
        (Source::of_descriptor(from).unwrap(), to.into())
    }

    #[test]
    fn what_is_pasted_is_one_key_wherever_it_was_cut() {
        let whole = b"\x1b[200~one\rtwo \x1b[31m\x18\x1b[201~x";
        let wanted = [insert("one\rtwo \x1b[31m\x18"), insert("x")];
        for at in 0..whole.len() {
            let (front, back) = whole.split_at(at);
            assert_eq!(keys(&[front, back]), wanted, "{at}");
        }
    }

    #[test]
    fn a_paste_without_an_end_is_typed_and_does_not_disarm_the_panic_key() {
        let mut parser = Parser::default();
        parser.take(b"\x1b[200~half");
        assert_eq!(parser.next(false), None);
        assert_eq!(parser.next(true), Some(insert("half")));
        parser.take(b"\x18");
        assert_eq!(parser.next(false), Some(Key::Wipe));
    }

    #[test]
    fn what_is_pasted_does_not_fill_the_memory() {
        let mut parser = Parser::default();
        parser.take(b"\x1b[200~");
        for _ in 0..200 {
            parser.take(&[b'x'; CHUNK]);
            assert_eq!(parser.next(false), None);
        }
        parser.take(PASTE_ENDS);
        let Some(Key::Insert(text)) = parser.next(false) else { panic!("nothing was pasted") };
        assert_eq!(text.len(), LONGEST_PASTE);
    }

    #[tokio::test(start_paused = true)]
    async fn an_escape_alone_is_a_key_and_with_more_a_part_of_one() {
        let (mut source, mut terminal) = source();
        terminal.write_all(b"\x1b").unwrap();
        assert_eq!(source.next().await, Some(Key::Back));
        terminal.write_all(b"\x1b[5").unwrap();
        assert!(tokio::time::timeout(SEQUENCE / 2, source.next()).await.is_err());
        terminal.write_all(b"~").unwrap();
        assert_eq!(source.next().await, Some(Key::PageUp));
    }

    #[tokio::test]
    async fn the_end_of_a_terminal_is_told() {
        let (mut source, mut terminal) = source();
        terminal.write_all(b"x").unwrap();
        assert_eq!(source.next().await, Some(insert("x")));
        drop(terminal);
        assert_eq!(source.next().await, None);
        assert_eq!(source.next().await, None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(pieces: Vec<Vec<u8>>) {
            let pieces: Vec<_> = pieces.iter().map(Vec::as_slice).collect();
            keys(&pieces);
        }
    }
}
