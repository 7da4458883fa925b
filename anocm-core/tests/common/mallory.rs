//! A member with a modified client: a session and raw frames.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use anocm_core::{
    Invite, MessageId, Payload, Retention, Secret, Seq,
    session::{Change, CommitBundle, Content, Envelope, Joiner, Opened, Session},
    transport::Link,
    wire::{
        ClientFrame, ClientHello, Entry, EntryKind, Event, Hello, LogItem, MAX_FRAME, NextEpoch,
        Refusal, RelayFrame, Reply, Request, decode, encode,
    },
};
use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;

use super::Stage;

/// Distinct seeds, so that a test can have two of her.
static OTHERS: AtomicU64 = AtomicU64::new(666);

/// One end of a connection, operated frame by frame.
pub struct Hand {
    pub link: Box<dyn Link>,
    /// Events that were received.
    pub told: Vec<Event>,
    next: u32,
}

impl Hand {
    pub async fn reach(stage: &Stage) -> Self {
        let link = stage.reach().connect().await.unwrap();
        link.send(&[ClientHello::default().to_frame()]).await.unwrap();
        link.recv().await.unwrap().unwrap();
        Self { link, told: Vec::new(), next: 0 }
    }

    pub async fn ask(&mut self, request: Request) -> Result<Reply, Refusal> {
        self.next += 1;
        let frame = encode(&ClientFrame { id: self.next, request });
        self.link.send(&[frame]).await.unwrap();
        loop {
            match self.frame().await {
                RelayFrame::Reply { id, result } if id == self.next => return result,
                RelayFrame::Event(event) => self.told.push(event),
                other => panic!("unasked: {other:?}"),
            }
        }
    }

    async fn frame(&mut self) -> RelayFrame {
        let frame = self.link.recv().await.unwrap().expect("an open connection");
        decode(&frame, MAX_FRAME).unwrap()
    }

    /// Returns the events received within `time`.
    pub async fn listens(&mut self, time: Duration) -> Vec<Event> {
        let listening = async {
            loop {
                if let RelayFrame::Event(event) = self.frame().await {
                    self.told.push(event);
                }
            }
        };
        let _: Result<(), _> = tokio::time::timeout(time, listening).await;
        std::mem::take(&mut self.told)
    }
}

pub struct Mallory {
    pub hand: Hand,
    pub session: Session,
    pub cursor: Seq,
    pub rng: ChaCha20Rng,
}

impl Mallory {
    /// Joins like any guest, and proves it.
    pub async fn joins(stage: &Stage, invite: &Invite) -> Self {
        let mut hand = Hand::reach(stage).await;
        let mut rng = ChaCha20Rng::seed_from_u64(OTHERS.fetch_add(1, Ordering::Relaxed));
        let address = *invite.address();
        let door = door_token(invite);
        let Ok(Reply::Door(shown)) = hand.ask(Request::Look { address, door: door.clone() }).await
        else {
            panic!("the door was not shown")
        };
        let newcomer = Joiner::New("Mallory".parse().unwrap());
        let (session, CommitBundle { entry, next }) =
            Session::join(&shown, invite.secret(), newcomer, &mut rng).unwrap();
        let Ok(Reply::Accepted { seq }) =
            hand.ask(Request::Join { address, door, entry, next }).await
        else {
            panic!("the join was not accepted")
        };
        let mut mallory = Self { hand, session, cursor: seq, rng };
        mallory.enters().await.unwrap();
        mallory
    }

    pub async fn enters(&mut self) -> Result<Reply, Refusal> {
        let (address, epoch) = (*self.session.address(), self.session.epoch());
        let member = self.session.member_token().unwrap().clone();
        self.hand.ask(Request::Enter { address, epoch, member }).await
    }

    pub async fn reads(&mut self) -> Result<Vec<LogItem>, Refusal> {
        let (address, after) = (*self.session.address(), self.cursor);
        match self.hand.ask(Request::Read { address, after }).await? {
            Reply::Page(page) => {
                self.cursor = page.reaches;
                Ok(page.items)
            }
            other => panic!("no page: {other:?}"),
        }
    }

    /// Reads and opens all new entries, and proves each epoch that she enters.
    pub async fn catches_up(&mut self) -> Vec<LogItem> {
        let mut seen = Vec::new();
        loop {
            let items = self.reads().await.unwrap();
            let mut moved = false;
            for item in &items {
                moved |= matches!(self.session.open(&item.entry), Ok(Opened::Epoch(_)));
            }
            seen.extend(items);
            if !moved || self.session.is_removed() {
                return seen;
            }
            self.enters().await.unwrap();
        }
    }

    pub fn seals(&mut self, counter: u64, id: u8, content: Content) -> Entry {
        let envelope = Envelope { id: MessageId::new([id; 16]), counter, content };
        let kept = super::seconds(3_600);
        self.session.seal(&envelope, kept, &mut self.rng).unwrap()
    }

    pub async fn publishes(
        &mut self,
        entry: Entry,
        next: Option<NextEpoch>,
    ) -> Result<Reply, Refusal> {
        let address = *self.session.address();
        self.hand.ask(Request::Publish { address, entry, next }).await
    }

    /// Commits a refresh of her keys, which is valid, and gives the relay other values for the next
    /// epoch than the members derive.
    pub async fn refreshes(&mut self, lie: impl FnOnce(&mut NextEpoch, NextEpoch)) {
        self.catches_up().await;
        let commit = self.session.propose(Change::Refresh, &mut self.rng);
        let CommitBundle { entry, mut next } = commit.unwrap();
        lie(&mut next, self.nowhere());
        self.publishes(entry, Some(next)).await.unwrap();
    }

    /// An entry of this kind with invalid content.
    pub fn junk(&self, kind: EntryKind) -> Entry {
        let policy = self.session.settings().policy;
        let retention = if kind.begins_epoch() { policy.handshakes } else { Retention::Live };
        let sealed = Payload::from(vec![0x66; 1_000]);
        Entry { kind, epoch: self.session.epoch(), retention, sealed }
    }

    /// Values that the relay is given for an epoch that no member is in; the door stays as it is.
    pub fn nowhere(&self) -> NextEpoch {
        NextEpoch {
            member: anocm_core::Token::new(Secret::new([0x66; 32])).hash(),
            door: self.session.door_token().hash(),
            group_info: Payload::from(vec![0x66; 1_000]),
        }
    }
}

/// Returns the door token derived from an invite's secret.
pub fn door_token(invite: &Invite) -> anocm_core::Token {
    anocm_core::session::door_token(invite.address(), invite.secret()).unwrap()
}
