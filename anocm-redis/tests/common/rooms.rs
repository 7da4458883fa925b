//! Rooms and entries for tests.

use std::{sync::Arc, time::Duration};

use anocm_core::{
    Epoch, Payload, Retention, RoomAddress, Secret, Seq, Token, TokenHash,
    store::{Store as _, StoreError, Watch, Watched},
    wire::{CloseReason, Entry, EntryKind, Genesis, LogItem, NextEpoch, Policy},
};
use anocm_redis::{RedisOptions, RedisStore};
use futures_util::StreamExt as _;
use tokio::time::timeout;

use super::{PATIENCE, Server};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Connects a store to a single server.
pub(crate) async fn store(server: &Server) -> Arc<RedisStore> {
    RedisStore::connect(options(server)).await.unwrap()
}

pub(crate) fn options(server: &Server) -> RedisOptions {
    RedisOptions::new([server.url()]).unwrap()
}

pub(crate) fn kept(duration: Duration) -> Retention {
    Retention::keep(duration).unwrap()
}

/// Returns the policy of a room with this linger.
pub(crate) fn policy(linger: Duration) -> Policy {
    Policy {
        max_retention: kept(60 * SECOND),
        handshakes: kept(60 * SECOND),
        linger: linger.as_millis().try_into().unwrap(),
        max_age: 600_000,
        max_entries: 50_000,
        max_bytes: 64 << 20,
    }
}

pub(crate) fn address(mark: u8) -> RoomAddress {
    RoomAddress::new([mark; 16])
}

fn hash(mark: u8) -> TokenHash {
    Token::new(Secret::new([mark; 32])).hash()
}

pub(crate) fn next(mark: u8) -> NextEpoch {
    NextEpoch { member: hash(mark), door: hash(mark), group_info: Payload::from(vec![mark; 1_000]) }
}

pub(crate) async fn create(store: &RedisStore, address: &RoomAddress, policy: Policy) {
    let genesis = Genesis { policy, owner: hash(0), first: next(0) };
    store.create(address, genesis).await.unwrap();
}

pub(crate) fn entry(kind: EntryKind, epoch: u64, retention: Retention, sealed: &[u8]) -> Entry {
    Entry { kind, epoch: Epoch::new(epoch), retention, sealed: Payload::copy_from_slice(sealed) }
}

pub(crate) async fn say(
    store: &RedisStore,
    address: &RoomAddress,
    retention: Retention,
    sealed: &[u8],
) -> Result<Seq, StoreError> {
    store.append(address, entry(EntryKind::Message, 0, retention, sealed), None).await
}

/// Returns the next event of a watch.
pub(crate) async fn told(watch: &mut Watch) -> Watched {
    timeout(PATIENCE, watch.next()).await.expect("nothing was told in time").expect("it has ended")
}

pub(crate) async fn told_entry(watch: &mut Watch) -> LogItem {
    match told(watch).await {
        Watched::Entry(item) => item,
        other => panic!("no entry: {other:?}"),
    }
}

/// Uses all store operations of a relay.
pub(crate) async fn everything(store: &RedisStore, here: &RoomAddress) {
    create(store, here, policy(60 * SECOND)).await;
    let mut watch = store.watch(here).await.unwrap();
    say(store, here, kept(SECOND), &[1; 1_000]).await.unwrap();
    let commit = entry(EntryKind::Commit, 0, kept(30 * SECOND), &[2; 4_000]);
    let seq = store.append(here, commit, Some(next(1))).await.unwrap();
    store.touch(here).await.unwrap();
    store.void(here, seq, next(0)).await.unwrap();
    say(store, here, Retention::Live, &[3; 1_000]).await.unwrap();
    for _ in 0..4 {
        told(&mut watch).await;
    }
    // Wait for the janitor.
    tokio::time::sleep(SECOND).await;
    assert!(store.read(here, Seq::START, Seq::new(9)).await.unwrap().items.is_empty());
    store.close(here, CloseReason::Owner).await.unwrap();
    assert_eq!(told(&mut watch).await, Watched::Closed(CloseReason::Owner));
}
