//! The pub/sub connection to one server, which delivers the announcements of its rooms.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use anocm_core::RoomAddress;
use redis::{
    AsyncConnectionConfig, Pipeline, PushInfo, PushKind, Value,
    aio::{ConnectionLike as _, MultiplexedConnection},
    cmd, pipe,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{interval, sleep},
};
use zeroize::Zeroizing;

use super::Channels;
use crate::{
    codec,
    keys::{self, Shard},
    servers::Node,
};

/// The most channels subscribed to in one pipeline. Each has its own command: a cluster refuses one
/// command for several channels that are in different slots.
const MAX_BATCH: usize = 128;
/// Interval of keepalive pings, and of unsubscribing from channels that are no longer needed.
const PING_INTERVAL: Duration = Duration::from_secs(2);
/// Response timeout after which the connection is dropped.
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// Reconnect backoff: initial and maximum delay.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Handle of a pub/sub connection.
pub(super) struct PubSubConnection {
    pub(super) node: Arc<Node>,
    pub(super) wishes: mpsc::UnboundedSender<Command>,
}

/// A command for the connection's task.
pub(super) enum Command {
    /// Subscribe to a room.
    Hear(RoomAddress),
    /// Confirm once all announcements made until now have been received. Dropped when the
    /// connection is lost.
    Answer(oneshot::Sender<()>),
}

/// The task that owns the connection.
struct Listener {
    channels: Weak<Channels>,
    node: Arc<Node>,
    wishes: mpsc::UnboundedReceiver<Command>,
    /// Rooms that are subscribed to on this connection, or will be once it is up.
    mine: HashSet<RoomAddress>,
    config: AsyncConnectionConfig,
    /// The connection was lost (`None`), or the server has dropped a subscription.
    lost: mpsc::UnboundedReceiver<Option<RoomAddress>>,
}

impl PubSubConnection {
    pub(super) fn start(channels: &Arc<Channels>, node: &Arc<Node>) -> Self {
        let (to, wishes) = mpsc::unbounded_channel();
        let (loses, lost) = mpsc::unbounded_channel();
        let ear =
            PushHandler { channels: Arc::downgrade(channels), loses, begun: Mutex::default() };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PING_TIMEOUT))
            .set_response_timeout(Some(PING_TIMEOUT))
            .set_push_sender(move |push: PushInfo| ear.on_push(push));
        let listener = Listener {
            channels: Arc::downgrade(channels),
            node: Arc::clone(node),
            wishes,
            mine: HashSet::new(),
            config,
            lost,
        };
        tokio::spawn(listener.run());
        Self { node: Arc::clone(node), wishes: to }
    }
}

/// Handles push messages of the server.
struct PushHandler {
    channels: Weak<Channels>,
    loses: mpsc::UnboundedSender<Option<RoomAddress>>,
    /// The announcement of an entry; the entry itself is the next message.
    begun: Mutex<Option<(RoomAddress, Vec<u8>)>>,
}

impl PushHandler {
    /// Must not block.
    fn on_push(&self, push: PushInfo) -> Result<(), mpsc::error::SendError<Option<RoomAddress>>> {
        let mut data = push.data.into_iter();
        let mut next = || match data.next() {
            Some(Value::BulkString(bytes)) => Some(bytes),
            _ => None,
        };
        match push.kind {
            PushKind::Message | PushKind::SMessage => {
                if let (Some(channel), Some(payload)) = (next(), next())
                    && let Some(address) = keys::address(&channel)
                {
                    self.on_message(address, Zeroizing::new(payload));
                }
                Ok(())
            }
            // The slot has migrated, or this is the confirmation of a requested unsubscribe.
            PushKind::SUnsubscribe => match next().as_deref().and_then(keys::address) {
                Some(address) => self.loses.send(Some(address)),
                None => Ok(()),
            },
            PushKind::Disconnection => self.loses.send(None),
            _ => Ok(()),
        }
    }

