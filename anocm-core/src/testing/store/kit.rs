//! Shared helpers of the cases: a room with short lifetimes, synthetic entries, a watch with a long
//! timeout.

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::StreamExt;

use super::StoreFactory;
use crate::{
    id::{Epoch, RoomAddress, Seq},
    retention::Retention,
    secret::{Payload, Secret, Token, TokenHash},
    store::{Store, StoreError, StoredDoor, TakeBack, Watch, Watched},
    wire::{Entry, EntryKind, Genesis, LogItem, NextEpoch, Page, Policy},
};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const INSTANT: Duration = Duration::from_millis(1);

/// The timeout for a reply of a store or a watch, in real time. Only a failing case waits this
/// long.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn kept(duration: Duration) -> Retention {
    Retention::keep(duration).unwrap_or_else(|_| panic!("not a retention"))
}

/// A store and a room in it.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) store: Arc<dyn Store>,
    pub(super) address: RoomAddress,
}

pub(super) fn policy() -> Policy {
    Policy {
        max_retention: kept(60 * SECOND),
        handshakes: kept(60 * SECOND),
        linger: 60_000,
        max_age: 600_000,
        max_entries: 10_000,
        max_bytes: 50_000_000,
    }
}

pub(super) fn genesis(policy: Policy) -> Genesis {
    Genesis { policy, owner: hash(0xFF), first: next(0) }
}

pub(super) fn random_address() -> RoomAddress {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).unwrap_or_else(|_| panic!("no randomness"));
    RoomAddress::new(bytes)
}

/// The hash of a token made of one repeated byte.
pub(super) fn hash(byte: u8) -> TokenHash {
    Token::new(Secret::new([byte; 32])).hash()
}

/// A next epoch that is distinguishable by `mark`.
pub(super) fn next(mark: u8) -> NextEpoch {
    NextEpoch {
        member: hash(mark),
        door: hash(mark ^ 0x80),
        group_info: Payload::from(vec![mark; 1_000]),
    }
}

pub(super) fn entry(kind: EntryKind, epoch: u64, retention: Retention, mark: u8) -> Entry {
    Entry { kind, epoch: Epoch::new(epoch), retention, sealed: Payload::from(vec![mark; 1_000]) }
}

pub(super) fn message(epoch: u64, retention: Retention, mark: u8) -> Entry {
    entry(EntryKind::Message, epoch, retention, mark)
}

pub(super) fn commit(epoch: u64, retention: Retention) -> Entry {
    entry(EntryKind::Commit, epoch, retention, 0xC0)
}

impl Case {
    pub(super) async fn new(factory: &dyn StoreFactory) -> Self {
        Self::with(factory, policy()).await
    }

    pub(super) async fn with(factory: &dyn StoreFactory, policy: Policy) -> Self {
        Self::on(factory.store().await, policy).await
    }

    /// Creates a new room in an existing store.
    pub(super) async fn on(store: Arc<dyn Store>, policy: Policy) -> Self {
        let case = Self { store, address: random_address() };
        assert_eq!(case.store.create(&case.address, genesis(policy)).await, Ok(()));
        case
    }

    pub(super) async fn append(
        &self,
        entry: Entry,
        next: Option<NextEpoch>,
    ) -> Result<Seq, StoreError> {
        soon(self.store.append(&self.address, entry, next)).await
    }

    /// Appends a message that must be accepted.
    pub(super) async fn say(&self, epoch: u64, retention: Retention, mark: u8) -> Seq {
        match self.append(message(epoch, retention, mark), None).await {
            Ok(seq) => seq,
            Err(error) => panic!("a message was refused: {error}"),
        }
    }

    /// Appends a commit that must be accepted. The next epoch is marked with its number.
    pub(super) async fn commit(&self, epoch: u64, retention: Retention) -> Seq {
        let mark = u8::try_from(epoch + 1).unwrap_or(u8::MAX);
        match self.append(commit(epoch, retention), Some(next(mark))).await {
            Ok(seq) => seq,
            Err(error) => panic!("a commit was refused: {error}"),
        }
    }

    pub(super) async fn read(&self, after: u64, until: u64) -> Page {
        let (after, until) = (Seq::new(after), Seq::new(until));
        match self.store.read(&self.address, after, until).await {
            Ok(page) => page,
            Err(error) => panic!("cannot read: {error}"),
        }
    }

    pub(super) async fn void(&self, seq: Seq, restored: NextEpoch) -> Result<(), StoreError> {
        soon(self.store.void(&self.address, seq, restored)).await
    }

