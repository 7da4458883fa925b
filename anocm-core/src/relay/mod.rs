//! The relay engine: admission, ordering, fan-out and expiry of entries.
//!
//! ```text
//!   link ── connection ── requests ──▶ Store
//!              ▲ outbox                  │ watch
//!              └────────── shard ◀─────────┘   for each room, a task each
//! ```
//!
//! A [`Relay`] serves links: [`Relay::serve`] runs one connection to its end. The store decides
//! everything that two connections could race for. A relay only admits requests, passes them on and
//! broadcasts, so several relays can share a store.
//!
//! # Examples
//! ```
//! use std::sync::Arc;
//! use anocm_core::{
//!     TokioClock,
//!     relay::{Relay, RelayConfig},
//!     store::{MemoryLimits, MemoryStore},
//!     transport::Transport,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let clock = Arc::new(TokioClock::new());
//! let store = MemoryStore::new(clock.clone(), MemoryLimits::default())?;
//! let relay = Relay::new(store, clock, RelayConfig::default())?;
//! let link = relay.transport().connect().await?;
//! relay.shutdown(true).await;
//! # drop(link);
//! # Ok(())
//! # }
//! ```

mod admission;
mod check;
mod config;
mod connection;
mod delivery;
mod fanout;
mod health;
mod ids;
mod refusals;
mod statistics;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    admission::{join_pacing::JoinPacing, pow::PowPolicy},
    delivery::outbox::Outbox,
    fanout::Shards,
    health::PostureSnapshot,
    ids::ConnectionId,
    statistics::Counts,
};
pub use self::{
    config::{PolicyLimits, Rate, RelayConfig},
    statistics::{Histogram, Statistics},
};
use crate::{
    setting::SettingError,
    store::Store,
    time::Clock,
    transport::{Closing, InProcess, Link},
    wire::{Event, RelayFrame, encode},
};

/// Admits, orders, fans out and expires entries. Cannot read any of the content that it carries.
pub struct Relay {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    config: RelayConfig,
    shards: Shards,
    // Short critical sections, never held across an await.
    connections: Mutex<HashMap<ConnectionId, Arc<Outbox>>>,
    next_id: AtomicU64,
    places: Semaphore,
    pow: PowPolicy,
    join_pacing: JoinPacing,
    counts: Arc<Counts>,
    tasks: TaskTracker,
    stopping: CancellationToken,
    rooms_end: OnceLock<bool>,
    watched_over: OnceLock<()>,
    // Short critical sections, never held across an await.
    seen: Mutex<PostureSnapshot>,
    /// Cancelled when a task that must not end has ended.
    failed: CancellationToken,
}

impl Relay {
    /// Creates a relay that keeps its rooms in `store`.
    ///
    /// # Errors
    /// [`SettingError`] when the relay could not work with `config`.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        config: RelayConfig,
    ) -> Result<Arc<Self>, SettingError> {
        config.check()?;
        let most = config.max_connections.min(Semaphore::MAX_PERMITS);
        let pow = PowPolicy::new(&config, clock.now());
        Ok(Arc::new(Self {
            store,
            clock,
            config,
            shards: Shards::default(),
            connections: Mutex::default(),
            next_id: AtomicU64::new(0),
            places: Semaphore::new(most),
            pow,
            join_pacing: JoinPacing::new(),
            counts: Arc::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            rooms_end: OnceLock::new(),
            watched_over: OnceLock::new(),
            seen: Mutex::default(),
            failed: CancellationToken::new(),
        }))
    }

    /// Runs one connection to its end, from its hello on. Must be called on a tokio runtime.
    ///
    /// Dropping the future cuts the connection off. Other connections are not affected.
    pub async fn serve(self: &Arc<Self>, link: Box<dyn Link>) {
        let _running = self.tasks.token();
        let place = self.places.try_acquire();
        if self.stopping.is_cancelled() || place.is_err() {
            tracing::debug!("connection refused: no place");
            self.counts.turned_away.add(1);
            connection::close(self, &*link, Closing::GoingAway).await;
            return;
        }
        self.counts.connected.add(1);
        self.watch_over();
        connection::run(self, link).await;
    }

    /// Returns a transport to this relay for clients in the same process. Its `connect` must be
    /// called on a tokio runtime.
    #[must_use]
    pub fn transport(self: &Arc<Self>) -> InProcess {
        let relay = Arc::clone(self);
        InProcess::new(move |link| {
            let relay = Arc::clone(&relay);
            let tasks = relay.tasks.clone();
            tasks.spawn(async move { relay.serve(link).await });
        })
    }

    /// Announces to every connection that the relay goes away, closes all connections, and returns
    /// when no task of the relay runs any more. Later connections are closed at once.
    ///
    /// `rooms_end` is passed on to the clients: whether the rooms end too, as they do when the
    /// store lives in this process and ends with it. The store is left as it is.
    pub async fn shutdown(&self, rooms_end: bool) {
        // The first call's value is the one that is announced.
        let _ = self.rooms_end.set(rooms_end);
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<ConnectionId, Arc<Outbox>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how much of `max_connections` is in use, in thousandths.
    fn taken_places(&self) -> u64 {
        let most = self.config.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        let taken = most.saturating_sub(self.places.available_permits());
        let thousandths = taken.saturating_mul(1_000) / most;
        u64::try_from(thousandths).unwrap_or(1_000)
    }

    /// Returns a new id for a connection or a shard.
    fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    fn announce(&self, event: Event) {
        let frame = encode(&RelayFrame::Event(event));
        for outbox in self.connections().values() {
            outbox.push_control(frame.clone());
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Relay(..)")
    }
}
