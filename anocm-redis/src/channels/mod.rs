//! What happens to rooms, heard over channels.
//!
//! Announcements are neither kept nor repeated by the server. So each has its place, and whoever
//! misses one looks at the log: after a cut, when a slot moves, and when a touch says that a room
//! has come further than was heard.
//!
//! ```text
//! server ──▶ Line, one for each server ──▶ Room, in order ──▶ its watches
//!                                           └── looks at the log for what was missed
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

/// How long whoever wants to watch waits for that.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long what was announced may be on its way.
const ON_ITS_WAY: Duration = Duration::from_secs(1);
/// How long to wait before a look is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// What is heard of all rooms that somebody watches.
pub(crate) struct Channels {
    pub(crate) servers: Arc<Servers>,
    // Short sections, none across an await. Taken before a room's lock, never after.
    rooms: Mutex<HashMap<RoomAddress, Arc<Room>>>,
    lines: Mutex<Vec<PubSubConnection>>,
}

impl Channels {
    pub(crate) fn new(servers: Arc<Servers>) -> Arc<Self> {
        Arc::new(Self { servers, rooms: Mutex::default(), lines: Mutex::default() })
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<RoomAddress, Arc<Room>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A room that somebody watches.
    pub(crate) fn get(&self, address: &RoomAddress) -> Option<Arc<Room>> {
        self.rooms().get(address).cloned()
    }

    /// A live feed of a room.
    pub(crate) async fn watch(
        self: &Arc<Self>,
        address: &RoomAddress,
    ) -> Result<Watch, StoreError> {
        let watching = async {
            loop {
                let (room, is_new) = self.enter(address);
                if is_new {
                    self.subscribe(address);
                    // Looked at by the one who subscribes.
                    return room.watch(None).await.ok_or(StoreError::NoSuchRoom);
                }
                let known = self.asked(address, || queries::state(&self.servers, address)).await?;
                if room.should_be(&known) {
                    self.spawn_query(Arc::clone(&room));
                }
                // If it has ended meanwhile, what was seen is another room.
                if let Some(watch) = room.watch(Some(known)).await {
                    return Ok(watch);
                }
            }
        };
        timeout(PATIENCE, watching).await.unwrap_or(Err(StoreError::Unavailable))
    }

    /// Asks something about a room, and once more if it had to be brought back for that.
    pub(crate) async fn asked<T, F>(
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

    /// Tries to bring a room back, in a task of its own: whoever asked may be gone before it is
    /// known whether the room was closed meanwhile.
    async fn is_revived(self: &Arc<Self>, address: &RoomAddress) -> Result<bool, StoreError> {
        let (channels, address) = (Arc::clone(self), *address);
        let revival = tokio::spawn(async move { channels.revive(&address).await });
        revival.await.unwrap_or(Err(StoreError::Unavailable))
    }

    /// Brings a room back that somebody watches and that the server has expired, because its clock
    /// was set, or that has lingered out because this relay did not run. False when the room has
    /// ended.
    async fn revive(&self, address: &RoomAddress) -> Result<bool, StoreError> {
        let room = self.get(address).filter(|room| !room.is_over());
        let Some((room, at)) = room.and_then(|room| room.floor().map(|at| (room, at))) else {
            return Ok(false);
        };
        let stood_still = self.servers.has_stood_still();
        // A room that is still on the server has lingered out: no relay has ended it.
        if stood_still && queries::touch_late(&self.servers, address, &at.instance).await? {
            return Ok(true);
        }
        if !stood_still && !self.servers.has_jumped(Shard::of(address)).await? {
            return Ok(false);
        }
        // What was announced meanwhile, its end perhaps, may be on its way.
        if !self.has_heard_all(address).await {
            return Err(StoreError::Unavailable);
        }
        let Some((at, record)) = room.as_it_was() else { return Ok(false) };
        let is_back = match queries::revive(&self.servers, address, &at, &record).await {
            // Not for now.
            Err(StoreError::Full) => return Err(StoreError::Unavailable),
            is_back => is_back?,
        };
        if is_back {
            // It may have been brought back before this, and closed. What was heard of that counts,
            // also when the line was cut before all was.
            self.has_heard_all(address).await;
            if room.has_ended() {
                queries::erase(&self.servers, address, CloseReason::Gone, &at.instance).await?;
                return Ok(false);
            }
        }
        Ok(is_back)
    }

    /// Whether everything was heard that was announced of a room until now: its line answers after
    /// that.
    async fn has_heard_all(&self, address: &RoomAddress) -> bool {
        let Some(node) = self.servers.topology().owner(Shard::of(address)).cloned() else {
            return false;
        };
        let (answers, answered) = oneshot::channel();
        let asked = {
            let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// Has the line of the server that has the room subscribe to it.
    fn subscribe(self: &Arc<Self>, address: &RoomAddress) {
        let Some(node) = self.servers.topology().owner(Shard::of(address)).cloned() else {
            return self.again_later(address);
        };
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|line| !line.wishes.is_closed());
        let sent = lines
            .iter()
            .find(|line| Arc::ptr_eq(&line.node, &node))
            .is_some_and(|line| line.wishes.send(Command::Hear(*address)).is_ok());
        if !sent {
            let line = PubSubConnection::start(self, &node);
            // The other end has just begun to listen.
            let _ = line.wishes.send(Command::Hear(*address));
            lines.push(line);
        }
    }

    /// Subscribes once more, when it is clearer where.
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

    /// Something was announced.
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

    /// From now on everything that happens to the room is heard.
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

    /// The room may be gone without a word.
    pub(crate) fn doubt(self: &Arc<Self>, address: &RoomAddress) {
        if let Some(room) = self.get(address)
            && room.is_doubted()
        {
            self.spawn_query(room);
        }
    }

    /// The room has come so far: all of that should be heard soon.
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

    /// Looks at what was missed of a room, until nothing is.
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

    /// Forgets a room if nobody watches it or is about to. True when nothing is to be heard of it.
    fn forget_unwatched(&self, address: &RoomAddress) -> bool {
        let mut rooms = self.rooms();
        let Some(room) = rooms.get(address) else { return true };
        // Whoever is about to watch holds the room, too.
        let is_needed = Arc::strong_count(room) > 1 || room.is_watched();
        if !is_needed {
            rooms.remove(address);
        }
        !is_needed
    }

    /// Ends all rooms for those who watch: the store is no more.
    pub(crate) fn end(&self) {
        for (_, room) in std::mem::take(&mut *self.rooms()) {
            room.end(CloseReason::Gone);
        }
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
