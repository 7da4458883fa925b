//! The header of a WebSocket frame, and masking (RFC 6455, sections 5.2 and 5.3): pure functions
//! over bytes.

#![allow(
    unreachable_pub,
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    reason = "public for the fuzz target alone: without its feature nothing of it is"
)]

use std::ops::Deref;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;

/// The maximum length of the payload of a control frame.
pub const MAX_CONTROL: usize = 125;
/// Two bytes, an extended length of eight, a mask of four.
const MAX_HEADER: usize = 14;
/// The most significant bit of a length is 0.
const MAX_LENGTH: u64 = u64::MAX >> 1;
/// Payloads are masked in blocks of this many bytes, which the compiler turns into vector
/// instructions. A multiple of the length of a mask.
const BLOCK: usize = 32;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// The next part of a fragmented message.
    Continuation = 0,
    /// Text, or the first part of it.
    Text = 1,
    /// Bytes, or the first part of them.
    Binary = 2,
    /// Closes the connection.
    Close = 8,
    /// Asks for a pong.
    Ping = 9,
    /// Answers a ping.
    Pong = 10,
}

impl Opcode {
    fn parse(bits: u8) -> Option<Self> {
        let all =
            [Self::Continuation, Self::Text, Self::Binary, Self::Close, Self::Ping, Self::Pong];
        all.into_iter().find(|&opcode| opcode as u8 == bits)
    }

    /// Returns true for close, ping and pong.
    #[must_use]
    pub fn is_control(self) -> bool {
        self as u8 >= Self::Close as u8
    }
}

/// Why a header is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// A reserved bit is set, and no extension was negotiated.
    Reserved,
    /// The opcode is not defined.
    UnknownOpcode,
    /// A control frame is fragmented or longer than [`MAX_CONTROL`].
    BadControl,
    /// A continuation without a first part, or a new message within a fragmented one.
    OutOfOrder,
    /// Only the frames of a client are masked, and all of them.
    BadMask,
    /// The length is not in its shortest form, or a close frame holds half a code.
    BadLength,
    /// The payload is longer than permitted.
    TooLong,
}

/// What the next header may be.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// The sender is a client, whose frames are masked.
    pub masked: bool,
    /// A fragmented message is not complete.
    pub continuation: bool,
    /// The maximum payload length of a data frame in bytes.
    pub max_len: u64,
}

/// A frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The last frame of its message.
    pub fin: bool,
    /// What the frame is.
    pub opcode: Opcode,
    /// The masking key.
    pub mask: Option<[u8; 4]>,
    /// The length of the payload in bytes.
    pub len: u64,
}

impl Header {
    /// Reads the header at the start of `bytes`. Returns it with its length; `None` when `bytes`
    /// end before it does.
    ///
    /// # Errors
    /// [`HeaderError`] as soon as the bytes that show the error are there.
    pub fn decode(bytes: &[u8], expected: &Expected) -> Result<Option<(Self, usize)>, HeaderError> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
        let (fin, masked, short) = (first & FIN != 0, second & MASKED != 0, second & LENGTH);
        if first & RESERVED != 0 {
            return Err(HeaderError::Reserved);
        }
        let opcode = Opcode::parse(first & OPCODE).ok_or(HeaderError::UnknownOpcode)?;
        if opcode.is_control() {
            if !fin || usize::from(short) > MAX_CONTROL {
                return Err(HeaderError::BadControl);
            }
        } else if (opcode == Opcode::Continuation) != expected.continuation {
            return Err(HeaderError::OutOfOrder);
        }
        if masked != expected.masked {
            return Err(HeaderError::BadMask);
        }
        let (extended, least) = match short {
            126 => (2, 126),
            127 => (8, 0x1_0000),
            _ => (0, 0),
        };
        let Some((length, rest)) = rest.split_at_checked(extended) else { return Ok(None) };
        let length = length.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
        let len = if extended == 0 { u64::from(short) } else { length };
        if len < least || (opcode == Opcode::Close && len == 1) {
            return Err(HeaderError::BadLength);
        }
        if !opcode.is_control() && len > expected.max_len.min(MAX_LENGTH) {
            return Err(HeaderError::TooLong);
        }
        let mask = match rest.first_chunk() {
            _ if !masked => None,
            Some(mask) => Some(*mask),
            None => return Ok(None),
        };
        let used = 2 + extended + if masked { 4 } else { 0 };
        Ok(Some((Self { fin, opcode, mask, len }, used)))
    }

    /// Writes the header, with the length in its shortest form.
    #[must_use]
    pub fn encode(&self) -> HeaderBytes {
        let mut out = HeaderBytes::default();
        let masked = if self.mask.is_some() { MASKED } else { 0 };
        let first = if self.fin { FIN } else { 0 } | self.opcode as u8;
        let long = self.len.to_be_bytes();
        match (u8::try_from(self.len), u16::try_from(self.len)) {
            (Ok(len @ 0..126), _) => out.put(&[first, masked | len]),
            (_, Ok(len)) => {
                out.put(&[first, masked | 126]);
                out.put(&len.to_be_bytes());
            }
            _ => {
                out.put(&[first, masked | 127]);
                out.put(&long);
            }
        }
        out.put(self.mask.as_ref().map_or(&[], |mask| mask.as_slice()));
        out
    }
}

/// An encoded header.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeaderBytes {
    bytes: [u8; MAX_HEADER],
    len: usize,
}

impl HeaderBytes {
    fn put(&mut self, some: &[u8]) {
        for (place, &byte) in self.bytes.iter_mut().skip(self.len).zip(some) {
            *place = byte;
        }
        self.len += some.len();
    }
}

impl Deref for HeaderBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Masks a whole payload, or removes the mask.
pub fn mask(payload: &mut [u8], key: [u8; 4]) {
    let mut wide = [0; BLOCK];
    for (place, byte) in wide.iter_mut().zip(key.into_iter().cycle()) {
        *place = byte;
    }
    let (blocks, rest) = payload.as_chunks_mut::<BLOCK>();
    for block in blocks {
        for (byte, key) in block.iter_mut().zip(wide) {
            *byte ^= key;
        }
    }
    for (byte, key) in rest.iter_mut().zip(wide) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests;
