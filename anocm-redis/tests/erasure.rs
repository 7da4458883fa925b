//! Searches the memory of the server for remnants of entries.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test, helpers included")]

mod common;

use anocm_core::{
    Retention, RoomAddress, Seq,
    store::Store as _,
    wire::{CloseReason, EntryKind},
};
use anocm_guard::testing::occurrences;
use anocm_redis::{RedisOptions, RedisStore};
use common::{
    Cluster, Server,
    rooms::{SECOND, address, create, entry, kept, next, policy, say, store},
    wait,
};

/// Returns unique sealed bytes.
fn sealed(n: u32) -> Vec<u8> {
    let size = [1_000, 4_000, 16_000, 64_000][n as usize % 4];
    let mut sealed = Vec::new();
    for place in 0.. {
        if sealed.len() >= size {
            break;
        }
        sealed.extend(format!("{n:08} sealed, part {place:06}; ").into_bytes());
    }
    sealed.truncate(size);
    sealed
}

/// Returns a few parts of each, long enough not to occur by chance.
fn markers(numbers: impl Iterator<Item = u32>) -> Vec<Vec<u8>> {
    numbers
        .flat_map(|n| {
            let sealed = sealed(n);
            let places = [0, sealed.len() / 2 / 30 * 30, sealed.len() / 30 * 30 - 30];
            places.map(|place| sealed[place..place + 28].to_vec())
        })
        .collect()
}

/// Returns whether none of the markers is found.
fn is_gone(server: &Server, markers: &[Vec<u8>]) -> bool {
    found(server, markers).is_empty()
}

async fn say_all(
    store: &RedisStore,
    here: &RoomAddress,
    numbers: std::ops::Range<u32>,
    life: Retention,
) {
    for n in numbers {
        say(store, here, life, &sealed(n)).await.unwrap();
    }
}

/// Returns where any of the markers is in the server's memory.
fn found(server: &Server, markers: &[Vec<u8>]) -> Vec<(String, usize)> {
    occurrences(server.pid(), markers).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_an_entry_after_its_time() {
    let server = Server::start(&[]);
    let (ours, theirs) = (store(&server).await, store(&server).await);
    let here = address(0xA7);
    create(&ours, &here, policy(60 * SECOND)).await;
    let watch = theirs.watch(&here).await.unwrap();
    say_all(&ours, &here, 0..200, kept(5 * SECOND)).await;
    say_all(&ours, &here, 1_000..1_010, kept(50 * SECOND)).await;
    let (due, kept_ones) = (markers(0..200), markers(1_000..1_010));
    assert!(found(&server, &due).len() >= due.len());
    // Reads pass through other buffers than announcements.
    theirs.read(&here, Seq::START, Seq::new(u64::MAX)).await.unwrap();
    // The relay that stored them is gone, and there is no watch: the other relay erases them.
    drop((ours, watch));
    tokio::time::sleep(5 * SECOND).await;
    wait("what was due is overwritten", || is_gone(&server, &due));
    assert!(found(&server, &kept_ones).len() >= kept_ones.len());
    theirs.close(&here, CloseReason::Owner).await.unwrap();
    wait("the room is overwritten", || is_gone(&server, &kept_ones));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_what_was_voided_or_replaced() {
    let server = Server::start(&[]);
    let store = store(&server).await;
    let here = address(0xA7);
    create(&store, &here, policy(60 * SECOND)).await;
    let with_info = |n| {
        let mut next = next(1);
        next.group_info = sealed(n).into();
        next
    };
    let commit = |n| entry(EntryKind::Commit, 0, kept(50 * SECOND), &sealed(n));
    let seq = store.append(&here, commit(1), Some(with_info(2))).await.unwrap();
    store.void(&here, seq, with_info(3)).await.unwrap();
    store.append(&here, commit(4), Some(with_info(5))).await.unwrap();
    let past = markers([1, 2, 3].into_iter());
    wait("what is past is overwritten", || is_gone(&server, &past));
    assert!(!found(&server, &markers([4].into_iter())).is_empty());
    assert!(!found(&server, &markers([5].into_iter())).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_any_relay_the_server_forgets_by_itself_but_for_its_buffers() {
    let server = Server::start(&[]);
    let store = store(&server).await;
    let here = address(0xA7);
    create(&store, &here, policy(3 * SECOND)).await;
    say_all(&store, &here, 0..200, kept(50 * SECOND)).await;
    let all = markers(0..200);
    assert!(found(&server, &all).len() >= all.len());
    drop(store);
    // Expired entries are not returned, and soon deleted.
    wait("the server has no keys any more", || server.keys().is_empty());
    // The last data of Lua and of the connections stays until it is overwritten, as the threat
    // model states.
    wait("hardly anything is left", || found(&server, &all).len() < all.len() / 10);
}

/// Stores entries that are replicated, and waits until no server has any remnant of them.
async fn is_forgotten_by_all(store: &RedisStore, servers: &[&Server]) {
    let here = address(0xA7);
    create(store, &here, policy(60 * SECOND)).await;
    say_all(store, &here, 0..20, kept(12 * SECOND)).await;
    // Less than the replication backlog, so that it is not pushed out of it.
    let due = markers(0..20);
    let have_it = || servers.iter().filter(|server| found(server, &due).len() >= due.len()).count();
    wait("a replica has it", || have_it() == 2);
    tokio::time::sleep(5 * SECOND).await;
    wait("what was due is overwritten", || servers.iter().all(|server| is_gone(server, &due)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_in_a_replica_either() {
    let server = Server::start(&[]);
    let port = server.port.to_string();
    let replica = Server::start(&["--replicaof", "127.0.0.1", &port]);
    let store = store(&server).await;
    wait("the replica follows", || server.is_replicated());
    is_forgotten_by_all(&store, &[&server, &replica]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_in_a_cluster() {
    let cluster = Cluster::start(1);
    let store = RedisStore::connect(RedisOptions::new(cluster.urls()).unwrap()).await.unwrap();
    let (masters, _) = cluster.nodes.split_at(3);
    wait("replicas follow", || masters.iter().all(Server::is_replicated));
    is_forgotten_by_all(&store, &cluster.nodes.iter().collect::<Vec<_>>()).await;
}
