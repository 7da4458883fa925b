//! Bounds the memory for incoming messages before they have been processed.

#[cfg(feature = "server")]
use std::sync::Arc;
use std::{
    io,
    task::{Context, Poll, ready},
};

use anocm_core::wire::MAX_FRAME;
use tokio::sync::OwnedSemaphorePermit;
#[cfg(feature = "server")]
use tokio::sync::Semaphore;
use tokio_util::sync::PollSemaphore;

/// Messages up to this length need no shared memory: the two smaller size classes of sealed
/// entries, with their framing.
pub(crate) const FREE: u64 = 17 * 1_024;
/// The memory that an incoming message takes, as a multiple of its length: fragments are collected
/// in space for twice as much (while that grows, the former space exists as well for a moment).
const COPIES: u64 = 2;

/// Memory that connections share for longer incoming messages.
#[cfg(feature = "server")]
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    bytes: Arc<Semaphore>,
    most: u32,
}

#[cfg(feature = "server")]
impl Memory {
    /// Creates the shared memory. It is never smaller than what the longest message needs.
    pub(crate) fn new(bytes: usize) -> Self {
        let least = MAX_FRAME.saturating_mul(2);
        let most = u32::try_from(bytes.max(least)).unwrap_or(u32::MAX);
        let places = usize::try_from(most).unwrap_or(Semaphore::MAX_PERMITS);
        Self { bytes: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))), most }
    }
}

/// Limits what one connection may send.
#[derive(Debug, Default)]
pub(crate) struct IngressBudget {
    /// The maximum length of the first message; 0 means the limit of any message.
    first: u64,
    memory: Option<(PollSemaphore, u32)>,
    held: Option<OwnedSemaphorePermit>,
}

impl IngressBudget {
    /// The limits for connections that are not authenticated yet.
    #[cfg(feature = "server")]
    pub(crate) fn of(memory: &Memory, first: usize) -> Self {
        let semaphore = PollSemaphore::new(Arc::clone(&memory.bytes));
        let first = u64::try_from(first).unwrap_or(u64::MAX);
        Self { first, memory: Some((semaphore, memory.most)), held: None }
    }

    /// Ready when more may be read of a message of `size` bytes. `any` is true when a message was
    /// received before it.
    pub(crate) fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        size: u64,
        any: bool,
    ) -> Poll<io::Result<()>> {
        if !any && self.first > 0 && size > self.first {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let Some((semaphore, most)) = &mut self.memory else {
            return Poll::Ready(Ok(()));
        };
        if size <= FREE {
            return Poll::Ready(Ok(()));
        }
        // A message longer than any valid frame is refused once that much has arrived.
        let size = size.min(u64::try_from(MAX_FRAME).unwrap_or(u64::MAX));
        let needs = u32::try_from(size.saturating_mul(COPIES)).unwrap_or(u32::MAX).min(*most);
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = needs.saturating_sub(u32::try_from(held).unwrap_or(u32::MAX));
        if missing > 0 {
            // The semaphore is never closed. A fragmented message may get here once for each
            // fragment.
            let Some(more) = ready!(semaphore.poll_acquire_many(cx, missing)) else {
                return Poll::Ready(Err(io::ErrorKind::Other.into()));
            };
            match &mut self.held {
                Some(held) => held.merge(more),
                None => self.held = Some(more),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes the permit for the message that has just been received. It must be kept as long as the
    /// message.
    pub(crate) fn release(&mut self) -> Option<OwnedSemaphorePermit> {
        self.held.take()
    }
}

#[cfg(all(test, feature = "server"))]
mod tests {
    use std::time::Duration;

    use anocm_core::transport::Link;
    use bytes::Bytes;
    use tokio::{
        io::{AsyncWriteExt, DuplexStream, duplex},
        time::timeout,
    };

    use super::*;
    use crate::{
        Timing,
        frame::{MeteredIo, Side},
        link::WsLink,
    };

    /// Shorter than any timeout of the link. Time is paused while any task has work to do, so
    /// everything that can happen does happen within it.
    const WHILE: Duration = Duration::from_secs(1);

    fn connection(memory: &Memory) -> (DuplexStream, WsLink) {
        let (near, far) = duplex(1_024);
        let metered = MeteredIo::new(far, Bytes::new(), IngressBudget::of(memory, MAX_FRAME));
        (near, WsLink::new(metered, Side::Server, Timing::default()))
    }

    /// A binary message of `length` bytes, masked with zeros.
    fn message(length: usize) -> Vec<u8> {
        let mut message = vec![0x82];
        match u16::try_from(length) {
            Ok(length) => {
                message.push(0xfe);
                message.extend(length.to_be_bytes());
            }
            Err(_) => {
                message.push(0xff);
                message.extend((length as u64).to_be_bytes());
            }
        }
        message.resize(message.len() + 4 + length, 0);
        message
    }

    #[tokio::test(start_paused = true)]
    async fn long_frames_share_the_memory_and_short_ones_need_none() {
        // Enough memory for one frame of the maximum length.
        let memory = Memory::new(0);
        let (mut alice, hers) = connection(&memory);
        let (mut bob, his) = connection(&memory);
        let (mut carol, carols) = connection(&memory);

        let largest_message = message(MAX_FRAME);
        let (last, most) = largest_message.split_last().unwrap();
        let hers = tokio::spawn(async move { hers.recv().await });
        alice.write_all(most).await.unwrap();
        let long = message(64_000);
        let receiving = async { his.recv().await.unwrap().unwrap() };
        let mut receiving = std::pin::pin!(receiving);
        tokio::select! {
            biased;
            _ = &mut receiving => panic!("not enough memory for two"),
            sent = timeout(WHILE, bob.write_all(&long)) => assert!(sent.is_err()),
        }
        carol.write_all(&message(1_000)).await.unwrap();
        assert_eq!(carols.recv().await.unwrap().unwrap().len(), 1_000);

        alice.write_all(&[*last]).await.unwrap();
        let whole = hers.await.unwrap().unwrap().unwrap();
        assert_eq!(whole.len(), MAX_FRAME);
        // The frame keeps its memory until it is dropped.
        assert!(timeout(WHILE, &mut receiving).await.is_err());
        drop(whole);
        // Bob's write was cancelled half way. The rest of it is zeros as well.
        let rest = async { while bob.write_u8(0).await.is_ok() {} };
        tokio::select! {
            frame = receiving => assert_eq!(frame.len(), 64_000),
            () = rest => panic!("a cut"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_in_pieces_counts_as_one() {
        let memory = Memory::new(0);
        let (mut alice, hers) = connection(&memory);
        let hers = tokio::spawn(async move { hers.recv().await });
        for (first, length) in [(0x02, 40_000), (0x00, 40_000), (0x80, 40_000)] {
            let mut piece = message(length);
            piece[0] = first;
            alice.write_all(&piece).await.unwrap();
        }
        let whole = hers.await.unwrap().unwrap().unwrap();
        assert_eq!(whole.len(), 120_000);
        assert_eq!(memory.bytes.available_permits(), memory.most as usize - 240_000);
        drop(whole);
        assert_eq!(memory.bytes.available_permits(), memory.most as usize);
    }
}
