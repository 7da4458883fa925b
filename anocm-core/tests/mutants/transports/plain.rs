//! The simplest transport that keeps the contract, and the faults that it can have.

use std::sync::{Arc, Mutex, atomic::AtomicUsize};

use anocm_core::{
    Payload, RelayUrl,
    transport::{Closing, Link, Transport, TransportError, TrySend},
    wire::MAX_FRAME,
};
use async_trait::async_trait;

use super::{
    faults::Fault::{self, *},
    pipe::Pipe,
};

/// Links within this process.
pub(super) struct Plain {
    relay: RelayUrl,
    fault: Option<Fault>,
    accept: Box<dyn Fn(Box<dyn Link>) + Send + Sync>,
    waiting_in_all: Arc<AtomicUsize>,
    /// All pipes that were ever opened.
    pipes: Arc<Mutex<Vec<Arc<Pipe>>>>,
}

impl Plain {
    pub(super) fn new(
        fault: Option<Fault>,
        accept: impl Fn(Box<dyn Link>) + Send + Sync + 'static,
    ) -> Self {
        let (waiting_in_all, pipes) = Default::default();
        let relay = RelayUrl::parse("http://localhost/").unwrap();
        Self { relay, fault, accept: Box::new(accept), waiting_in_all, pipes }
    }

    fn pipe(&self) -> Arc<Pipe> {
        let mut pipes = self.pipes.lock().unwrap();
        if self.fault == Some(LinksShareAQueue)
            && let Some(pipe) = pipes.first()
        {
            return pipe.clone();
        }
        let pipe = Arc::new(Pipe::new(self.fault, self.waiting_in_all.clone()));
        pipes.push(pipe.clone());
        pipe
    }
}

#[async_trait]
impl Transport for Plain {
    fn relay(&self) -> &RelayUrl {
        &self.relay
    }

    async fn connect(&self) -> Result<Box<dyn Link>, TransportError> {
        let (up, down) = (self.pipe(), self.pipe());
        let end = |to: &Arc<Pipe>, from: &Arc<Pipe>| End {
            fault: self.fault,
            to: to.clone(),
            from: from.clone(),
            turn: tokio::sync::Mutex::default(),
            all: self.pipes.clone(),
        };
        (self.accept)(Box::new(end(&down, &up)));
        Ok(Box::new(end(&up, &down)))
    }
}

/// One side of a link.
struct End {
    fault: Option<Fault>,
    to: Arc<Pipe>,
    from: Arc<Pipe>,
    /// A lock that both directions take where a fault makes them depend on each other.
    turn: tokio::sync::Mutex<()>,
    all: Arc<Mutex<Vec<Arc<Pipe>>>>,
}

impl End {
    fn is(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// Returns what a fault turns a batch of frames into.
    fn spoil(&self, frames: &[Payload]) -> Vec<Payload> {
        let mut spoilt = Vec::new();
        for frame in frames {
            let mut bytes = frame.to_vec();
            match self.fault {
                Some(EmptyIsLost) if bytes.is_empty() => continue,
                Some(BytesAreLost) => bytes.truncate(65_535),
                Some(BytesAreChanged) => bytes.iter_mut().skip(100_000).for_each(|byte| *byte ^= 1),
                Some(ArrivesTwice) => spoilt.push(frame.clone()),
                Some(LongIsSplit) if bytes.len() > 65_536 => {
                    spoilt.push(Payload::from(bytes.split_off(65_536)));
                }
                Some(BatchIsOneFrame) if !spoilt.is_empty() => {
                    bytes = [spoilt.pop().unwrap().to_vec(), bytes].concat();
                }
                _ => {}
            }
            spoilt.push(Payload::from(bytes));
        }
        if self.is(BatchIsReversed) {
            spoilt.reverse();
        }
        spoilt
    }
}

#[async_trait]
impl Link for End {
    async fn send(&self, frames: &[Payload]) -> Result<(), TransportError> {
        if self.from.is_dead() {
            return Err(TransportError::Cut);
        }
        let limit = if self.is(LongestIsRefused) { MAX_FRAME - 1 } else { usize::MAX };
        if frames.iter().any(|frame| frame.len() > limit) {
            return Err(TransportError::TooLong);
        }
        let takes_turns = self.is(ReceiveHoldsUpSend) || self.is(SendHoldsUpReceive);
        let _turn = if takes_turns { Some(self.turn.lock().await) } else { None };
        let overtakes = self.is(SendOvertakesWhatWaits);
        let keeps_it = self.is(SendOfNothingIsNothing) && frames.is_empty();
        if !overtakes && !keeps_it {
            self.to.flush().await?;
        }
        let frames = self.spoil(frames);
        for (n, frame) in frames.iter().enumerate() {
            if self.is(TooLongIsSentInPart) && frame.len() > MAX_FRAME {
                return Err(TransportError::TooLong);
            }
            self.to.send(frame, n > 0 && n + 1 == frames.len()).await?;
        }
        if overtakes { self.to.flush().await } else { Ok(()) }
    }

    fn try_send(&self, frames: &[Payload]) -> TrySend {
        if self.from.is_dead() { TrySend::default() } else { self.to.try_send(frames) }
    }

    async fn recv(&self) -> Result<Option<Payload>, TransportError> {
        let _turn = match self.fault {
            Some(ReceiveHoldsUpSend) => Some(self.turn.lock().await),
            Some(SendHoldsUpReceive) => {
                drop(self.turn.lock().await);
                None
            }
            _ => None,
        };
        self.from.recv().await
    }

    async fn close(&self, _: Closing) {
        self.to.close();
        if self.is(LinksEndTogether) {
            self.all.lock().unwrap().iter().for_each(|pipe| pipe.close());
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if !self.is(DropIsUntold) {
            self.to.close();
            self.from.stop_reading();
        }
    }
}