    fn on_message(&self, address: RoomAddress, mut payload: Zeroizing<Vec<u8>>) {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        // If another message takes the entry's place, the entry was missed. The next announcement
        // reveals that.
        let before = begun.take().filter(|(of, _)| *of == address);
        if codec::is_before_entry(&payload) {
            *begun = Some((address, std::mem::take(&mut *payload)));
            return;
        }
        drop(begun);
        let Some(channels) = self.channels.upgrade() else { return };
        match before {
            Some((_, announcement)) if codec::is_entry(&payload) => {
                channels.on_announcement(&address, &announcement, &payload);
            }
            None if codec::is_entry(&payload) => tracing::warn!("an entry was not announced"),
            _ => channels.on_announcement(&address, &payload, &[]),
        }
    }
}

/// Why the connection stopped listening.
enum Over {
    /// The connection was lost.
    Lost,
    /// The store was dropped.
    Done,
}

/// The connection has failed.
struct Disconnected;

impl Listener {
    async fn run(mut self) {
        let mut pause = BACKOFF.0;
        while let Over::Lost = self.listen(&mut pause).await {
            let Some(channels) = self.channels.upgrade() else { return };
            self.mine.iter().for_each(|address| channels.on_unsubscribed(address));
            while let Ok(wish) = self.wishes.try_recv() {
                if let Command::Hear(address) = wish {
                    self.mine.insert(address);
                }
            }
            channels.servers.refresh_topology().await;
            self.hand_over(&channels);
            let is_needed = channels.servers.topology().has(&self.node);
            if !is_needed && self.mine.is_empty() {
                break;
            }
            drop(channels);
            sleep(pause).await;
            pause = (2 * pause).min(BACKOFF.1);
        }
        // Subscribe rooms elsewhere whose commands arrived at the last moment.
        self.wishes.close();
        while let Some(wish) = self.wishes.recv().await {
            if let (Command::Hear(address), Some(channels)) = (wish, self.channels.upgrade()) {
                channels.subscribe(&address);
            }
        }
    }

    async fn listen(&mut self, pause: &mut Duration) -> Over {
        while self.lost.try_recv().is_ok() {}
        // Obtained first, so that a demotion while the connection is being made counts.
        let mut demoted = self.node.demoted();
        let Ok(mut connection) = self.node.connect(&self.config).await else {
            return Over::Lost;
        };
        let rooms: Vec<_> = self.mine.iter().copied().collect();
        if self.join(&mut connection, &rooms).await.is_err() {
            return Over::Lost;
        }
        *pause = BACKOFF.0;
        let mut pings = interval(PING_INTERVAL);
        let mut wishes = Vec::new();
        loop {
            tokio::select! {
                count = self.wishes.recv_many(&mut wishes, MAX_BATCH) => {
                    if count == 0 {
                        return Over::Done;
                    }
                    if self.handle(&mut connection, wishes.drain(..)).await.is_err() {
                        return Over::Lost;
                    }
                }
                lost = self.lost.recv() => match lost {
                    Some(Some(address)) => self.dropped(&address).await,
                    _ => return Over::Lost,
                },
                // A demoted server no longer delivers the announcements of the rooms.
                _ = demoted.changed() => return Over::Lost,
                _ = pings.tick() => {
                    if !self.answers(&mut connection).await
                        || self.sweep(&mut connection).await.is_err()
                    {
                        return Over::Lost;
                    }
                }
            }
        }
    }

    /// Executes a batch of commands.
    async fn handle(
        &mut self,
        connection: &mut MultiplexedConnection,
        wishes: impl Iterator<Item = Command>,
    ) -> Result<(), Disconnected> {
        let (mut rooms, mut waiting) = (Vec::new(), Vec::new());
        for wish in wishes {
            match wish {
                Command::Hear(address) => rooms.push(address),
                Command::Answer(answers) => waiting.push(answers),
            }
        }
        self.join(connection, &rooms).await?;
        if !waiting.is_empty() {
            // The reply arrives after all announcements made before it.
            ping(connection).await?;
            // A waiter may have given up: ignore its closed channel.
            for answers in waiting {
                let _ = answers.send(());
            }
        }
        Ok(())
    }

