//! One connection: its hello, its reader, its writer and its end.

mod admission;
mod membership;
mod requests;

use std::{
    collections::{HashMap, HashSet},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use self::membership::Membership;
use crate::{
    id::{Epoch, RoomAddress},
    relay::{
        Relay,
        admission::{join_pacing::PendingJoin, pow::PowState, rate_limit::TokenBucket},
        delivery::{outbox::Outbox, queue::Batch},
        ids::ConnectionId,
    },
    secret::Payload,
    time::Timestamp,
    transport::{Closing, Link, TransportError},
    wire::{ClientFrame, ClientHello, Event, Hello, RelayFrame, RelayHello, decode, encode},
};

/// How long sending the last frames and closing the link may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The state of one connection: its rooms, rate limits and pending joins.
pub(crate) struct Connection<'a> {
    pub(crate) relay: &'a Arc<Relay>,
    pub(crate) id: ConnectionId,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) rooms: HashMap<RoomAddress, Membership>,
    /// Rooms that were joined but not entered yet. None of them is in `rooms`.
    pub(crate) joined: HashSet<RoomAddress>,
    /// The epoch that the last join of a room over this connection was to begin.
    pub(crate) last_joins: HashMap<RoomAddress, Epoch>,
    pub(crate) creations: TokenBucket,
    pub(crate) joins: TokenBucket,
    pub(crate) pow: PowState,
    /// Rooms that this connection is about to join.
    pub(crate) pending_joins: HashMap<RoomAddress, PendingJoin>,
}

/// Runs one connection to its end.
pub(crate) async fn run(relay: &Arc<Relay>, link: Box<dyn Link>) {
    let link: Arc<dyn Link> = Arc::from(link);
    let clock = &relay.clock;
    let greeted = tokio::select! {
        biased;
        greeted = greet(relay, &*link) => greeted,
        () = clock.sleep_until(clock.now().saturating_add(relay.config.hello_timeout)) => {
            Err(Closing::Timeout)
        }
        () = relay.stopping.cancelled() => Err(Closing::GoingAway),
    };
    if let Err(why) = greeted {
        tracing::debug!("connection closed without a hello");
        close(relay, &*link, why).await;
        return;
    }
    let mut connection = Connection::new(relay, Arc::clone(&link));
    let outbox = Arc::clone(&connection.outbox);
    let mut writer = pin!(write(relay, &*link, &outbox));
    let why = tokio::select! {
        biased;
        () = &mut writer => return,
        () = relay.stopping.cancelled() => Closing::GoingAway,
        why = connection.read(&*link) => why,
    };
    // No more requests are read: queued frames are sent, and then the reason why the connection
    // ends.
    drop(connection);
    if why == Closing::GoingAway {
        let rooms_end = relay.rooms_end.get().copied().unwrap_or(false);
        outbox.push_control(encode(&RelayFrame::Event(Event::GoingAway { rooms_end })));
    }
    outbox.end(why);
    tokio::select! {
        biased;
        () = writer => {}
        () = clock.sleep_until(clock.now().saturating_add(CLOSE_TIMEOUT)) => {}
    }
}

async fn greet(relay: &Relay, link: &dyn Link) -> Result<(), Closing> {
    let Ok(Some(frame)) = link.recv().await else {
        return Err(Closing::Done);
    };
    let hello = ClientHello::from_frame(&frame).map_err(|_| Closing::Protocol)?;
    let answer = RelayHello::negotiate(&hello, relay.store.posture().await);
    let sent = link.send(&[answer.to_frame()]).await;
    match answer {
        RelayHello::Welcome { .. } if sent.is_ok() => Ok(()),
        _ => Err(Closing::Done),
    }
}

/// Sends queued frames until the outbox has ended, or the link fails or times out.
async fn write(relay: &Relay, link: &dyn Link, outbox: &Outbox) {
    let clock = &relay.clock;
    loop {
        let batch = match outbox.next_batch(|| clock.now()).await {
            Ok(batch) => batch,
            Err(why) => return close(relay, link, why).await,
        };
        let (limit, began) = (write_timeout(relay, &batch), clock.now());
        let sent = tokio::select! {
            biased;
            sent = link.send(&batch.frames) => sent,
            never = outbox.expire(&**clock) => match never {},
            () = clock.sleep_until(clock.now().saturating_add(limit)) => {
                tracing::debug!("connection closed: too slow");
                relay.counts.stalled.add(1);
                return close(relay, link, Closing::Timeout).await;
            }
        };
        if sent.is_err() {
            tracing::debug!("connection cut");
            return;
        }
        relay.counts.sent(&batch, began, clock.now());
        outbox.sent(&batch);
    }
}

