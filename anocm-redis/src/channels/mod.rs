//! Live events of rooms, received over Redis pub/sub channels.
//!
//! Redis neither stores nor retransmits pub/sub messages. Each announcement therefore carries its
//! position, and missed ones are recovered from the log: after a lost connection, after a slot
//! migration, and when a touch reports that the room is further ahead than the announcements
//! received.
//!
//! ```text
//! server ──▶ PubSubConnection, one per server ──▶ Room, in order ──▶ its watches
//!                                                  └── queries the log for what was missed
//! ```

mod pubsub;
mod room;

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anocm_core::{
    RoomAddress,
    store::{StoreError, Watch},
    wire::CloseReason,
};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use self::pubsub::{Command, PubSubConnection};
pub(crate) use self::room::{QueryResult, Record, Room, RoomCursor, Shut};
use crate::{codec, keys::Shard, queries, servers::Servers};

/// Timeout for starting a watch.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time allowed for an announcement to arrive before it counts as missed.
const ON_ITS_WAY: Duration = Duration::from_secs(1);
/// Delay before a failed query is retried.
const RETRY: Duration = Duration::from_millis(200);

/// The live state of all watched rooms.
pub(crate) struct Channels {
    pub(crate) servers: Arc<Servers>,
    // Short sections, none across an await. Taken before a room's lock, never after.
    rooms: Mutex<HashMap<RoomAddress, Arc<Room>>>,
    connections: Mutex<Vec<PubSubConnection>>,
}

impl Channels {
    pub(crate) fn new(servers: Arc<Servers>) -> Arc<Self> {
        Arc::new(Self { servers, rooms: Mutex::default(), connections: Mutex::default() })
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<RoomAddress, Arc<Room>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a watched room.
    pub(crate) fn get(&self, address: &RoomAddress) -> Option<Arc<Room>> {
        self.rooms().get(address).cloned()
    }

    /// Starts a live feed of a room.
    pub(crate) async fn watch(
        self: &Arc<Self>,
        address: &RoomAddress,
    ) -> Result<Watch, StoreError> {
        let watching = async {
            loop {
                let (room, is_new) = self.enter(address);
                if is_new {
                    self.subscribe(address);
                    // The query runs once the subscription is active.
                    return room.watch(None).await.ok_or(StoreError::NoSuchRoom);
                }
                let known =
                    self.with_revival(address, || queries::state(&self.servers, address)).await?;
                if room.should_be(&known) {
                    self.spawn_query(Arc::clone(&room));
                }
                // If this room has ended in the meantime, the queried state belongs to another
                // room.
                if let Some(watch) = room.watch(Some(known)).await {
                    return Ok(watch);
                }
            }
        };
        timeout(PATIENCE, watching).await.unwrap_or(Err(StoreError::Unavailable))
    }

    /// Runs a request about a room, and repeats it once if the room had to be revived first.
    pub(crate) async fn with_revival<T, F>(
        self: &Arc<Self>,
        address: &RoomAddress,
        ask: impl Fn() -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        match ask().await {
            Err(StoreError::NoSuchRoom) if self.is_revived(address).await? => ask().await,
            answer => answer,
        }
    }

    /// Tries to revive a room, in a task of its own: the caller may be cancelled before it is known
    /// whether the room was closed in the meantime.
    async fn is_revived(self: &Arc<Self>, address: &RoomAddress) -> Result<bool, StoreError> {
        let (channels, address) = (Arc::clone(self), *address);
        let revival = tokio::spawn(async move { channels.revive(&address).await });
        revival.await.unwrap_or(Err(StoreError::Unavailable))
    }

    /// Revives a watched room that the server has expired, either because the server's clock was
    /// set or because the linger ran out while this relay was not running. Returns false when the
    /// room has ended.
    async fn revive(&self, address: &RoomAddress) -> Result<bool, StoreError> {
        let room = self.get(address).filter(|room| !room.is_over());
        let Some((room, at)) = room.and_then(|room| room.floor().map(|at| (room, at))) else {
            return Ok(false);
        };
        let stood_still = self.servers.has_stood_still();
        // If the room is still on the server, only its linger has run out: no relay has ended it.
        if stood_still && queries::touch_late(&self.servers, address, &at.instance).await? {
            return Ok(true);
        }
        if !stood_still && !self.servers.has_jumped(Shard::of(address)).await? {
            return Ok(false);
        }
        // Announcements, including the end of the room, may still be in flight.
        if !self.has_heard_all(address).await {
            return Err(StoreError::Unavailable);
        }
        let Some((at, record)) = room.as_it_was() else { return Ok(false) };
        let is_back = match queries::revive(&self.servers, address, &at, &record).await {
            // A temporary condition.
            Err(StoreError::Full) => return Err(StoreError::Unavailable),
            is_back => is_back?,
        };
        if is_back {
            // Another relay may have revived the room earlier and closed it since. An end received
            // by now counts, even if the connection was lost before all announcements arrived.
            self.has_heard_all(address).await;
            if room.has_ended() {
                queries::erase(&self.servers, address, CloseReason::Gone, &at.instance).await?;
                return Ok(false);
            }
        }
        Ok(is_back)
    }

    /// Returns whether all announcements of a room made until now have been received: the pub/sub
    /// connection replies only after it has processed them.
    async fn has_heard_all(&self, address: &RoomAddress) -> bool {
        let Some(node) = self.servers.topology().owner(Shard::of(address)).cloned() else {
            return false;
        };
        let (answers, answered) = oneshot::channel();
        let asked = {
            let lines = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
            let mut same = lines.iter().filter(|line| Arc::ptr_eq(&line.node, &node));
            same.next().is_some_and(|line| line.wishes.send(Command::Answer(answers)).is_ok())
        };
        asked && answered.await.is_ok()
    }

    fn enter(&self, address: &RoomAddress) -> (Arc<Room>, bool) {
        match self.rooms().entry(*address) {
            Entry::Occupied(known) if !known.get().is_over() => (Arc::clone(known.get()), false),
            Entry::Occupied(mut over) => {
                over.insert(Arc::new(Room::new(*address)));
                (Arc::clone(over.get()), true)
            }
            Entry::Vacant(place) => (Arc::clone(place.insert(Arc::new(Room::new(*address)))), true),
        }
    }

    /// Subscribes to the room on the pub/sub connection of the server that owns it.
    fn subscribe(self: &Arc<Self>, address: &RoomAddress) {
        let Some(node) = self.servers.topology().owner(Shard::of(address)).cloned() else {
            return self.again_later(address);
        };
        let mut lines = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|line| !line.wishes.is_closed());
        let sent = lines
            .iter()
            .find(|line| Arc::ptr_eq(&line.node, &node))
            .is_some_and(|line| line.wishes.send(Command::Hear(*address)).is_ok());
        if !sent {
            let line = PubSubConnection::start(self, &node);
            // The receiver was just created, so the send cannot fail.
            let _ = line.wishes.send(Command::Hear(*address));
            lines.push(line);
        }
    }

