//! The incoming side: header, budget, payload, unmasked message.

use std::{
    io,
    mem::MaybeUninit,
    task::{Context, Poll, ready},
};

use anocm_core::{Payload, wire::MAX_FRAME};
use bytes::BufMut;
use tokio::{io::ReadBuf, time::Instant};
use zeroize::Zeroize;

use super::{Side, buffer::Buffer, close_code::CloseCode, metered_io::MeteredIo};
use crate::codec::{Expected, Header, HeaderError, Opcode, mask};

/// The maximum number of bytes read at once, but for a longer payload, which is read into the
/// memory where it stays.
const READ: usize = 8 * 1_024;

/// The maximum number of empty fragments of one message: each costs work and counts for nothing.
const MAX_EMPTY: u32 = 100;

/// What the peer has sent.
pub(crate) enum Incoming {
    Message(Payload),
    Ping(Payload),
    Pong,
    /// Its payload is valid.
    Close(Payload),
}

/// Why nothing more is received. Nothing is used up by an error, so it occurs again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ReadError {
    /// The end of the stream, an error of it, or a message longer than the budget permits.
    Cut,
    /// The peer broke the protocol.
    Refused(CloseCode),
}

impl From<io::Error> for ReadError {
    fn from(_: io::Error) -> Self {
        Self::Cut
    }
}

impl From<HeaderError> for ReadError {
    fn from(error: HeaderError) -> Self {
        Self::Refused(match error {
            HeaderError::TooLong => CloseCode::TOO_BIG,
            _ => CloseCode::PROTOCOL_ERROR,
        })
    }
}

/// Reads messages. Between messages it holds no memory.
pub(crate) struct FrameReader {
    side: Side,
    /// Bytes in which headers are looked for.
    buffer: Buffer,
    /// The header of the frame whose payload has not arrived completely.
    frame: Option<Header>,
    /// The incomplete message, without masks but for its current frame.
    message: Buffer,
    /// Where the current frame begins in it.
    frame_start: usize,
    /// The payload length that the headers of the incomplete message have declared so far.
    size: u64,
    /// The next data frame continues the message.
    open: bool,
    /// The empty fragments of the incomplete message.
    empty: u32,
    /// A message was received.
    any: bool,
    /// When the incomplete message began to arrive.
    began: Option<Instant>,
}

impl FrameReader {
    pub(crate) fn new(side: Side, ahead: &[u8]) -> Self {
        Self {
            side,
            buffer: Buffer::new(ahead),
            frame: None,
            message: Buffer::default(),
            frame_start: 0,
            size: 0,
            open: false,
            empty: 0,
            any: false,
            began: None,
        }
    }

    /// Returns when the incomplete message began to arrive, and its declared length so far.
    pub(crate) fn coming(&self) -> Option<(Instant, u64)> {
        self.began.map(|began| (began, self.size))
    }

