//! Real servers for tests: started on free ports with the configuration that operators are given,
//! and ended with the test.

#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "each test file uses some of it, and fails by panicking"
)]

mod front;
pub(crate) mod rooms;

use std::{
    fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

pub(crate) use front::Front;
use redis::Value;

/// How long anything may take before a test fails. Long, since machines can be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The configuration that operators are given.
pub(crate) fn configuration() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/server/deploy/redis.conf")
}

/// The server program: `ANOCM_TEST_REDIS`, or Debian's.
fn program() -> String {
    std::env::var("ANOCM_TEST_REDIS").unwrap_or_else(|_| "redis-server".to_owned())
}

/// A port that nobody has at this moment, nor the one 10,000 above, which a cluster's node takes,
/// too.
pub(crate) fn free_port() -> u16 {
    loop {
        let port =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let bus = port.checked_add(10_000);
        if bus.is_some_and(|bus| TcpListener::bind((Ipv4Addr::LOCALHOST, bus)).is_ok()) {
            return port;
        }
    }
}

/// A server that runs as long as this lives.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    options: Vec<String>,
    /// Where it would write if it did.
    pub(crate) dir: tempfile::TempDir,
    /// It is meant to write there.
    is_careless: bool,
}

impl Server {
    /// Starts one that has the hardened configuration and these options.
    pub(crate) fn start(options: &[&str]) -> Self {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Self::at(free_port(), options, tempfile::tempdir().unwrap())
    }

    /// The same for one that does what it must not, and writes.
    pub(crate) fn start_careless(options: &[&str]) -> Self {
        let mut server = Self::start(options);
        server.is_careless = true;
        server
    }

    fn at(port: u16, options: Vec<String>, dir: tempfile::TempDir) -> Self {
        let child = Command::new(program())
            .arg(configuration())
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--dir", dir.path().to_str().unwrap()])
            .args(&options)
            // As operators are told: freed memory is overwritten. The second is for servers that
            // bring their own allocator along.
            .envs([("MALLOC_CONF", "junk:free"), ("JE_MALLOC_CONF", "junk:free")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be started: {error}", program()));
        let server = Self { child, port, options, dir, is_careless: false };
        wait("the server answers", || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
                && server.try_ask(&["PING"]).is_some()
        });
        server
    }

    /// Ends it at once, and starts another in its place.
    pub(crate) fn restart(mut self) -> Self {
        self.kill();
        // A node of a cluster has its name there.
        let dir = std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap());
        Self::at(self.port, std::mem::take(&mut self.options), dir)
    }

    /// Stops it, until it is let go on: it answers nothing.
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let done = Command::new("kill").args([signal, &self.pid().to_string()]).status();
        assert!(done.unwrap().success());
    }

    /// Ends it without a warning.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn try_ask(&self, command: &[&str]) -> Option<Value> {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(5)).ok()?;
        let (name, arguments) = command.split_first().unwrap();
        redis::cmd(name).arg(arguments).query(&mut connection).ok()
    }

    /// Asks it something.
    pub(crate) fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let answer = self.try_ask(command).unwrap_or_else(|| panic!("no answer to {command:?}"));
        T::from_redis_value(answer).unwrap()
    }

    /// Whether its one replica has all that it has.
    pub(crate) fn is_replicated(&self) -> bool {
        let info: String = self.ask(&["INFO", "replication"]);
        let offset =
            info.lines().find_map(|line| line.strip_prefix("master_repl_offset:")).unwrap();
        info.contains(&format!("state=online,offset={offset},"))
    }

    /// All keys, and the milliseconds each has left to live.
    pub(crate) fn keys(&self) -> Vec<(String, i64)> {
        let keys: Vec<String> = self.ask(&["KEYS", "*"]);
        keys.into_iter()
            .map(|key| {
                let left = self.ask(&["PTTL", &key]);
                (key, left)
            })
            // Gone in between.
            .filter(|(_, left)| *left != -2)
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let left: Vec<_> = fs::read_dir(self.dir.path())
            .unwrap()
            .map(|file| file.unwrap().file_name())
            // Who is in the cluster: nothing of any room.
            .filter(|name| name != "nodes.conf")
            .collect();
        if !std::thread::panicking() && !self.is_careless {
            assert!(left.is_empty(), "on the disk: {left:?}");
        }
    }
}

/// Waits until something is so.
pub(crate) fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < PATIENCE, "not so in time: {what}");
        // Another process: nothing tells but looking again.
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Three masters, each with a part of the slots, and if wanted a replica each.
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

    /// Waits until every node that lives says that all is well.
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
