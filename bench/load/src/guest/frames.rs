//! The subset of WebSocket framing (RFC 6455, section 5) that a receiver needs to count: headers
//! are parsed, payloads skipped, except for the mark and for short messages.

use super::mark::MARK;

/// Payloads up to this length are kept: replies, and all events that are not entries.
const SHORT: u64 = 256;
/// The longest header of an unmasked frame.
const LONGEST_HEAD: usize = 10;

/// A violation of the protocol by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("the server sent a frame with a mask")]
    Masked,
    #[error("the server sent a frame that uses an extension")]
    Extended,
    #[error("the server split a message into several frames")]
    Fragmented,
}

/// A complete frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen<'a> {
    /// Long enough to carry an entry: the bytes where its mark would be.
    Entry(&'a [u8; MARK]),
    /// A short message.
    Short(&'a [u8]),
    /// A message of any other length.
    Other,
    Ping(&'a [u8]),
    Pong,
    /// A close frame, with its code if there is one.
    Close(Option<u16>),
}

/// Scans a stream for frames, in pieces of any size.
#[derive(Debug)]
pub(crate) struct Frames {
    /// Position of the mark, counted from the end of a message.
    size: u64,
    head: Vec<u8>,
    /// Opcode and length of the frame whose payload is being read.
    frame: Option<(u8, u64)>,
    gone: u64,
    mark: [u8; MARK],
    short: Vec<u8>,
}

impl Frames {
    /// Creates a scanner for entries of `size` sealed bytes at the end of their message.
    pub(crate) fn new(size: usize) -> Self {
        Self {
            size: u64::try_from(size).unwrap_or(u64::MAX),
            head: Vec::with_capacity(LONGEST_HEAD),
            frame: None,
            gone: 0,
            mark: [0; MARK],
            short: Vec::new(),
        }
    }

    /// Processes the next bytes of the stream.
    pub(crate) fn feed(
        &mut self,
        mut bytes: &[u8],
        mut seen: impl FnMut(Seen<'_>),
    ) -> Result<(), FrameError> {
        loop {
            let (opcode, length) = match self.frame {
                Some(frame) => frame,
                None => match self.begin(&mut bytes)? {
                    Some(frame) => frame,
                    None => return Ok(()),
                },
            };
            let left = length.saturating_sub(self.gone);
            let now = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            let (payload, rest) = bytes.split_at_checked(now).unwrap_or((bytes, &[]));
            bytes = rest;
            self.pass(opcode, length, payload);
            if self.gone < length {
                return Ok(());
            }
            seen(self.end(opcode, length));
        }
    }

    /// Parses a header; `None` when it is incomplete.
    fn begin(&mut self, bytes: &mut &[u8]) -> Result<Option<(u8, u64)>, FrameError> {
        loop {
            if let Some(frame) = header(&self.head)? {
                self.head.clear();
                self.short.clear();
                self.gone = 0;
                self.frame = Some(frame);
                return Ok(Some(frame));
            }
            let Some((byte, rest)) = bytes.split_first() else {
                return Ok(None);
            };
            self.head.push(*byte);
            *bytes = rest;
        }
    }

    /// Stores the needed part of a piece of payload.
    fn pass(&mut self, opcode: u8, length: u64, payload: &[u8]) {
        let from = self.gone;
        self.gone = from.saturating_add(u64::try_from(payload.len()).unwrap_or(u64::MAX));
        if length <= SHORT {
            self.short.extend_from_slice(payload);
        } else if is_data(opcode) && length >= self.size {
            let begins = length.saturating_sub(self.size);
            // Usually the piece ends before the mark, or begins after it.
            if self.gone > begins && from < begins.saturating_add(24) {
                for (place, to) in (begins..).zip(&mut self.mark) {
                    let index = place.checked_sub(from).and_then(|i| usize::try_from(i).ok());
                    if let Some(byte) = index.and_then(|index| payload.get(index)) {
                        *to = *byte;
                    }
                }
            }
        }
    }

    fn end(&mut self, opcode: u8, length: u64) -> Seen<'_> {
        self.frame = None;
        match opcode {
            CLOSE => Seen::Close(self.short.first_chunk().map(|code| u16::from_be_bytes(*code))),
            PING => Seen::Ping(&self.short),
            PONG => Seen::Pong,
            _ if length >= self.size && length > SHORT => Seen::Entry(&self.mark),
            _ if length <= SHORT => Seen::Short(&self.short),
            _ => Seen::Other,
        }
    }
}

const CLOSE: u8 = 8;
const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;
pub(crate) const BINARY: u8 = 2;

fn is_data(opcode: u8) -> bool {
    opcode < CLOSE
}

/// Returns opcode and length; `None` while the header is incomplete.
fn header(head: &[u8]) -> Result<Option<(u8, u64)>, FrameError> {
    let Some((&[first, second], rest)) = head.split_first_chunk::<2>() else {
        return Ok(None);
    };
    if second & 0x80 != 0 {
        return Err(FrameError::Masked);
    }
    if first & 0x70 != 0 {
        return Err(FrameError::Extended);
    }
    // Fragments are not supported, neither a first nor a later one.
    if first & 0x80 == 0 || first & 0x0F == 0 {
        return Err(FrameError::Fragmented);
    }
    let length = match second {
        126 => rest.first_chunk().map(|bytes| u64::from(u16::from_be_bytes(*bytes))),
        127 => rest.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)),
        short => Some(u64::from(short)),
    };
    Ok(length.map(|length| (first & 0x0F, length)))
}

/// A frame as a client sends it: masked.
#[derive(Clone, Debug)]
pub(crate) struct Framed {
    bytes: Vec<u8>,
    key: [u8; 4],
    /// Offset of the payload.
    payload: usize,
}

impl Framed {
    pub(crate) fn new(opcode: u8, payload: &[u8], key: [u8; 4]) -> Self {
        let mut bytes = vec![0x80 | opcode];
        match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(short @ ..126), _) => bytes.push(0x80 | short),
            (_, Ok(medium)) => {
                bytes.push(0x80 | 126);
                bytes.extend_from_slice(&medium.to_be_bytes());
            }
            _ => {
                bytes.push(0x80 | 127);
                let long = u64::try_from(payload.len()).unwrap_or(u64::MAX);
                bytes.extend_from_slice(&long.to_be_bytes());
            }
        }
        bytes.extend_from_slice(&key);
        let begins = bytes.len();
        bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        Self { bytes, key, payload: begins }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends the frame to `out`, with the payload bytes at `place` replaced.
    pub(crate) fn stamped(&self, place: usize, with: &[u8], out: &mut Vec<u8>) {
        let from = out.len().saturating_add(self.payload).saturating_add(place);
        out.extend_from_slice(&self.bytes);
        let key = self.key.iter().cycle().skip(place % 4);
        for ((to, byte), key) in out.iter_mut().skip(from).zip(with).zip(key) {
            *to = byte ^ key;
        }
    }
}

#[cfg(test)]
mod tests;