    /// Returns whether the server responds. A ping is repeated once if it timed out because this
    /// process was suspended.
    async fn answers(&self, connection: &mut MultiplexedConnection) -> bool {
        let goes_on = || {
            let channels = self.channels.upgrade();
            channels.is_some_and(|channels| channels.servers.has_just_gone_on())
        };
        ping(connection).await.is_ok() || goes_on() && ping(connection).await.is_ok()
    }

    /// Subscribes to rooms.
    async fn join(
        &mut self,
        connection: &mut MultiplexedConnection,
        rooms: &[RoomAddress],
    ) -> Result<(), Disconnected> {
        let channels = self.channels.upgrade().ok_or(Disconnected)?;
        let command = channels.servers.pubsub().subscribe();
        for rooms in rooms.chunks(MAX_BATCH) {
            self.mine.extend(rooms);
            let answers = each(connection, command, rooms).await?;
            for (address, answer) in rooms.iter().zip(answers) {
                if let Value::ServerError(error) = answer {
                    // The server does not own the room, or no longer does, or the relay lacks the
                    // permission.
                    if error.code() == "NOPERM" {
                        self.node.complain(error.code());
                    }
                    self.mine.remove(address);
                    channels.again_later(address);
                } else {
                    channels.on_subscribed(address);
                }
            }
        }
        Ok(())
    }

    /// Handles a subscription that the server has dropped.
    async fn dropped(&mut self, address: &RoomAddress) {
        let Some(channels) = self.channels.upgrade() else { return };
        if self.mine.remove(address) {
            channels.on_unsubscribed(address);
            channels.servers.refresh_topology().await;
            channels.again_later(address);
        }
    }

    /// Unsubscribes from channels that are no longer needed.
    async fn sweep(&mut self, connection: &mut MultiplexedConnection) -> Result<(), Disconnected> {
        let channels = self.channels.upgrade().ok_or(Disconnected)?;
        self.hand_over(&channels);
        let is_left = |address: &&RoomAddress| channels.forget_unwatched(address);
        let left: Vec<_> = self.mine.iter().filter(is_left).copied().collect();
        let command = channels.servers.pubsub().unsubscribe();
        for rooms in left.chunks(MAX_BATCH) {
            // A new watch of one of these rooms subscribes after this.
            self.mine.retain(|address| !rooms.contains(address));
            each(connection, command, rooms).await?;
        }
        Ok(())
    }

    /// Hands rooms that another server owns now over to that server's connection.
    fn hand_over(&mut self, channels: &Arc<Channels>) {
        let topology = channels.servers.topology();
        let node = &self.node;
        let is_there = |address: &RoomAddress| {
            topology.owner(Shard::of(address)).is_some_and(|owner| !Arc::ptr_eq(owner, node))
        };
        for address in self.mine.extract_if(is_there) {
            channels.on_unsubscribed(&address);
            channels.subscribe(&address);
        }
    }
}

/// Checks that the connection is up. The response is as long as the request, and longer than the
/// server's output buffer, so it overwrites what was sent there last.
async fn ping(connection: &mut MultiplexedConnection) -> Result<(), Disconnected> {
    static ZEROS: [u8; 20_000] = [0; 20_000];
    let answer = connection.req_packed_command(cmd("PING").arg(&ZEROS)).await;
    // The library returns a server error as a value.
    answer.and_then(Value::extract_error).map(drop).map_err(|_| Disconnected)
}

/// Sends one command per room in one pipeline.
async fn each(
    connection: &mut MultiplexedConnection,
    command: &str,
    rooms: &[RoomAddress],
) -> Result<Vec<Value>, Disconnected> {
    let mut pipeline: Pipeline = pipe();
    for address in rooms {
        pipeline.cmd(command).arg(keys::room(address));
    }
    let answers = connection.req_packed_commands(&pipeline, 0, rooms.len()).await;
    // Fewer responses than commands mean that requests and responses can no longer be matched.
    answers.ok().filter(|answers| answers.len() == rooms.len()).ok_or(Disconnected)
}