    /// Polls for the next message or control frame.
    pub(crate) fn poll_next(
        &mut self,
        io: &mut MeteredIo,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Incoming, ReadError>> {
        loop {
            if let Some(incoming) = self.parse(io)? {
                return Poll::Ready(Ok(incoming));
            }
            ready!(self.poll_more(io, cx))?;
        }
    }

    /// Returns the next message or control frame that has arrived completely.
    fn parse(&mut self, io: &mut MeteredIo) -> Result<Option<Incoming>, ReadError> {
        loop {
            let Some(frame) = self.header()? else { return Ok(None) };
            let missing = self.missing(&frame);
            let Some(payload) = self.buffer.unread().get(..missing) else { return Ok(None) };
            if frame.opcode.is_control() {
                let control = control(&frame, payload)?;
                self.buffer.consume(missing);
                self.frame = None;
                if !self.open {
                    self.began = None;
                }
                return Ok(Some(control));
            }
            self.collect(missing, missing);
            if let Some((key, frame)) =
                frame.mask.zip(self.message.unread_mut().get_mut(self.frame_start..))
            {
                mask(frame, key);
            }
            self.frame_start = self.message.unread().len();
            self.frame = None;
            self.open = !frame.fin;
            if frame.fin {
                return Ok(Some(Incoming::Message(self.finish(io))));
            }
        }
    }

    /// Returns the header of the current frame, and reads the next one if there is none.
    fn header(&mut self) -> Result<Option<Header>, ReadError> {
        if self.frame.is_some() {
            return Ok(self.frame);
        }
        let most = u64::try_from(MAX_FRAME).unwrap_or(u64::MAX);
        let expected = Expected {
            masked: !self.side.masks(),
            continuation: self.open,
            max_len: most.saturating_sub(self.size),
        };
        let Some((header, length)) = Header::decode(self.buffer.unread(), &expected)? else {
            return Ok(None);
        };
        if header.opcode == Opcode::Text {
            return Err(ReadError::Refused(CloseCode::UNSUPPORTED_DATA));
        }
        if !header.opcode.is_control() {
            self.size = self.size.saturating_add(header.len);
            self.empty += u32::from(header.len == 0 && !header.fin);
        }
        if self.empty > MAX_EMPTY {
            return Err(ReadError::Refused(CloseCode::POLICY_VIOLATION));
        }
        self.buffer.consume(length);
        self.frame = Some(header);
        Ok(self.frame)
    }

    /// Returns how much of the frame's payload is not in the message.
    fn missing(&self, frame: &Header) -> usize {
        let have = if frame.opcode.is_control() {
            0
        } else {
            self.message.unread().len().saturating_sub(self.frame_start)
        };
        usize::try_from(frame.len).unwrap_or(usize::MAX).saturating_sub(have)
    }

    /// Moves the next `some` bytes into the message, which then has space for `missing`.
    fn collect(&mut self, some: usize, missing: usize) {
        let length = self.message.unread().len();
        self.message.reserve(length.saturating_add(missing));
        self.message.tail().extend_from_slice(self.buffer.unread().get(..some).unwrap_or_default());
        self.buffer.consume(some);
    }

    /// Returns the message, which keeps its share of the budget.
    fn finish(&mut self, io: &mut MeteredIo) -> Payload {
        (self.any, self.size, self.frame_start, self.began) = (true, 0, 0, None);
        self.empty = 0;
        let message = self.message.take();
        match io.budget.release() {
            Some(held) => Payload::guarded(message, held),
            None => Payload::from(message),
        }
    }

    /// Reads more, as soon as the budget permits it.
    fn poll_more(
        &mut self,
        io: &mut MeteredIo,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ReadError>> {
        if self.frame.is_some() || self.open || !self.buffer.is_empty() {
            self.began.get_or_insert(io.heard);
            let more = io.budget.poll_more(cx, self.size, self.any);
            if more.is_pending() {
                // The pause is caused by our own memory limit, so it does not count as silence of
                // the peer.
                io.heard = Instant::now();
            }
            ready!(more)?;
        }
        let long = self.frame.map(|frame| self.missing(&frame)).filter(|&missing| missing > READ);
        let read = if let Some(missing) = long {
            let here = self.buffer.unread().len();
            self.collect(here, missing);
            let mut rest = self.message.tail().limit(missing.saturating_sub(here));
            ready!(io.poll_append(cx, &mut rest))?
        } else if self.buffer.is_empty() {
            ready!(self.poll_first(io, cx))?
        } else {
            self.buffer.reserve(READ);
            let space = READ.saturating_sub(self.buffer.unread().len());
            ready!(io.poll_append(cx, &mut self.buffer.tail().limit(space)))?
        };
        Poll::Ready(if read == 0 { Err(ReadError::Cut) } else { Ok(()) })
    }

    /// Reads without a buffer: a silent connection waits here, and needs no memory for it.
    fn poll_first(&mut self, io: &mut MeteredIo, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut scratch = [const { MaybeUninit::uninit() }; READ];
        let mut read = ReadBuf::uninit(&mut scratch);
        ready!(io.poll_read(cx, &mut read))?;
        self.buffer = Buffer::new(read.filled());
        read.filled_mut().zeroize();
        Poll::Ready(Ok(read.filled().len()))
    }

    #[cfg(all(test, feature = "server"))]
    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.message.is_empty()
    }
}

fn control(frame: &Header, payload: &[u8]) -> Result<Incoming, ReadError> {
    let mut payload = payload.to_vec();
    if let Some(key) = frame.mask {
        mask(&mut payload, key);
    }
    let payload = Payload::from(payload);
    Ok(match frame.opcode {
        Opcode::Close => {
            CloseCode::check(&payload).map_err(ReadError::Refused)?;
            Incoming::Close(payload)
        }
        Opcode::Ping => Incoming::Ping(payload),
        _ => Incoming::Pong,
    })
}
