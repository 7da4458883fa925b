//! A real server for tests in any environment. It is started on a free port with the configuration
//! that is recommended to operators, and stopped with the test. It must not have written any file
//! by then.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::channel,
    time::Duration,
};

/// Timeout for the start of a server. Long, since machines can be busy.
const STARTS_WITHIN: Duration = Duration::from_secs(60);
/// The allocator options that are recommended to operators.
const ALLOCATOR: &str = "junk:free,dirty_decay_ms:0,muzzy_decay_ms:0";
/// How many ports are tried: another process may take one before the server does.
const TRIES: usize = 5;

/// Returns the path of the configuration that is recommended to operators.
pub(crate) fn configuration() -> PathBuf {
    let file = "examples/server/deploy/redis.conf";
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    folders.find(|folder| folder.join(file).exists()).unwrap().join(file)
}

/// Returns the server program: `ANOCM_TEST_REDIS`, or Debian's.
fn program() -> String {
    std::env::var("ANOCM_TEST_REDIS").unwrap_or_else(|_| "redis-server".to_owned())
}

/// Returns options that this server supports beyond the configuration for Redis 7.
fn additions() -> Vec<String> {
    let version = Command::new(program()).arg("--version").output();
    let version = version.unwrap_or_else(|error| panic!("no {}: {error}", program()));
    let version = String::from_utf8(version.stdout).unwrap();
    let file = match version.split_once(" server v=") {
        Some(("Redis", number)) if number.starts_with('7') => return Vec::new(),
        Some(("Redis", _)) => "redis-8.conf",
        Some(("Valkey", _)) => "valkey-8.conf",
        _ => panic!("{} is neither Redis nor Valkey: {version}", program()),
    };
    let file = configuration().with_file_name(file);
    vec!["--include".to_owned(), file.to_str().unwrap().to_owned()]
}

/// Returns a port that is free at this moment, as is the one 10,000 above, which a cluster node
/// uses, too.
fn free_port() -> u16 {
    loop {
        let port =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let bus = port.checked_add(10_000);
        if bus.is_some_and(|bus| TcpListener::bind((Ipv4Addr::LOCALHOST, bus)).is_ok()) {
            return port;
        }
    }
}

/// A server that runs until this is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    options: Vec<String>,
    environment: Vec<(String, String)>,
    /// The directory it would write to.
    pub(crate) dir: tempfile::TempDir,
    /// Whether it is expected to write there.
    is_careless: bool,
}

impl Server {
    /// Starts a server with the hardened configuration and these options.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_in(Vec::new(), options)
    }

    /// Like `start`, with these environment variables.
    pub(crate) fn start_in(environment: Vec<(String, String)>, options: &[&str]) -> Self {
        let mut all = additions();
        all.extend(options.iter().map(|&option| option.to_owned()));
        let options = all;
        let dir = tempfile::tempdir().unwrap();
        let mut said = Vec::new();
        for _ in 0..TRIES {
            let port = free_port();
            match run(port, &options, &environment, &dir) {
                Ok(child) => {
                    let is_careless = false;
                    return Self { child, port, options, environment, dir, is_careless };
                }
                Err(lines) => said = lines,
            }
        }
        panic!("{} does not start:\n{}", program(), said.join("\n"));
    }

    /// Like `start`, for a server that violates the requirements and writes to disk.
    pub(crate) fn start_careless(options: &[&str]) -> Self {
        let mut server = Self::start(options);
        server.is_careless = true;
        server
    }

    /// Kills it, and starts another in its place.
    pub(crate) fn restart(mut self) -> Self {
        self.kill();
        let child = run(self.port, &self.options, &self.environment, &self.dir);
        self.child = child.unwrap_or_else(|said| panic!("no restart:\n{}", said.join("\n")));
        self
    }

    /// Suspends the process until it is resumed: it does not respond.
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

    /// Kills it.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns its URL.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

/// Starts the program on this port and waits until it is ready. Returns its output if it fails.
fn run(
    port: u16,
    options: &[String],
    environment: &[(String, String)],
    dir: &tempfile::TempDir,
) -> Result<Child, Vec<String>> {
    let port = port.to_string();
    let is_secured = options.iter().any(|option| option == "--tls-cert-file");
    let ports = if is_secured {
        ["--port", "0", "--tls-port", &port]
    } else {
        ["--port", &port, "--tls-port", "0"]
    };
    let mut child = Command::new(program())
        .arg(configuration())
        .args(ports)
        .args(["--bind", "127.0.0.1"])
        .args(["--dir", dir.path().to_str().unwrap()])
        .args(options)
        // As recommended to operators: freed memory is overwritten. The second variable is for
        // servers that bundle their own allocator.
        .envs(["MALLOC_CONF", "JE_MALLOC_CONF"].map(|name| (name, ALLOCATOR)))
        .envs(environment.iter().cloned())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{} cannot be started: {error}", program()));
    let output = BufReader::new(child.stdout.take().unwrap());
    let (to, lines) = channel();
    // Read to the end, so that the server never waits for a full pipe.
    std::thread::spawn(move || {
        output.lines().map_while(Result::ok).for_each(|line| drop(to.send(line)));
    });
    let mut said = Vec::new();
    while let Ok(line) = lines.recv_timeout(STARTS_WITHIN) {
        if line.contains("Ready to accept connections") {
            return Ok(child);
        }
        said.push(line);
    }
    let _ = child.kill();
    let _ = child.wait();
    Err(said)
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let left: Vec<_> = fs::read_dir(self.dir.path())
            .unwrap()
            .map(|file| file.unwrap().file_name())
            // Lists the cluster's nodes and contains no room data.
            .filter(|name| name != "nodes.conf")
            .collect();
        if !std::thread::panicking() && !self.is_careless {
            assert!(left.is_empty(), "on the disk: {left:?}");
        }
    }
}
