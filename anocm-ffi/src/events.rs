//! A subscription to what happens in a room.

use std::sync::Arc;

use anocm_core::{Timestamp, client::Room as Core, room};
use tokio::sync::watch;

use crate::RoomEvent;

/// A subscription to what happens in a room. Ends when it is cancelled or let go of, when there is
/// a newer one, and after the room has ended.
///
/// `ready` waits and takes nothing, `take` takes and does not wait: so nothing is lost when a wait
/// is given up. The packages make a `Flow`, an `AsyncSequence` or an async iterator of the two.
#[derive(uniffi::Object)]
pub struct Events {
    core: Arc<Core>,
    /// Which subscription is the latest.
    latest: watch::Sender<u64>,
    number: u64,
}

shown_as_name!(Events);

#[uniffi::export]
impl Events {
    /// Waits until there is something to take; false when nothing will come here any more.
    pub async fn ready(&self) -> bool {
        let mut latest = self.latest.subscribe();
        tokio::select! {
            biased;
            // An error would mean that no sender is left, and one is in `self`.
            _ = latest.wait_for(|latest| *latest != self.number) => false,
            ready = self.core.ready() => ready,
        }
    }

    /// The next event, if there is one by now: one that was ready may have expired meanwhile.
    pub fn take(&self) -> Option<RoomEvent> {
        // Held, so that a newer subscription begins before this event is taken or after it.
        let latest = self.latest.borrow();
        if *latest != self.number {
            return None;
        }
        let now = self.core.now();
        std::iter::from_fn(|| self.core.try_event())
            // What fell due while the machine slept may not have been wiped yet.
            .filter(|event| !is_due(event, now))
            .find_map(|event| RoomEvent::new(event, now))
    }

    /// Ends the subscription. What was not taken is left for the next one.
    pub fn cancel(&self) {
        self.latest.send_if_modified(|latest| {
            let is_latest = *latest == self.number;
            if is_latest {
                *latest += 1;
            }
            is_latest
        });
    }
}

impl Events {
    /// Ends the one before.
    pub(crate) fn new(core: Arc<Core>, latest: watch::Sender<u64>) -> Arc<Self> {
        let mut number = 0;
        latest.send_modify(|latest| {
            *latest += 1;
            number = *latest;
        });
        Arc::new(Self { core, latest, number })
    }
}

fn is_due(event: &room::RoomEvent, now: Timestamp) -> bool {
    let room::RoomEvent::Message(message) = event else {
        return false;
    };
    message.expires.is_some_and(|at| at <= now)
}

impl Drop for Events {
    fn drop(&mut self) {
        self.cancel();
    }
}
