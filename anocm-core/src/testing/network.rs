//! A simulated network: delays, cuts and outages, controlled by a seed and by the test.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use tokio::{sync::watch, time::Instant};

use crate::{
    invite::RelayUrl,
    secret::Payload,
    transport::{Closing, Link, Transport, TransportError, TrySend},
};

/// The direction of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are two")]
pub enum Direction {
    /// From client to relay.
    Up,
    /// From relay to client.
    Down,
}

/// A callback that is given every frame that passes.
pub type Inspect = Arc<dyn Fn(Direction, &[u8]) + Send + Sync>;

/// A network between clients and a relay. It runs on tokio's time, which a test can pause.
#[derive(Clone)]
pub struct Network(Arc<Mutex<State>>);

struct State {
    rng: ChaCha20Rng,
    max_delay: Duration,
    inspect: Option<Inspect>,
    lines: BTreeMap<usize, Line>,
}

/// The state of one client's access to the network.
#[derive(Default)]
struct Line {
    blocked: bool,
    /// The value of `passed` at which the connections are cut.
    cut_after: Option<u64>,
    passed: u64,
    open: Vec<watch::Sender<bool>>,
}

impl Line {
    fn cut(&mut self) {
        for link in self.open.drain(..) {
            link.send_replace(true);
        }
    }
}

impl Network {
    /// Creates a network that delays each frame by up to `max_delay`, at random from `seed`.
    #[must_use]
    pub fn new(seed: u64, max_delay: Duration) -> Self {
        let rng = ChaCha20Rng::seed_from_u64(seed);
        let (inspect, lines) = (None, BTreeMap::new());
        Self(Arc::new(Mutex::new(State { rng, max_delay, inspect, lines })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets a callback that is given every frame, in both directions.
    pub fn inspect(&self, inspect: Inspect) {
        self.state().inspect = Some(inspect);
    }

    /// Returns a transport through which client number `line` reaches `relay`.
    #[must_use]
    pub fn transport(&self, line: usize, relay: Arc<dyn Transport>) -> impl Transport {
        Access { network: self.clone(), line, relay }
    }

    /// Cuts the client's open connections. Frames that were sent before arrive; nothing comes back.
    pub fn cut(&self, line: usize) {
        self.state().lines.entry(line).or_default().cut();
    }

    /// Cuts the client's connections right after `frames` more frames, in either direction.
    pub fn cut_after(&self, line: usize, frames: u64) {
        let mut state = self.state();
        let line = state.lines.entry(line).or_default();
        line.cut_after = Some(line.passed + frames);
    }

    /// Returns how many frames of this client have passed, in both directions.
    #[must_use]
    pub fn passed(&self, line: usize) -> u64 {
        self.state().lines.get(&line).map_or(0, |line| line.passed)
    }

    /// Cuts the client's connections and refuses new ones while `blocked` is true; `false` lets the
    /// client connect again.
    pub fn block(&self, line: usize, blocked: bool) {
        let mut state = self.state();
        let line = state.lines.entry(line).or_default();
        line.blocked = blocked;
        if blocked {
            line.cut();
        }
    }

    fn delay(&self) -> Duration {
        let mut state = self.state();
        let most = u64::try_from(state.max_delay.as_millis()).unwrap_or(0);
        Duration::from_millis(state.rng.next_u64() % (most + 1))
    }

    /// Counts a frame and shows it to the callback. Returns whether the connections are cut right
    /// behind it.
    fn pass(&self, line: usize, direction: Direction, frame: &[u8]) -> bool {
        let mut state = self.state();
        if let Some(inspect) = state.inspect.clone() {
            inspect(direction, frame);
        }
        let line = state.lines.entry(line).or_default();
        line.passed += 1;
        let cut = line.cut_after.take_if(|at| line.passed >= *at).is_some();
        if cut {
            line.cut();
        }
        cut
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network(..)")
    }
}

struct Access {
    network: Network,
    line: usize,
    relay: Arc<dyn Transport>,
}

#[async_trait]
impl Transport for Access {
    fn relay(&self) -> &RelayUrl {
        self.relay.relay()
    }

    async fn connect(&self) -> Result<Box<dyn Link>, TransportError> {
        tokio::time::sleep(self.network.delay()).await;
        if self.network.state().lines.entry(self.line).or_default().blocked {
            return Err(TransportError::Unreachable);
        }
        let inner = self.relay.connect().await?;
        let (cut, cut_seen) = watch::channel(false);
        self.network.state().lines.entry(self.line).or_default().open.push(cut);
        Ok(Box::new(Wire {
            network: self.network.clone(),
            line: self.line,
            inner: Mutex::new(Some(Arc::from(inner))),
            cut: cut_seen,
            arriving: tokio::sync::Mutex::new(None),
        }))
    }
}

/// A link with simulated delays and cuts.
struct Wire {
    network: Network,
    line: usize,
    /// `None` once the connection is cut, so that the far side sees the link end as well.
    inner: Mutex<Option<Arc<dyn Link>>>,
    cut: watch::Receiver<bool>,
    /// A frame that is in transit, and its arrival time. Stored here so that a cancelled `recv`
    /// loses nothing.
    arriving: tokio::sync::Mutex<Option<(Payload, Instant)>>,
}

impl Wire {
    fn inner(&self) -> Result<Arc<dyn Link>, TransportError> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if *self.cut.borrow() {
            inner.take();
        }
        inner.clone().ok_or(TransportError::Cut)
    }

    async fn until_cut(&self) {
        let mut cut = self.cut.clone();
        // The network drops the sender when it cuts the connection: a dropped sender counts as a
        // cut.
        let _ = cut.wait_for(|cut| *cut).await;
    }

    async fn send_one(&self, frame: &Payload) -> Result<(), TransportError> {
        let inner = self.inner()?;
        tokio::select! {
            biased;
            () = self.until_cut() => return self.inner().map(drop),
            () = tokio::time::sleep(self.network.delay()) => {}
        }
        inner.send(std::slice::from_ref(frame)).await?;
        drop(inner);
        self.network.pass(self.line, Direction::Up, frame);
        self.inner().map(drop)
    }

    async fn receive(&self) -> Result<Option<Payload>, TransportError> {
        let inner = self.inner()?;
        let mut arriving = self.arriving.lock().await;
        if arriving.is_none() {
            let Some(frame) = inner.recv().await? else { return Ok(None) };
            *arriving = Some((frame, Instant::now() + self.network.delay()));
        }
        if let Some((_, at)) = &*arriving {
            tokio::time::sleep_until(*at).await;
        }
        let Some((frame, _)) = arriving.take() else { return Ok(None) };
        self.network.pass(self.line, Direction::Down, &frame);
        Ok(Some(frame))
    }
}

#[async_trait]
impl Link for Wire {
    async fn send(&self, frames: &[Payload]) -> Result<(), TransportError> {
        for frame in frames {
            self.send_one(frame).await?;
        }
        Ok(())
    }

    fn try_send(&self, _: &[Payload]) -> TrySend {
        // Every frame is delayed here, so `try_send` accepts none.
        TrySend::default()
    }

    async fn recv(&self) -> Result<Option<Payload>, TransportError> {
        tokio::select! {
            biased;
            () = self.until_cut() => {
                let _ = self.inner();
                Err(TransportError::Cut)
            }
            received = self.receive() => received,
        }
    }

    async fn close(&self, why: Closing) {
        if let Ok(inner) = self.inner() {
            inner.close(why).await;
        }
    }
}