    /// Subscribes again after a delay and a refresh of the topology.
    fn again_later(self: &Arc<Self>, address: &RoomAddress) {
        let (channels, address) = (Arc::downgrade(self), *address);
        tokio::spawn(async move {
            sleep(RETRY).await;
            if let Some(channels) = channels.upgrade()
                && !channels.forget_unwatched(&address)
            {
                channels.servers.refresh_topology().await;
                channels.subscribe(&address);
            }
        });
    }

    /// Handles an announcement.
    fn on_announcement(self: &Arc<Self>, address: &RoomAddress, payload: &[u8], entry: &[u8]) {
        let Some(room) = self.get(address) else { return };
        match codec::announced(payload, entry) {
            Ok(announced) => {
                if room.on_announcement(announced) {
                    self.spawn_query(room);
                } else if room.is_over() {
                    self.forget(&room);
                }
            }
            Err(codec::Malformed) => tracing::warn!("an announcement makes no sense"),
        }
    }

    /// Marks the room as subscribed: all announcements are received from now on.
    fn on_subscribed(self: &Arc<Self>, address: &RoomAddress) {
        if let Some(room) = self.get(address)
            && room.set_subscribed()
        {
            self.spawn_query(room);
        }
    }

    fn on_unsubscribed(&self, address: &RoomAddress) {
        if let Some(room) = self.get(address) {
            room.set_unsubscribed();
        }
    }

    /// Invalidates the room: it may have ended without an announcement.
    pub(crate) fn check_gone(self: &Arc<Self>, address: &RoomAddress) {
        if let Some(room) = self.get(address)
            && room.must_check()
        {
            self.spawn_query(room);
        }
    }

    /// Checks later that the announcements up to this position, which the server has reported, have
    /// arrived.
    pub(crate) fn check(self: &Arc<Self>, address: &RoomAddress, known: RoomCursor) {
        let Some(room) = self.get(address).filter(|room| room.is_before(&known)) else {
            return;
        };
        let channels = Arc::downgrade(self);
        tokio::spawn(async move {
            sleep(ON_ITS_WAY).await;
            if let Some(channels) = channels.upgrade()
                && room.should_be(&known)
            {
                tracing::debug!("an announcement was missed");
                channels.subscribe(&room.address);
                channels.spawn_query(room);
            }
        });
    }

    /// Queries the log for missed changes of a room until none are missing.
    fn spawn_query(self: &Arc<Self>, room: Arc<Room>) {
        let channels = Arc::downgrade(self);
        tokio::spawn(async move {
            while let Some(channels) = channels.upgrade() {
                let at = room.begin_query();
                let Ok(found) = queries::since(&channels.servers, &room.address, at).await else {
                    drop(channels);
                    sleep(RETRY).await;
                    continue;
                };
                if found == QueryResult::Gone {
                    match channels.revive(&room.address).await {
                        Ok(false) => {}
                        Ok(true) => continue,
                        Err(_) => {
                            drop(channels);
                            sleep(RETRY).await;
                            continue;
                        }
                    }
                }
                if room.end_query(found) {
                    if room.is_over() {
                        channels.forget(&room);
                    }
                    return;
                }
            }
        });
    }

    fn forget(&self, room: &Arc<Room>) {
        let mut rooms = self.rooms();
        if rooms.get(&room.address).is_some_and(|known| Arc::ptr_eq(known, room)) {
            rooms.remove(&room.address);
        }
    }

    /// Drops a room that has no watches and no pending ones. Returns true when it needs no
    /// subscription.
    fn forget_unwatched(&self, address: &RoomAddress) -> bool {
        let mut rooms = self.rooms();
        let Some(room) = rooms.get(address) else { return true };
        // A pending watch holds a reference to the room, too.
        let is_needed = Arc::strong_count(room) > 1 || room.is_watched();
        if !is_needed {
            rooms.remove(address);
        }
        !is_needed
    }

    /// Ends all watches because the store is being dropped.
    pub(crate) fn end(&self) {
        for (_, room) in std::mem::take(&mut *self.rooms()) {
            room.end(CloseReason::Gone);
        }
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
