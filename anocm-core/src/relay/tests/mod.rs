//! The relay as a client sees it: raw frames over an in-process link, made-up sealed payloads.
//!
//! Time is tokio's paused clock: it moves only when every task waits.

mod admission;
mod ages;
mod closing;
mod crowd;
mod delivery;
mod ending;
mod entering;
mod epochs;
mod health;
mod held;
mod history;
mod join_pacing;
mod lagging;
mod limits;
mod pow;
mod races;
mod robustness;
mod statistics;
mod taking_back;
mod upkeep;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::{Relay, RelayConfig};
use crate::{
    TokioClock,
    id::{Epoch, RoomAddress, Seq},
    retention::Retention,
    secret::{Payload, Secret, Token},
    store::{MemoryLimits, MemoryStore, Store},
    transport::{Link, Transport},
    wire::{
        ClientFrame, ClientHello, Entered, Entry, EntryKind, Event, Genesis, Hello, LogItem,
        MAX_FRAME, NextEpoch, Page, Policy, Refusal, RelayFrame, RelayHello, Reply, Request,
        decode, encode,
    },
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// Shorter than any timer of a relay: what takes longer depends on time passing.
const MOMENT: Duration = Duration::from_micros(500);

const OWNER: u8 = 0xEE;
const DOOR: u8 = 0xDD;

/// A relay, its store and its clock.
struct World {
    store: Arc<MemoryStore>,
    clock: Arc<TokioClock>,
    relay: Arc<Relay>,
}

impl World {
    fn new() -> Self {
        Self::with(RelayConfig::default())
    }

    fn with(config: RelayConfig) -> Self {
        let clock = Arc::new(TokioClock::new());
        let store = MemoryStore::new(clock.clone(), MemoryLimits::default()).unwrap();
        let relay = Relay::new(store.clone(), clock.clone(), config).unwrap();
        Self { store, clock, relay }
    }

    /// A connected guest.
    async fn guest(&self) -> Guest {
        Guest::of(&self.relay).await
    }

    /// A guest that has created a room at `ROOM` and subscribes to it.
    async fn alice(&self) -> Guest {
        let mut alice = self.guest().await;
        assert_eq!(alice.ask(create(ROOM, policy())).await, Ok(Reply::Done));
        alice
    }

    /// Another member of epoch 0 of `ROOM`, subscribed to it.
    async fn member(&self) -> Guest {
        let mut guest = self.guest().await;
        assert!(guest.enter(0).await.is_ok());
        guest
    }

    /// All sequence numbers that are kept of `ROOM`.
    async fn kept(&self) -> Vec<u64> {
        let page = self.store.read(&ROOM, Seq::START, Seq::new(u64::MAX)).await;
        places(&page.unwrap())
    }
}

/// One end of a connection, speaking frames.
struct Guest {
    link: Box<dyn Link>,
    last_id: u32,
    events: VecDeque<Event>,
}

impl Guest {
    async fn of(relay: &Arc<Relay>) -> Self {
        let link = relay.transport().connect().await.unwrap();
        link.send(&[ClientHello::default().to_frame()]).await.unwrap();
        let hello = link.recv().await.unwrap().unwrap();
        let hello = RelayHello::from_frame(&hello).unwrap();
        assert!(matches!(hello, RelayHello::Welcome { version: 1, .. }));
        Self { link, last_id: 0, events: VecDeque::new() }
    }

    /// Sends a request without waiting for the reply.
    async fn send(&mut self, request: Request) -> u32 {
        self.last_id += 1;
        let id = self.last_id;
        let frame = encode(&ClientFrame { id, request });
        self.link.send(&[frame]).await.unwrap();
        id
    }

    async fn ask(&mut self, request: Request) -> Result<Reply, Refusal> {
        let asked = self.send(request).await;
        loop {
            match self.frame().await.expect("the connection was closed") {
                RelayFrame::Reply { id, result } => {
                    assert_eq!(id, asked);
                    return result;
                }
                RelayFrame::Event(event) => self.events.push_back(event),
            }
        }
    }

    async fn frame(&mut self) -> Option<RelayFrame> {
        let frame = self.link.recv().await.unwrap()?;
        Some(decode(&frame, 2 * MAX_FRAME).unwrap())
    }

    /// Returns the next event, which must arrive without waiting for time to pass.
    async fn event(&mut self) -> Event {
        if let Some(event) = self.events.pop_front() {
            return event;
        }
        match tokio::time::timeout(MOMENT, self.frame()).await {
            Ok(Some(RelayFrame::Event(event))) => event,
            other => panic!("no event but {other:?}"),
        }
    }

    /// Returns the last of the events that arrive without waiting for time to pass.
    async fn last_event(&mut self) -> Event {
        let mut last = self.event().await;
        while let Ok(Some(RelayFrame::Event(event))) =
            tokio::time::timeout(MOMENT, self.frame()).await
        {
            last = event;
        }
        last
    }

    async fn entry(&mut self) -> LogItem {
        match self.event().await {
            Event::Entry { item, .. } => item,
            other => panic!("no entry but {other:?}"),
        }
    }

    /// Asserts that nothing arrives without time passing.
    async fn hears_nothing(&mut self) {
        assert_eq!(self.events.pop_front(), None);
        let heard = tokio::time::timeout(MOMENT, self.frame()).await;
        assert!(heard.is_err(), "heard {heard:?}");
    }

    /// Returns the events that arrive until the relay closes the connection.
    async fn last_words(&mut self) -> Vec<Event> {
        let mut words: Vec<Event> = self.events.drain(..).collect();
        while let Some(frame) = self.frame().await {
            if let RelayFrame::Event(event) = frame {
                words.push(event);
            }
        }
        words
    }

    async fn enter(&mut self, epoch: u8) -> Result<Entered, Refusal> {
        match self.ask(enter(epoch, epoch)).await? {
            Reply::Entered(entered) => Ok(entered),
            other => panic!("not an answer to enter: {other:?}"),
        }
    }

    async fn say(&mut self, epoch: u8, retention: Retention) -> Result<u64, Refusal> {
        self.publish(entry(EntryKind::Message, epoch, retention), None).await
    }

    /// Publishes the commit that ends `epoch`.
    async fn commit(&mut self, epoch: u8) -> Result<u64, Refusal> {
        let commit = entry(EntryKind::Commit, epoch, policy().handshakes);
        self.publish(commit, Some(next(epoch + 1))).await
    }

    async fn publish(&mut self, entry: Entry, next: Option<NextEpoch>) -> Result<u64, Refusal> {
        let request = Request::Publish { address: ROOM, entry, next };
        accepted(self.ask(request).await)
    }

    async fn read(&mut self, after: u64) -> Result<Page, Refusal> {
        match self.ask(read(after)).await? {
            Reply::Page(page) => Ok(page),
            other => panic!("not an answer to read: {other:?}"),
        }
    }
}

const ROOM: RoomAddress = RoomAddress::new([7; 16]);

fn token(byte: u8) -> Token {
    Token::new(Secret::new([byte; 32]))
}

fn kept(duration: Duration) -> Retention {
    Retention::keep(duration).unwrap()
}

fn policy() -> Policy {
    Policy {
        max_retention: kept(60 * MINUTE),
        handshakes: kept(60 * MINUTE),
        linger: 120_000,
        max_age: 7 * 24 * 3_600_000,
        max_entries: 10_000,
        max_bytes: 32_000_000,
    }
}

/// The data of epoch `n`: its member token is `n`.
fn next(n: u8) -> NextEpoch {
    NextEpoch {
        member: token(n).hash(),
        door: token(DOOR).hash(),
        group_info: Payload::from(vec![n; 1_000]),
    }
}

fn entry(kind: EntryKind, epoch: u8, retention: Retention) -> Entry {
    Entry {
        kind,
        epoch: Epoch::new(u64::from(epoch)),
        retention,
        sealed: Payload::from(vec![epoch; 1_000]),
    }
}

fn create(address: RoomAddress, policy: Policy) -> Request {
    let genesis = Genesis { policy, owner: token(OWNER).hash(), first: next(0) };
    Request::Create { address, genesis }
}

fn look(door: u8) -> Request {
    Request::Look { address: ROOM, door: token(door) }
}

/// The join that ends `epoch`.
fn join(door: u8, epoch: u8) -> Request {
    Request::Join {
        address: ROOM,
        door: token(door),
        entry: entry(EntryKind::Join, epoch, policy().handshakes),
        next: next(epoch + 1),
    }
}

fn enter(epoch: u8, member: u8) -> Request {
    Request::Enter { address: ROOM, epoch: Epoch::new(u64::from(epoch)), member: token(member) }
}

fn read(after: u64) -> Request {
    Request::Read { address: ROOM, after: Seq::new(after) }
}

/// Takes back the entry at `seq`, so that `epoch` goes on.
fn void(owner: u8, seq: u64, epoch: u8) -> Request {
    Request::Void { address: ROOM, token: token(owner), seq: Seq::new(seq), restored: next(epoch) }
}

fn close(owner: u8) -> Request {
    Request::Close { address: ROOM, owner: token(owner) }
}

fn accepted(reply: Result<Reply, Refusal>) -> Result<u64, Refusal> {
    match reply? {
        Reply::Accepted { seq } => Ok(seq.value()),
        other => panic!("not accepted but {other:?}"),
    }
}

fn places(page: &Page) -> Vec<u64> {
    page.items.iter().map(|item| item.seq.value()).collect()
}

fn stale<T>(current: u64) -> Result<T, Refusal> {
    Err(Refusal::StaleEpoch { current: Epoch::new(current) })
}