    /// Returns the epochs in the door's history.
    pub(super) async fn known(&self) -> Vec<u64> {
        self.door().await.epochs.iter().map(|record| record.epoch.value()).collect()
    }

    /// Returns the sequence numbers of all kept entries, read page by page.
    pub(super) async fn places(&self) -> Vec<u64> {
        let mut places = Vec::new();
        let mut after = 0;
        loop {
            let page = self.read(after, u64::MAX).await;
            places.extend(page.items.iter().map(|item| item.seq.value()));
            if !page.more {
                return places;
            }
            assert!(page.reaches.value() > after, "a page must get further");
            after = page.reaches.value();
        }
    }

    pub(super) async fn door(&self) -> StoredDoor {
        match self.store.door(&self.address).await {
            Ok(door) => door,
            Err(error) => panic!("no door: {error}"),
        }
    }

    pub(super) async fn watch(&self) -> Watch {
        match self.store.watch(&self.address).await {
            Ok(watch) => watch,
            Err(error) => panic!("cannot watch: {error}"),
        }
    }

    /// Asserts that every method returns `NoSuchRoom` for the room.
    pub(super) async fn assert_gone(&self) {
        let gone = StoreError::NoSuchRoom;
        let (store, address) = (&self.store, &self.address);
        assert_eq!(store.door(address).await, Err(gone.clone()));
        assert_eq!(store.read(address, Seq::START, Seq::new(9)).await, Err(gone.clone()));
        assert_eq!(store.touch(address).await, Err(gone.clone()));
        let live = message(0, Retention::Live, 1);
        assert_eq!(self.append(live, None).await, Err(gone.clone()));
        assert_eq!(store.void(address, Seq::new(1), next(0)).await, Err(gone.clone()));
        assert_eq!(store.settle(address, Seq::new(1)).await, Err(gone.clone()));
        let by = TakeBack { member: hash(0), group_info: next(0).group_info };
        assert_eq!(store.take_back(address, Seq::new(1), by).await, Err(gone.clone()));
        assert_eq!(store.close(address, crate::wire::CloseReason::Owner).await, Err(gone.clone()));
        assert_eq!(store.watch(address).await.err(), Some(gone));
    }
}

/// Awaits a result, with a timeout.
pub(super) async fn soon<T>(answer: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer,
        Err(_) => panic!("no answer"),
    }
}

/// Returns the next item of a watch. Fails when the watch has ended or times out.
pub(super) async fn told(watch: &mut Watch) -> Watched {
    match tokio::time::timeout(PATIENCE, watch.next()).await {
        Ok(Some(item)) => item,
        Ok(None) => panic!("the watch has ended"),
        Err(_) => panic!("the watch says nothing"),
    }
}

/// Returns the next item of a watch, which must be an entry.
pub(super) async fn told_entry(watch: &mut Watch) -> LogItem {
    match told(watch).await {
        Watched::Entry(item) => item,
        other => panic!("not an entry: {other:?}"),
    }
}

/// Asserts that a watch has ended.
pub(super) async fn assert_ended(watch: &mut Watch) {
    match tokio::time::timeout(PATIENCE, watch.next()).await {
        Ok(None) => {}
        Ok(Some(item)) => panic!("a closed watch says {item:?}"),
        Err(_) => panic!("the watch goes on"),
    }
}

/// Follows the items of a watch, and asserts that they are one consistent history.
#[derive(Default)]
pub(super) struct History {
    pub(super) epoch: Epoch,
    pub(super) head: Seq,
}

impl History {
    /// Takes the next item.
    pub(super) fn follow(&mut self, item: &Watched) {
        match item {
            Watched::Entry(LogItem { seq, entry, .. }) => {
                assert_eq!(*seq, self.head.next(), "told out of order");
                assert_eq!(entry.epoch, self.epoch, "an entry of another epoch was told");
                self.head = *seq;
                if entry.kind.begins_epoch() {
                    self.epoch = self.epoch.next();
                }
            }
            Watched::Voided { seq, epoch } => {
                assert!(*seq <= self.head, "voided before it was told");
                self.epoch = *epoch;
            }
            other => panic!("nothing of the kind happened: {other:?}"),
        }
    }

    /// Follows a watch until it has delivered everything up to a sequence number.
    pub(super) async fn follow_to(&mut self, watch: &mut Watch, head: Seq) {
        while self.head < head {
            self.follow(&told(watch).await);
        }
    }
}
