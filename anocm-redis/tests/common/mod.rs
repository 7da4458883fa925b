//! Real servers for tests, single ones and clusters, and access to their contents.

#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "each test file uses some of it, and fails by panicking"
)]

mod clock;
mod front;
mod log;
pub(crate) mod rooms;
pub(crate) mod scripts;
mod server;

use std::time::{Duration, Instant};

pub(crate) use clock::WallClock;
pub(crate) use front::Front;
pub(crate) use log::Log;
use redis::Value;
pub(crate) use server::{Server, configuration};

/// Timeout after which a test fails. Long, since machines can be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

impl Server {
    fn connect(&self) -> Option<redis::Connection> {
        let client = redis::Client::open(self.url()).unwrap();
        client.get_connection_with_timeout(Duration::from_secs(5)).ok()
    }

    fn try_ask(&self, command: &[&str]) -> Option<Value> {
        let mut connection = self.connect()?;
        let (name, arguments) = command.split_first().unwrap();
        redis::cmd(name).arg(arguments).query(&mut connection).ok()
    }

    /// Returns a connection to the server, which is there. On a busy machine that may take a while.
    fn connection(&self) -> redis::Connection {
        let mut connection = None;
        wait("a connection to the server", || {
            connection = self.connect();
            connection.is_some()
        });
        connection.unwrap()
    }

    /// Runs a command on the server.
    pub(crate) fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let (name, arguments) = command.split_first().unwrap();
        let answer = redis::cmd(name).arg(arguments).query(&mut self.connection());
        answer.unwrap_or_else(|error| panic!("no answer to {command:?}: {error}"))
    }

    /// Returns whether its only replica is fully up to date.
    pub(crate) fn is_replicated(&self) -> bool {
        let info: String = self.ask(&["INFO", "replication"]);
        let offset =
            info.lines().find_map(|line| line.strip_prefix("master_repl_offset:")).unwrap();
        info.contains(&format!("state=online,offset={offset},"))
    }

    /// Returns all keys of rooms, and of lists of rooms.
    pub(crate) fn keys_of_rooms(&self) -> Vec<String> {
        let keys = self.keys().into_iter().map(|(key, _)| key);
        // Without the keys that mark a scrub in progress and that hold the clock offset.
        keys.filter(|key| ![":wash", ":t"].iter().any(|end| key.ends_with(end))).collect()
    }

    /// Returns all keys, and the milliseconds each has left to live.
    pub(crate) fn keys(&self) -> Vec<(String, i64)> {
        let keys: Vec<String> = self.ask(&["KEYS", "*"]);
        // Uses one connection: one for each key would exhaust the ports when called often.
        let mut lives = redis::pipe();
        for key in &keys {
            lives.cmd("PTTL").arg(key);
        }
        let lives: Vec<i64> = match keys.is_empty() {
            true => Vec::new(),
            false => lives.query(&mut self.connection()).unwrap(),
        };
        let mut keys: Vec<_> = keys.into_iter().zip(lives).collect();
        // Expired in between.
        keys.retain(|(_, left)| *left != -2);
        keys
    }
}

/// Waits until a condition is true.
pub(crate) fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < PATIENCE, "not so in time: {what}");
        // The state is that of another process, so it has to be polled.
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Three masters, each with a part of the slots, and optionally a replica each.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Server>,
}

impl Cluster {
    pub(crate) fn start(replicas: usize) -> Self {
        let options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
        let nodes: Vec<_> = (0..3 + 3 * replicas).map(|_| Server::start(&options)).collect();
        let cluster = Self { nodes };
        let (masters, others) = cluster.nodes.split_at(3);
        for (node, (first, last)) in
            masters.iter().zip([(0, 5_460), (5_461, 10_922), (10_923, 16_383)])
        {
            let () = node.ask(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
        }
        let (first, rest) = cluster.nodes.split_first().unwrap();
        for node in rest {
            let () = node.ask(&["CLUSTER", "MEET", "127.0.0.1", &first.port.to_string()]);
        }
        let knows_all = |node: &Server| {
            let nodes: String = node.ask(&["CLUSTER", "NODES"]);
            nodes.lines().count() == cluster.nodes.len() && !nodes.contains("handshake")
        };
        wait("all nodes know each other", || cluster.nodes.iter().all(knows_all));
        for (replica, master) in others.iter().zip(masters.iter().cycle()) {
            let id: String = master.ask(&["CLUSTER", "MYID"]);
            wait("a replica follows", || replica.try_ask(&["CLUSTER", "REPLICATE", &id]).is_some());
        }
        cluster.settle();
        cluster
    }

    /// Adds a node as a replica of the first one.
    pub(crate) fn add_replica(&mut self, node: Server) {
        let first = self.nodes.first().unwrap();
        let () = node.ask(&["CLUSTER", "MEET", "127.0.0.1", &first.port.to_string()]);
        let id: String = first.ask(&["CLUSTER", "MYID"]);
        wait("a replica follows", || node.try_ask(&["CLUSTER", "REPLICATE", &id]).is_some());
        self.nodes.push(node);
    }

    /// Waits until every running node reports a healthy cluster.
    pub(crate) fn settle(&self) {
        let is_well = |node: &Server| {
            let info: Option<Value> = node.try_ask(&["CLUSTER", "INFO"]);
            info.is_none_or(|info| {
                String::from_redis_value(info).unwrap().contains("cluster_state:ok")
            })
        };
        use redis::FromRedisValue as _;
        wait("the cluster is well", || self.nodes.iter().all(is_well));
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Server::url).collect()
    }
}