/// Returns the write timeout of a batch: a batch with one long frame may take as long as the
/// equivalent number of full batches.
fn write_timeout(relay: &Relay, batch: &Batch) -> Duration {
    let parts = batch.bytes().div_ceil(relay.config.batch_bytes.max(1)).max(1);
    let parts = u32::try_from(parts).unwrap_or(u32::MAX);
    relay.config.write_timeout.saturating_mul(parts)
}

/// Closes a link, with a short timeout.
pub(crate) async fn close(relay: &Relay, link: &dyn Link, why: Closing) {
    let clock = &relay.clock;
    tokio::select! {
        biased;
        () = link.close(why) => {}
        () = clock.sleep_until(clock.now().saturating_add(CLOSE_TIMEOUT)) => {}
    }
}

impl<'a> Connection<'a> {
    fn new(relay: &'a Arc<Relay>, link: Arc<dyn Link>) -> Self {
        let now = relay.clock.now();
        let config = &relay.config;
        let outbox = Arc::new(Outbox::new(config, link));
        let id = relay.next_id();
        relay.connections().insert(id, Arc::clone(&outbox));
        Self {
            relay,
            id,
            outbox,
            rooms: HashMap::new(),
            joined: HashSet::new(),
            last_joins: HashMap::new(),
            creations: TokenBucket::new(config.creations, now),
            joins: TokenBucket::new(config.joins, now),
            pow: PowState::default(),
            pending_joins: HashMap::new(),
        }
    }

    /// Reads and handles requests, one after the other, until the connection ends.
    async fn read(&mut self, link: &dyn Link) -> Closing {
        let (clock, config) = (&self.relay.clock, &self.relay.config);
        let mut requests = TokenBucket::new(config.requests, clock.now());
        let mut bytes = TokenBucket::new(config.bytes, clock.now());
        let mut roomless_since = clock.now();
        loop {
            // Backpressure: stop reading requests above half of the outbox.
            self.outbox.below_low_watermark().await;
            let frame = match self.receive(link, &mut roomless_since).await {
                Ok(frame) => frame,
                Err(why) => return why,
            };
            if frame.len() > config.max_frame {
                return Closing::TooLong;
            }
            let length = u64::try_from(frame.len()).unwrap_or(u64::MAX);
            self.relay.counts.bytes_received.add(length);
            let now = clock.now();
            let wait = requests.take(1, now).max(bytes.take(length, now));
            if !wait.is_zero() {
                clock.sleep_until(now.saturating_add(wait)).await;
            }
            let Ok(ClientFrame { id, request }) = decode(&frame, config.max_frame) else {
                tracing::debug!("connection closed: malformed frame");
                return Closing::Protocol;
            };
            drop(frame);
            let asked = clock.now();
            self.answer(id, request).await;
            self.relay.counts.record_reply(asked, clock.now());
        }
    }

    /// Returns whether the connection waits for a join slot, or solves a puzzle.
    fn is_coming_in(&self, now: Timestamp) -> bool {
        self.pow.is_pending(now)
            || self.pending_joins.values().any(|newcomer| newcomer.is_pending(now))
    }

    /// Receives the next frame, or returns why there is none. A connection in no room is subject to
    /// the idle timeout.
    async fn receive(
        &mut self,
        link: &dyn Link,
        roomless_since: &mut Timestamp,
    ) -> Result<Payload, Closing> {
        let (clock, limit) = (&self.relay.clock, self.relay.config.idle_timeout);
        let received = loop {
            if !self.rooms.is_empty() || self.is_coming_in(clock.now()) {
                *roomless_since = clock.now();
            }
            tokio::select! {
                biased;
                () = clock.sleep_until(roomless_since.saturating_add(limit)) => {
                    if self.rooms.is_empty() && !self.is_coming_in(clock.now()) {
                        return Err(Closing::Timeout);
                    }
                    self.forget_ended();
                }
                received = link.recv() => break received,
            }
        };
        match received {
            Ok(Some(frame)) => Ok(frame),
            Ok(None) | Err(TransportError::Cut) => Err(Closing::Done),
            Err(TransportError::TooLong) => Err(Closing::TooLong),
            Err(_) => Err(Closing::Protocol),
        }
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        for room in self.rooms.values() {
            if let Some(shard) = &room.shard {
                shard.unsubscribe(self.id);
            }
        }
        self.relay.connections().remove(&self.id);
        // A broadcast in progress may keep the outbox alive a little longer, but not the link.
        self.outbox.detach_link();
    }
}
