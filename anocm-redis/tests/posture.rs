//! Tests of the servers' memory-only guarantee, checked at the start and continuously.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test, helpers included")]

mod common;

use std::time::Duration;

use anocm_core::{
    store::{Store as _, StoreError},
    wire::Posture,
};
use anocm_redis::{ConnectError, RedisOptions, RedisStore};
use common::{
    Cluster, Server,
    rooms::{SECOND, address, create, kept, options, policy, say, store},
    wait,
};
use tokio::time::timeout;

/// The time within which a change of the posture must be visible.
const SOON: Duration = Duration::from_secs(10);

async fn becomes(store: &RedisStore, posture: Posture) {
    let changed = async {
        while store.posture().await != posture {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, changed).await.unwrap_or_else(|_| panic!("not {posture:?} in time"));
}

#[tokio::test]
async fn a_server_that_would_write_to_a_disk_is_refused_with_the_cure() {
    let bad = [
        (["--save", "3600 1"], "CONFIG SET save \"\""),
        (["--appendonly", "yes"], "CONFIG SET appendonly no"),
        (["--maxmemory-policy", "allkeys-lru"], "CONFIG SET maxmemory-policy noeviction"),
        (["--maxmemory", "0"], "CONFIG SET maxmemory 1gb"),
        (["--slowlog-log-slower-than", "10000"], "CONFIG SET slowlog-log-slower-than -1"),
    ];
    for (setting, cure) in bad {
        let server = Server::start_careless(&setting);
        let refused = RedisStore::connect(options(&server)).await.unwrap_err();
        let ConnectError::Persists(lines) = &refused else { panic!("{refused}") };
        assert!(lines.iter().any(|line| line.ends_with(cure)), "{setting:?}: {lines:?}");
    }
}

#[tokio::test]
async fn a_stock_replica_breaks_the_promise_of_its_master() {
    let server = Server::start(&[]);
    // The default configuration: the full sync goes through a file.
    let stock = ["--repl-diskless-load", "disabled", "--replicaof", "127.0.0.1"];
    let port = server.port.to_string();
    let replica = Server::start_careless(&[&stock[..], &[&port]].concat());
    wait("the replica follows", || {
        replica.ask::<String>(&["INFO", "replication"]).contains("master_link_status:up")
    });
    let refused = RedisStore::connect(options(&server)).await.unwrap_err();
    let ConnectError::Persists(lines) = &refused else { panic!("{refused}") };
    let name = format!("127.0.0.1:{}", replica.port);
    assert!(lines.iter().any(|line| line.starts_with(&name)), "{lines:?}");
    drop(replica);
}

#[tokio::test]
async fn a_server_that_does_not_tell_is_taken_only_when_that_is_allowed() {
    let server = Server::start(&[]);
    let () = server.ask(&["ACL", "SETUSER", "default", "-config|get"]);
    let refused = RedisStore::connect(options(&server)).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Unknown(_)), "{refused}");
    let mut options = options(&server);
    options.allow_unknown_posture = true;
    let store = RedisStore::connect(options).await.unwrap();
    store.state_posture(Posture::Kept);
    assert_eq!(store.posture().await, Posture::Unknown);
    create(&store, &address(1), policy(60 * SECOND)).await;
}

#[tokio::test]
async fn a_promise_that_is_broken_makes_rooms_read_only_until_it_is_kept_again() {
    let server = Server::start_careless(&[]);
    let store = store(&server).await;
    assert_eq!(store.posture().await, Posture::Unknown);
    store.state_posture(Posture::Kept);
    assert_eq!(store.posture().await, Posture::Kept);
    let here = address(1);
    create(&store, &here, policy(60 * SECOND)).await;
    say(&store, &here, kept(60 * SECOND), &[1; 1_000]).await.unwrap();
    for (name, bad, good) in
        [("appendonly", "yes", "no"), ("maxmemory-policy", "volatile-ttl", "noeviction")]
    {
        let () = server.ask(&["CONFIG", "SET", name, bad]);
        becomes(&store, Posture::Broken).await;
        let refused = say(&store, &here, kept(60 * SECOND), &[2; 1_000]).await;
        assert_eq!(refused, Err(StoreError::ReadOnly));
        // Existing data can be read, and the room does not end meanwhile.
        assert_eq!(store.door(&here).await.unwrap().head.value(), 1);
        store.touch(&here).await.unwrap();
        let () = server.ask(&["CONFIG", "SET", name, good]);
        becomes(&store, Posture::Kept).await;
    }
    say(&store, &here, kept(60 * SECOND), &[3; 1_000]).await.unwrap();
}

