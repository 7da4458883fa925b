//! Tests with servers that fail or are replaced.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test, helpers included")]

mod common;

use std::{sync::Arc, time::Duration};

use anocm_core::{
    Retention, RoomAddress, Seq,
    store::{Store as _, StoreError, Watch, Watched},
    wire::{CloseReason, Entry, EntryKind, NextEpoch},
};
use anocm_redis::{RedisOptions, RedisStore};
use common::{
    Cluster, Front, Log, Server,
    rooms::{SECOND, address, create, entry, kept, next, policy, say, told},
    wait,
};
use tokio::time::timeout;

/// Sends an entry until it is accepted.
async fn insist(store: &RedisStore, mark: u8, sealed: u8) -> Seq {
    loop {
        match say(store, &address(mark), kept(60 * SECOND), &[sealed; 1_000]).await {
            Ok(seq) => return seq,
            Err(StoreError::Unavailable) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_of_a_node_that_is_lost_go_on_at_its_replica() {
    let mut cluster = Cluster::start(1);
    let store = RedisStore::connect(RedisOptions::new(cluster.urls()).unwrap()).await.unwrap();
    // Rooms on every master.
    let marks = [0_u8, 60, 120, 180, 240];
    let mut watches = Vec::new();
    for mark in marks {
        create(&store, &address(mark), policy(60 * SECOND)).await;
        say(&store, &address(mark), kept(60 * SECOND), &[1; 1_000]).await.unwrap();
        watches.push(store.watch(&address(mark)).await.unwrap());
    }
    // Writes that the replicas have not received yet would be lost.
    let (masters, _) = cluster.nodes.split_at(3);
    wait("the replicas have it all", || masters.iter().all(Server::is_replicated));
    cluster.nodes[0].kill();
    let has_taken_over = |node: &Server| {
        node.ask::<String>(&["CLUSTER", "NODES"])
            .lines()
            .filter(|line| line.contains("master") && !line.contains("fail") && line.contains('-'))
            .count()
            >= 3
    };
    for mark in marks {
        let seq = insist(&store, mark, 2).await;
        assert_eq!(seq, Seq::new(2), "room {mark}");
    }
    wait("its replica has taken over", || cluster.nodes[1..].iter().all(has_taken_over));
    // Existing watches receive the entry, without a gap.
    for watch in &mut watches {
        match told(watch).await {
            Watched::Entry(item) => assert_eq!(item.seq, Seq::new(2)),
            other => panic!("{other:?}"),
        }
    }
    for mark in marks {
        say(&store, &address(mark), Retention::Live, &[3; 1_000]).await.unwrap();
        let page = store.read(&address(mark), Seq::START, Seq::new(9)).await.unwrap();
        assert_eq!(page.items.len(), 2, "room {mark}");
    }
    for watch in &mut watches {
        assert!(matches!(told(watch).await, Watched::Entry(item) if item.seq == Seq::new(3)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_a_replica_takes_its_rooms_along_and_no_others() {
    let cluster = Cluster::start(0);
    let store = RedisStore::connect(RedisOptions::new(cluster.urls()).unwrap()).await.unwrap();
    let marks: Vec<u8> = (0..=255).step_by(16).collect();
    let mut watches = Vec::new();
    for &mark in &marks {
        create(&store, &address(mark), policy(60 * SECOND)).await;
        watches.push((mark, store.watch(&address(mark)).await.unwrap()));
    }
    // It restarts without data.
    let Cluster { nodes } = cluster;
    let mut nodes = nodes.into_iter();
    let first = nodes.next().unwrap().restart();
    let cluster = Cluster { nodes: [first].into_iter().chain(nodes).collect() };
    cluster.settle();
    let mut lost = 0;
    for (mark, mut watch) in watches {
        let door = loop {
            match store.door(&address(mark)).await {
                Err(StoreError::Unavailable) => tokio::time::sleep(Duration::from_millis(50)).await,
                door => break door,
            }
        };
        match door {
            Ok(_) => {
                insist(&store, mark, 1).await;
                assert!(matches!(told(&mut watch).await, Watched::Entry(_)), "room {mark}");
            }
            Err(error) => {
                assert_eq!(error, StoreError::NoSuchRoom);
                assert_eq!(told(&mut watch).await, Watched::Closed(CloseReason::Gone));
                lost += 1;
            }
        }
    }
    assert!((1..marks.len()).contains(&lost), "{lost}");
}

/// A server with a replica that has missed the last entry and then replaces it while a room is
/// watched; and the store.
struct TakenOver {
    store: Arc<RedisStore>,
    here: RoomAddress,
    watch: Watch,
    front: Front,
    server: Server,
    replica: Server,
}

impl TakenOver {
    /// `last` is the entry that the replica misses.
    async fn after(last: Entry, ends: Option<NextEpoch>) -> Self {
        let server = Server::start(&[]);
        let port = server.port.to_string();
        let replica = Server::start(&["--replicaof", "127.0.0.1", &port]);
        wait("the replica follows", || {
            replica.ask::<String>(&["INFO", "replication"]).contains("master_link_status:up")
        });
        let front = Front::to(server.port);
        let store = RedisStore::connect(RedisOptions::new([front.url()]).unwrap()).await.unwrap();
        let here = address(7);
        create(&store, &here, policy(60 * SECOND)).await;
        say(&store, &here, kept(60 * SECOND), &[1; 1_000]).await.unwrap();
        let mut watch = store.watch(&here).await.unwrap();
        wait("the replica has it all", || server.is_replicated());
        // Disconnects the replica first, so that it does not receive the next entry.
        let () = replica.ask(&["REPLICAOF", "NO", "ONE"]);
        store.append(&here, last, ends).await.unwrap();
        assert!(matches!(told(&mut watch).await, Watched::Entry(item) if item.seq == Seq::new(2)));
        Self { store, here, watch, front, server, replica }
    }

    /// Replaces the server with the replica.
    fn take_over(&mut self) {
        self.front.turn_to(self.replica.port);
        self.server.kill();
    }
}

#[tokio::test]
async fn a_place_that_a_lost_entry_had_is_not_given_again() {
    let last = entry(EntryKind::Message, 0, kept(60 * SECOND), &[2; 1_000]);
    let mut over = TakenOver::after(last, None).await;
    over.take_over();
    let (store, here, watch) = (&over.store, over.here, &mut over.watch);
    assert_eq!(insist(store, 7, 3).await, Seq::new(3));
    // A query before that finds a mismatch and reports a lag.
    let item = loop {
        match told(watch).await {
            Watched::Entry(item) => break item,
            other => assert_eq!(other, Watched::Lagged),
        }
    };
    assert_eq!((item.seq, item.entry.sealed[0]), (Seq::new(3), 3));
    // The lost entry is missing, and the log has a gap in its place.
    let page = store.read(&here, Seq::START, Seq::new(9)).await.unwrap();
    let places: Vec<_> = page.items.iter().map(|item| item.seq.value()).collect();
    assert_eq!((places, page.reaches), (vec![1, 3], Seq::new(3)));
}

#[tokio::test]
async fn a_room_whose_last_epoch_was_lost_ends() {
    let last = entry(EntryKind::Commit, 0, kept(60 * SECOND), &[2; 1_000]);
    let mut over = TakenOver::after(last, Some(next(1))).await;
    over.take_over();
    // Its members are in an epoch that the server does not know.
    assert_eq!(told(&mut over.watch).await, Watched::Closed(CloseReason::Gone));
    loop {
        match say(&over.store, &over.here, kept(60 * SECOND), &[3; 1_000]).await {
            Err(StoreError::Unavailable) => tokio::time::sleep(Duration::from_millis(50)).await,
            ended => break assert_eq!(ended, Err(StoreError::NoSuchRoom)),
        }
    }
}

#[tokio::test]
async fn a_room_in_which_another_epoch_took_the_place_of_a_lost_one_ends() {
    let last = entry(EntryKind::Commit, 0, kept(60 * SECOND), &[2; 1_000]);
    let mut over = TakenOver::after(last, Some(next(1))).await;
    // Another relay, which has not received the lost commit, commits at the new server first.
    let options = RedisOptions::new([over.replica.url()]).unwrap();
    let other = RedisStore::connect(options).await.unwrap();
    let commit = entry(EntryKind::Commit, 0, kept(60 * SECOND), &[3; 1_000]);
    assert_eq!(other.append(&over.here, commit, Some(next(2))).await, Ok(Seq::new(2)));
    over.take_over();
    assert_eq!(told(&mut over.watch).await, Watched::Closed(CloseReason::Gone));
}

/// The time within which rooms must work again after a change of the servers.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_master_that_has_become_a_replica_is_let_go() {
    let log = Log::listen();
    let server = Server::start(&[]);
    let port = server.port.to_string();
    let replica = Server::start(&["--replicaof", "127.0.0.1", &port]);
    wait("the replica follows", || {
        replica.ask::<String>(&["INFO", "replication"]).contains("master_link_status:up")
    });
    let front = Front::to(server.port);
    let store = RedisStore::connect(RedisOptions::new([front.url()]).unwrap()).await.unwrap();
    let here = address(7);
    create(&store, &here, policy(60 * SECOND)).await;
    let mut watch = store.watch(&here).await.unwrap();
    say(&store, &here, kept(60 * SECOND), &[1; 1_000]).await.unwrap();
    assert!(matches!(told(&mut watch).await, Watched::Entry(_)));
    wait("the replica has it all", || server.is_replicated());

    // The roles are swapped, and every connection stays up.
    let () = replica.ask(&["REPLICAOF", "NO", "ONE"]);
    let () = server.ask(&["REPLICAOF", "127.0.0.1", &replica.port.to_string()]);
    // While the address leads to the old master, entries are refused with an error.
    assert_eq!(
        say(&store, &here, Retention::Live, &[2; 1_000]).await,
        Err(StoreError::Unavailable)
    );
    front.turn_to(replica.port);
    let seq = timeout(SOON, insist(&store, 7, 3)).await.expect("the old one is not let go");
    assert_eq!(seq, Seq::new(2));
    match told(&mut watch).await {
        Watched::Entry(item) => assert_eq!((item.seq, item.entry.sealed[0]), (seq, 3)),
        other => panic!("{other:?}"),
    }
    // Both connections are closed. (A third one is for health checks of the replica.)
    let is_left = || {
        let clients: String = server.ask(&["CLIENT", "LIST"]);
        let of_rooms = ["cmd=evalsha", "cmd=subscribe", " sub=1 "];
        clients.lines().any(|line| of_rooms.iter().any(|words| line.contains(words)))
    };
    let leaves = async {
        while is_left() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, leaves).await.expect("the old one is still listened to");
    assert_eq!(log.lines("has become a replica").len(), 1, "{:#?}", log.lines(""));
    assert_eq!(log.lines("can be used again").len(), 1, "{:#?}", log.lines(""));
    assert!(log.lines("").len() < 5, "{:#?}", log.lines(""));
}
