//! The rooms of one client, shared between its handles and its driver.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::{Notify, watch};

use super::ClientError;
use crate::room::Machine;

/// A room behind its lock. The lock is held for one input or output of the state machine, never
/// across an await.
pub(super) struct Hosted {
    machine: Mutex<Machine>,
    /// Something happened that those who wait at the handle may want to know: all of them look.
    /// Told while nothing is locked, since some go on at once, on the thread that tells them.
    pub(super) told: Notify,
}

impl Hosted {
    pub(super) fn machine(&self) -> MutexGuard<'_, Machine> {
        // A machine whose holder panicked is still a machine: it can be wiped, at least.
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the handles and the driver of a client have in common.
pub(super) struct Registry {
    /// Taken before the lock of a room, never while one is held.
    rooms: Mutex<Vec<Arc<Hosted>>>,
    closed: AtomicBool,
    /// The connection is to be made anew.
    anew: AtomicBool,
    ended: watch::Sender<bool>,
    /// A handle did something that the driver is to act upon.
    pub(super) wake: Notify,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            rooms: Mutex::default(),
            closed: AtomicBool::new(false),
            anew: AtomicBool::new(false),
            ended: watch::Sender::new(false),
            wake: Notify::new(),
        }
    }
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Hosted>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, machine: Machine, limit: usize) -> Result<Arc<Hosted>, ClientError> {
        let mut rooms = self.lock();
        if self.is_closed() {
            return Err(ClientError::ShutDown);
        }
        let there = |hosted: &Arc<Hosted>| {
            let hosted = hosted.machine();
            !hosted.is_over() && hosted.address() == machine.address()
        };
        if rooms.iter().any(there) {
            return Err(ClientError::AlreadyThere);
        }
        if rooms.iter().filter(|hosted| !hosted.machine().is_over()).count() >= limit {
            return Err(ClientError::TooManyRooms { limit });
        }
        let hosted = Arc::new(Hosted { machine: Mutex::new(machine), told: Notify::new() });
        rooms.push(hosted.clone());
        drop(rooms);
        self.wake.notify_one();
        Ok(hosted)
    }

    /// All rooms.
    pub(super) fn rooms(&self) -> Vec<Arc<Hosted>> {
        self.lock().clone()
    }

    pub(super) fn remove(&self, gone: &Arc<Hosted>) {
        self.lock().retain(|hosted| !Arc::ptr_eq(hosted, gone));
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn reconnect(&self) {
        self.anew.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Whether the connection is to be made anew; says so once.
    pub(super) fn takes_anew(&self) -> bool {
        self.anew.swap(false, Ordering::AcqRel)
    }

    pub(super) fn end(&self) {
        self.closed.store(true, Ordering::Release);
        // Whoever is told may go on at once, on this thread: nothing is locked then.
        let rooms = std::mem::take(&mut *self.lock());
        for hosted in rooms {
            hosted.machine().wipe();
            hosted.told.notify_waiters();
        }
        self.ended.send_replace(true);
    }

    pub(super) async fn ended(&self) {
        // The sender lives in `self`, so this waits until the driver has ended.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }
}

/// Lives as long as any handle; with the last one the driver ends.
pub(super) struct Alive(Arc<Registry>);

impl Alive {
    pub(super) const fn new(registry: Arc<Registry>) -> Self {
        Self(registry)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.close();
    }
}
