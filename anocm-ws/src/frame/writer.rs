//! The outgoing side: many frames in one write.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    task::{Context, Poll, ready},
};

use anocm_core::Payload;

#[cfg(feature = "client")]
use super::masks::Masks;
use super::{Side, metered_io::MeteredIo};
use crate::codec::{Header, HeaderBytes, Opcode, mask};

/// The maximum number of frames in a write.
const BATCH: usize = 32;
/// The number of queued bytes at which a send writes before it queues more.
const WRITE_THRESHOLD: usize = 64 * 1_024;

/// A frame that is not completely written.
struct QueuedFrame {
    header: HeaderBytes,
    payload: Payload,
}

impl QueuedFrame {
    fn len(&self) -> usize {
        self.header.len().saturating_add(self.payload.len())
    }
}

/// Writes frames. Those that the connection does not accept at once are queued.
pub(crate) struct FrameWriter {
    side: Side,
    #[cfg(feature = "client")]
    masks: Option<Box<Masks>>,
    queue: VecDeque<QueuedFrame>,
    /// The bytes of the queue that have not been written.
    waiting: usize,
    /// The bytes of its first frame that have been.
    written: usize,
    /// Nothing is queued, and the layers below hold nothing back.
    flushed: bool,
}

impl FrameWriter {
    pub(crate) fn new(side: Side) -> Self {
        Self {
            side,
            #[cfg(feature = "client")]
            masks: None,
            queue: VecDeque::new(),
            waiting: 0,
            written: 0,
            flushed: true,
        }
    }

    /// Returns true when there is nothing to flush.
    pub(crate) fn is_flushed(&self) -> bool {
        self.flushed
    }

    /// Queues a frame. On a relay the bytes are shared, on a client a masked copy is queued.
    ///
    /// # Errors
    /// The system has no random numbers for the mask.
    pub(crate) fn push(&mut self, opcode: Opcode, payload: Payload) -> io::Result<()> {
        let key = self.next_mask()?;
        let header = header(opcode, &payload, key);
        let payload = match key {
            Some(key) => {
                let mut masked = payload.to_vec();
                mask(&mut masked, key);
                Payload::from(masked)
            }
            None => payload,
        };
        let frame = QueuedFrame { header, payload };
        self.waiting = self.waiting.saturating_add(frame.len());
        self.queue.push_back(frame);
        self.flushed = false;
        Ok(())
    }

    /// Writes the frames from `next` on after what is queued; advances `next`. When this is
    /// pending, some of the frames are queued.
    pub(crate) fn poll_write(
        &mut self,
        io: &mut MeteredIo,
        cx: &mut Context<'_>,
        frames: &[Payload],
        next: &mut usize,
    ) -> Poll<io::Result<()>> {
        while self.queue.is_empty() && !self.side.masks() {
            let Some(rest) = frames.get(*next..).filter(|rest| !rest.is_empty()) else { break };
            match self.poll_direct(io, cx, rest)? {
                Poll::Ready(accepted) => *next = next.saturating_add(accepted),
                Poll::Pending => break,
            }
        }
        loop {
            while self.waiting < WRITE_THRESHOLD
                && let Some(frame) = frames.get(*next)
            {
                self.push(Opcode::Binary, frame.clone())?;
                *next += 1;
            }
            ready!(self.poll_flush(io, cx))?;
            if *next >= frames.len() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Writes everything queued, then frees the queue.
    pub(crate) fn poll_flush(
        &mut self,
        io: &mut MeteredIo,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.queue.is_empty() {
            let parts = self.queue.iter().map(|frame| (&*frame.header, &*frame.payload));
            let accepted = ready!(poll_parts(io, cx, parts, self.written))?;
            self.advance(accepted);
        }
        if self.queue.capacity() > 0 {
            self.queue = VecDeque::new();
        }
        ready!(io.poll_flush(cx))?;
        self.flushed = true;
        Poll::Ready(Ok(()))
    }

    /// Writes frames without queueing them, and returns how many are done. Of these the last may be
    /// partly written: the rest of it is queued.
    fn poll_direct(
        &mut self,
        io: &mut MeteredIo,
        cx: &mut Context<'_>,
        frames: &[Payload],
    ) -> Poll<io::Result<usize>> {
        let mut headers = [HeaderBytes::default(); BATCH];
        for (place, frame) in headers.iter_mut().zip(frames) {
            *place = header(Opcode::Binary, frame, None);
        }
        let parts = headers.iter().map(|header| &**header).zip(frames.iter().map(|frame| &**frame));
        let mut left = ready!(poll_parts(io, cx, parts, 0))?;
        self.flushed = false;
        let mut done = 0;
        for (&header, frame) in headers.iter().zip(frames) {
            if left == 0 {
                break;
            }
            done += 1;
            let length = header.len().saturating_add(frame.len());
            if left < length {
                self.queue.push_back(QueuedFrame { header, payload: frame.clone() });
                (self.written, self.waiting) = (left, length.saturating_sub(left));
            }
            left = left.saturating_sub(length);
        }
        Poll::Ready(Ok(done))
    }

    /// Returns the mask of the next frame; `None` on a relay, whose frames have none.
    fn next_mask(&mut self) -> io::Result<Option<[u8; 4]>> {
        match self.side {
            #[cfg(feature = "client")]
            Side::Client => self.masks.get_or_insert_default().next().map(Some),
            #[cfg(feature = "server")]
            Side::Server => Ok(None),
        }
    }

    fn advance(&mut self, accepted: usize) {
        self.waiting = self.waiting.saturating_sub(accepted);
        self.written = self.written.saturating_add(accepted);
        while let Some(frame) = self.queue.front().map(QueuedFrame::len)
            && let Some(rest) = self.written.checked_sub(frame)
        {
            self.written = rest;
            self.queue.pop_front();
        }
    }
}

fn header(opcode: Opcode, payload: &[u8], mask: Option<[u8; 4]>) -> HeaderBytes {
    let len = u64::try_from(payload.len()).unwrap_or(u64::MAX);
    Header { fin: true, opcode, mask, len }.encode()
}

/// Writes headers and payloads from byte `skip` on. Returns how many bytes were accepted.
fn poll_parts<'a>(
    io: &mut MeteredIo,
    cx: &mut Context<'_>,
    parts: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    mut skip: usize,
) -> Poll<io::Result<usize>> {
    let mut slices = [IoSlice::new(&[]); 2 * BATCH];
    let mut count = 0;
    for (slice, part) in slices.iter_mut().zip(parts.flat_map(|(header, body)| [header, body])) {
        let some = skip.min(part.len());
        *slice = IoSlice::new(part.get(some..).unwrap_or_default());
        skip -= some;
        count += 1;
    }
    io.poll_write(cx, slices.get(..count).unwrap_or_default())
}
