//! One connection on which one server tells what happens to its rooms.

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

/// Channels that are asked for at one go, one command each: one for several would be refused by a
/// cluster, where each is in another slot.
const MAX_BATCH: usize = 128;
/// How often the connection is tried, and channels that nobody needs are left.
const PING_INTERVAL: Duration = Duration::from_secs(2);
/// How long an answer may take before the connection is given up.
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait before another connection is tried, at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// The near end of a line.
pub(super) struct PubSubConnection {
    pub(super) node: Arc<Node>,
    pub(super) wishes: mpsc::UnboundedSender<Command>,
}

/// What a line is to do.
pub(super) enum Command {
    /// To subscribe to a room.
    Hear(RoomAddress),
    /// To say when everything was heard that was announced until now. Dropped when the line is cut.
    Answer(oneshot::Sender<()>),
}

/// The far end.
struct Listener {
    channels: Weak<Channels>,
    node: Arc<Node>,
    wishes: mpsc::UnboundedReceiver<Command>,
    /// Rooms that are heard over this line, or will be once it is up.
    mine: HashSet<RoomAddress>,
    config: AsyncConnectionConfig,
    /// The connection was lost (`None`), or the server has dropped a channel.
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

/// Takes what the server says by itself.
struct PushHandler {
    channels: Weak<Channels>,
    loses: mpsc::UnboundedSender<Option<RoomAddress>>,
    /// The announcement of an entry. The entry comes next.
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
            // A slot has moved; or it was asked for.
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
        // Whatever comes instead of the entry: that one was missed, which the next one tells.
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

/// Why a line listens no more.
enum Over {
    /// The connection was lost.
    Lost,
    /// The store is no more.
    Done,
}

/// The connection is of no use any more.
struct Broken;

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
        // Whoever was sent here in the last moment has to go elsewhere.
        self.wishes.close();
        while let Some(wish) = self.wishes.recv().await {
            if let (Command::Hear(address), Some(channels)) = (wish, self.channels.upgrade()) {
                channels.subscribe(&address);
            }
        }
    }

    async fn listen(&mut self, pause: &mut Duration) -> Over {
        while self.lost.try_recv().is_ok() {}
        // Asked for first: a change while the connection is made counts.
        let mut demoted = self.node.demoted();
        let Ok(mut connection) = self.node.connect(&self.config).await else {
            return Over::Lost;
        };
        let rooms: Vec<_> = self.mine.iter().copied().collect();
        if self.join(&mut connection, &rooms).await.is_err() {
            return Over::Lost;
        }
        *pause = BACKOFF.0;
        let mut tick = interval(PING_INTERVAL);
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
                // Whatever that server has to tell, it is not what happens to the rooms.
                _ = demoted.changed() => return Over::Lost,
                _ = tick.tick() => {
                    if !self.answers(&mut connection).await
                        || self.sweep(&mut connection).await.is_err()
                    {
                        return Over::Lost;
                    }
                }
            }
        }
    }

    /// Does what was wished for.
    async fn handle(
        &mut self,
        connection: &mut MultiplexedConnection,
        wishes: impl Iterator<Item = Command>,
    ) -> Result<(), Broken> {
        let (mut rooms, mut waiting) = (Vec::new(), Vec::new());
        for wish in wishes {
            match wish {
                Command::Hear(address) => rooms.push(address),
                Command::Answer(answers) => waiting.push(answers),
            }
        }
        self.join(connection, &rooms).await?;
        if !waiting.is_empty() {
            // What was announced before comes before the answer.
            ping(connection).await?;
            // Who gave up waiting is not told.
            for answers in waiting {
                let _ = answers.send(());
            }
        }
        Ok(())
    }

    /// Whether the server answers. An answer for which the time was over when this process went on
    /// is asked for once more.
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
    ) -> Result<(), Broken> {
        let channels = self.channels.upgrade().ok_or(Broken)?;
        let command = channels.servers.pubsub().subscribe();
        for rooms in rooms.chunks(MAX_BATCH) {
            self.mine.extend(rooms);
            let answers = each(connection, command, rooms).await?;
            for (address, answer) in rooms.iter().zip(answers) {
                if let Value::ServerError(error) = answer {
                    // Not here, or not any more; or the relay may not.
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

    /// The server no longer tells of a room.
    async fn dropped(&mut self, address: &RoomAddress) {
        let Some(channels) = self.channels.upgrade() else { return };
        if self.mine.remove(address) {
            channels.on_unsubscribed(address);
            channels.servers.refresh_topology().await;
            channels.again_later(address);
        }
    }

    /// Leaves channels that nobody needs any more.
    async fn sweep(&mut self, connection: &mut MultiplexedConnection) -> Result<(), Broken> {
        let channels = self.channels.upgrade().ok_or(Broken)?;
        self.hand_over(&channels);
        let is_left = |address: &&RoomAddress| channels.forget_unwatched(address);
        let left: Vec<_> = self.mine.iter().filter(is_left).copied().collect();
        let command = channels.servers.pubsub().unsubscribe();
        for rooms in left.chunks(MAX_BATCH) {
            // Whoever watches one of them again comes after this.
            self.mine.retain(|address| !rooms.contains(address));
            each(connection, command, rooms).await?;
        }
        Ok(())
    }

    /// Rooms that another server has now are for its line.
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

/// Whether the connection is up. The answer is as long as the question, and longer than the buffer
/// in which the server had what it told last.
async fn ping(connection: &mut MultiplexedConnection) -> Result<(), Broken> {
    static ZEROS: [u8; 20_000] = [0; 20_000];
    let answer = connection.req_packed_command(cmd("PING").arg(&ZEROS)).await;
    // What a server refuses comes as a value.
    answer.and_then(Value::extract_error).map(drop).map_err(|_| Broken)
}

/// One command for each room, all at one go.
async fn each(
    connection: &mut MultiplexedConnection,
    command: &str,
    rooms: &[RoomAddress],
) -> Result<Vec<Value>, Broken> {
    let mut pipeline: Pipeline = pipe();
    for address in rooms {
        pipeline.cmd(command).arg(keys::room(address));
    }
    let answers = connection.req_packed_commands(&pipeline, 0, rooms.len()).await;
    // The codec alone knows what they mean; whoever gets too few has lost count.
    answers.ok().filter(|answers| answers.len() == rooms.len()).ok_or(Broken)
}