#[tokio::test]
async fn a_snapshot_by_hand_is_noticed() {
    let server = Server::start_careless(&[]);
    let store = store(&server).await;
    store.state_posture(Posture::Kept);
    let here = address(1);
    create(&store, &here, policy(60 * SECOND)).await;
    let () = server.ask(&["BGSAVE"]);
    becomes(&store, Posture::Broken).await;
    let refused = say(&store, &here, kept(60 * SECOND), &[2; 1_000]).await;
    assert_eq!(refused, Err(StoreError::ReadOnly));
}

/// Restricts the server to the user that is recommended to operators.
fn restrict(server: &Server) {
    let acl = common::configuration().with_file_name("redis-user.conf");
    let acl = std::fs::read_to_string(acl).unwrap();
    let rule = acl.lines().find(|line| line.starts_with("user anocm")).unwrap();
    let words: Vec<_> = rule.split_whitespace().skip(2).collect();
    let () = server.ask(&[&["ACL", "SETUSER", "anocm"][..], &words, &[">secret"]].concat());
    let () = server.ask(&["ACL", "SETUSER", "default", "off"]);
}

/// Uses all store operations as that user.
async fn works(mut options: RedisOptions) {
    assert!(matches!(RedisStore::connect(options.clone()).await, Err(ConnectError::Refused(_))));
    options.set_credentials(Some("anocm"), "secret");
    let store = RedisStore::connect(options).await.unwrap();
    store.state_posture(Posture::Kept);
    assert_eq!(store.posture().await, Posture::Kept);
    common::rooms::everything(&store, &address(1)).await;
}

#[tokio::test]
async fn the_user_that_operators_are_given_may_do_all_that_is_needed_in_a_cluster() {
    let cluster = Cluster::start(0);
    cluster.nodes.iter().for_each(restrict);
    works(RedisOptions::new(cluster.urls()).unwrap()).await;
}

#[tokio::test]
async fn the_user_that_operators_are_given_may_do_all_that_is_needed_and_no_more() {
    let server = Server::start(&[]);
    restrict(&server);
    works(options(&server)).await;

    let client = redis::Client::open(format!("redis://anocm:secret@127.0.0.1:{}", server.port));
    let mut connection = client.unwrap().get_connection().unwrap();
    for forbidden in [
        &["SAVE"][..],
        &["BGSAVE"],
        &["BGREWRITEAOF"],
        &["CONFIG", "SET", "appendonly", "yes"],
        &["CONFIG", "REWRITE"],
        &["KEYS", "*"],
        &["MONITOR"],
        &["REPLICAOF", "10.0.0.1", "6379"],
        &["GET", "another"],
        &["FLUSHALL"],
        &["SUBSCRIBE", "another"],
        &["SHUTDOWN"],
    ] {
        let (name, arguments) = forbidden.split_first().unwrap();
        let refused = redis::cmd(name).arg(arguments).query::<()>(&mut connection);
        assert_eq!(refused.unwrap_err().code(), Some("NOPERM"), "{forbidden:?}");
    }
}

#[tokio::test]
async fn a_replica_that_joins_a_cluster_later_is_asked_too() {
    let mut cluster = Cluster::start(0);
    let store = RedisStore::connect(RedisOptions::new(cluster.urls()).unwrap()).await.unwrap();
    store.state_posture(Posture::Kept);
    assert_eq!(store.posture().await, Posture::Kept);
    let careless = ["--cluster-enabled", "yes", "--appendonly", "yes"];
    cluster.add_replica(Server::start_careless(&careless));
    becomes(&store, Posture::Broken).await;
    // A server that does not respond makes the posture unknown.
    let () = cluster.nodes[3].ask(&["CONFIG", "SET", "appendonly", "no"]);
    becomes(&store, Posture::Kept).await;
    cluster.nodes[3].pause();
    becomes(&store, Posture::Unknown).await;
    cluster.nodes[3].go_on();
    becomes(&store, Posture::Kept).await;
}

#[tokio::test]
async fn the_replica_of_a_replica_is_asked_too() {
    let server = Server::start(&[]);
    let follow = |of: &Server| {
        let replica = Server::start_careless(&["--replicaof", "127.0.0.1", &of.port.to_string()]);
        wait("the replica follows", || {
            replica.ask::<String>(&["INFO", "replication"]).contains("master_link_status:up")
        });
        replica
    };
    let replica = follow(&server);
    let store = store(&server).await;
    store.state_posture(Posture::Kept);
    assert_eq!(store.posture().await, Posture::Kept);
    let last = follow(&replica);
    let () = last.ask(&["CONFIG", "SET", "appendonly", "yes"]);
    becomes(&store, Posture::Broken).await;
    let () = last.ask(&["CONFIG", "SET", "appendonly", "no"]);
    becomes(&store, Posture::Kept).await;
    last.pause();
    becomes(&store, Posture::Unknown).await;
    last.go_on();
    becomes(&store, Posture::Kept).await;
}
