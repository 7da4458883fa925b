//! A subscription to the events of a room.

use std::sync::Arc;

use anocm_core::{Timestamp, client::Room as Core, room};
use tokio::sync::watch;

use crate::RoomEvent;

/// A subscription to the events of a room. It ends when it is cancelled or dropped, when a newer
/// one is created, and after the room has ended.
///
/// `ready` waits and takes no event, `take` takes one and does not wait, so that a cancelled wait
/// loses nothing. The language packages combine the two into a `Flow`, an `AsyncSequence` or an
/// async iterator.
#[derive(uniffi::Object)]
pub struct Events {
    core: Arc<Core>,
    /// The number of the latest subscription.
    latest: watch::Sender<u64>,
    number: u64,
}

shown_as_name!(Events);

#[uniffi::export]
impl Events {
    /// Waits until there is an event to take; false when this subscription has ended.
    pub async fn ready(&self) -> bool {
        let mut latest = self.latest.subscribe();
        tokio::select! {
            biased;
            // `wait_for` fails only when all senders are gone, and `self` holds one.
            _ = latest.wait_for(|latest| *latest != self.number) => false,
            ready = self.core.ready() => ready,
        }
    }

    /// Takes the next event, if there is one; an event that was ready may have expired meanwhile.
    pub fn take(&self) -> Option<RoomEvent> {
        // The borrow is held, so that a newer subscription begins either before or after this event
        // is taken.
        let latest = self.latest.borrow();
        if *latest != self.number {
            return None;
        }
        let now = self.core.now();
        std::iter::from_fn(|| self.core.try_event())
            // Messages that expired while the machine was asleep may not have been wiped yet.
            .filter(|event| !is_due(event, now))
            .find_map(|event| RoomEvent::new(event, now))
    }

    /// Ends the subscription. Events that were not taken are left for the next one.
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
    /// Creates a subscription and ends the previous one.
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
