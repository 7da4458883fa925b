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
    /// Wakes all callers that wait at the handle, so that they look at the room. Notified while no
    /// lock is held, since a waker may run its task inline on the notifying thread.
    pub(super) events_emitted: Arc<Notify>,
}

impl Hosted {
    pub(super) fn machine(&self) -> MutexGuard<'_, Machine> {
        // After a panic the state machine is still usable, at least to be wiped.
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The state shared by the handles and the driver of a client.
pub(super) struct Registry {
    /// Lock order: locked before a room, never while a room is locked.
    rooms: Mutex<Vec<Arc<Hosted>>>,
    closed: AtomicBool,
    /// A reconnect was requested.
    anew: AtomicBool,
    ended: watch::Sender<bool>,
    /// A handle did something that the driver has to act upon.
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
        let hosted =
            Arc::new(Hosted { machine: Mutex::new(machine), events_emitted: Arc::default() });
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

    /// Whether a reconnect was requested; clears the request.
    pub(super) fn takes_anew(&self) -> bool {
        self.anew.swap(false, Ordering::AcqRel)
    }

    pub(super) fn end(&self) {
        self.closed.store(true, Ordering::Release);
        // A waker may run its task inline on this thread: no lock is held while notifying.
        let rooms = std::mem::take(&mut *self.lock());
        for hosted in rooms {
            hosted.machine().wipe();
            hosted.events_emitted.notify_waiters();
        }
        self.ended.send_replace(true);
    }

    pub(super) async fn ended(&self) {
        // The sender lives in `self`, so this waits until the driver has ended.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }
}

/// Lives as long as any handle; when the last one is dropped, the driver ends.
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
