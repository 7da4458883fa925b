//! `anocm-server`, which cargo builds beside `anocm`: one, or with `ANOCM_TEST_RELAYS=two` two that
//! keep their rooms in one Redis.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::OnceLock,
};

#[cfg(target_os = "linux")]
use anocm_guard::testing::Trace;

use super::{Redis, Wire, output::Output};

const ANY_PORT: &str = "127.0.0.1:0";

/// Whether tests use two relays where they would use one.
pub(crate) fn are_two() -> bool {
    match std::env::var("ANOCM_TEST_RELAYS") {
        Ok(number) if number == "two" => true,
        Ok(other) => panic!("ANOCM_TEST_RELAYS can be \"two\", and not {other:?}"),
        Err(_) => false,
    }
}

/// Whether a test must be skipped because it is meaningless with two relays; prints why.
pub(crate) fn is_not_for_two(why: &str) -> bool {
    let is_skipped = are_two();
    if is_skipped {
        // Not by a macro, whose output is captured when the test succeeds.
        let test = std::thread::current();
        let line = format!("skipped with two relays: {}: {why}\n", test.name().unwrap_or_default());
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    is_skipped
}

/// A relay, or several behind one address. Ended with the test that started it.
pub(crate) struct Server {
    relays: Vec<Relay>,
    /// Proxy in front of several relays: each connection goes to the next one.
    front: Option<Wire>,
    store: Option<Redis>,
    /// The address for guests.
    pub(crate) url: String,
}

impl Server {
    /// Starts on a free port.
    pub(crate) fn start(words: &[&str]) -> Self {
        Self::start_at(ANY_PORT, words)
    }

    /// Starts at this address.
    pub(crate) fn start_at(address: &str, words: &[&str]) -> Self {
        let store = are_two().then(|| Redis::start(&[]));
        Self::run(store, address, words, &mut || Command::new(program()))
    }

    /// Starts two relays, whatever tests use otherwise.
    pub(crate) fn start_two(words: &[&str]) -> Self {
        Self::start_over(Redis::start(&[]), words)
    }

    /// The same over a Redis of the test.
    pub(crate) fn start_over(store: Redis, words: &[&str]) -> Self {
        Self::run(Some(store), ANY_PORT, words, &mut || Command::new(program()))
    }

    /// Starts with the system calls of each relay traced.
    #[cfg(target_os = "linux")]
    pub(crate) fn start_watched(words: &[&str]) -> (Self, Vec<Trace>) {
        let mut traces = Vec::new();
        let store = are_two().then(|| Redis::start(&[]));
        let server = Self::run(store, ANY_PORT, words, &mut || {
            let trace = Trace::start();
            let (watcher, before) = trace.watcher();
            traces.push(trace);
            let mut command = Command::new(watcher);
            command.args(before).arg(program());
            command
        });
        (server, traces)
    }

    /// Starts relays for a guest that would open a room in its own process with these arguments, if
    /// tests use two relays.
    pub(crate) fn instead_of_own(words: &[&str]) -> Option<Self> {
        (are_two() && !words.contains(&"--relay")).then(|| Self::start(&[]))
    }

    /// Starts one relay, or two over a store.
    fn run(
        store: Option<Redis>,
        address: &str,
        words: &[&str],
        command: &mut dyn FnMut() -> Command,
    ) -> Self {
        let Some(store) = store else {
            let relay = Relay::run(&mut command(), address, words);
            let url = relay.url.clone();
            return Self { relays: vec![relay], front: None, store: None, url };
        };
        let at = store.url();
        let words = [&["--store", &at], words].concat();
        let relays = [(); 2].map(|()| Relay::run(&mut command(), ANY_PORT, &words));
        let front = Wire::between(address, relays.iter().map(Relay::address).collect());
        let scheme = relays[0].url.split_once("://").unwrap().0;
        let url = format!("{scheme}://{}/", front.address());
        Self { relays: relays.into(), front: Some(front), store: Some(store), url }
    }

    /// Returns host and port.
    pub(crate) fn address(&self) -> String {
        address(&self.url)
    }

    /// Sends a signal to every relay.
    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        self.relays.iter().for_each(|relay| super::signal(relay.child.id(), signal));
    }

    /// Kills everything (`kill -9`). The same address is then free again.
    pub(crate) fn kill(self) -> String {
        let address = self.address();
        drop(self);
        address
    }

    /// Stops every relay (SIGSTOP), and waits until it is stopped.
    #[cfg(unix)]
    pub(crate) fn freeze(&self) {
        use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};

        self.signal(Signal::STOP);
        for relay in &self.relays {
            let pid = Pid::from_raw(relay.child.id().try_into().unwrap()).unwrap();
            let stopped = WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT;
            assert!(waitid(WaitId::Pid(pid), stopped).unwrap().is_some());
        }
    }

    /// Waits for the end of each relay; returns all output since it was started.
    pub(crate) fn end(&mut self) -> Vec<(ExitStatus, String)> {
        self.relays.iter_mut().map(Relay::end).collect()
    }

    /// Ends one of several relays and waits for that. Guests reconnect to the others.
    #[cfg(unix)]
    pub(crate) fn end_relay(&mut self, number: usize) -> ExitStatus {
        let relay = self.relays.get_mut(number).unwrap();
        super::signal(relay.child.id(), rustix::process::Signal::TERM);
        relay.end().0
    }

    /// Kills one of several relays (`kill -9`). Guests reconnect to the others.
    pub(crate) fn kill_relay(&mut self, number: usize) {
        self.relays.get_mut(number).unwrap().kill();
    }

    /// Returns the Redis in which several relays keep their rooms.
    pub(crate) fn store(&mut self) -> &mut Redis {
        self.store.as_mut().unwrap()
    }

    /// Kills the store, if it has not ended yet, and starts an empty one in its place.
    pub(crate) fn restart_store(&mut self) {
        self.store = self.store.take().map(Redis::restart);
    }

    /// Restarts one of several relays.
    pub(crate) fn start_relay(&mut self, number: usize) {
        let (relay, store) = (self.relays.get_mut(number).unwrap(), self.store.as_ref().unwrap());
        let words = ["--store", &store.url()];
        *relay = Relay::run(&mut Command::new(program()), &relay.address(), &words);
    }
}

/// One process.
struct Relay {
    child: Child,
    output: Output,
    url: String,
}

impl Relay {
    fn run(command: &mut Command, address: &str, words: &[&str]) -> Self {
        let mut child = command
            .args(["--listen", address])
            .args(words)
            .env_clear()
            // The program's log filter must not depend on this.
            .env("RUST_LOG", "trace")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = Output::of(&mut child);
        let line = output.up_to("listening on ").pop().unwrap();
        output.seen.clear();
        let url = line.trim_start_matches("listening on ").to_owned();
        Self { child, output, url }
    }

    fn address(&self) -> String {
        address(&self.url)
    }

    fn end(&mut self) -> (ExitStatus, String) {
        self.output.rest();
        let written = format!("{}\n{}", self.output.seen.join("\n"), self.output.errors());
        (self.child.wait().unwrap(), written)
    }

    fn kill(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Redis {
    /// Sends a command and returns the reply in wire format.
    fn ask(&self, command: &str) -> String {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(connection, "{command}\r\nQUIT\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Changes a setting.
    pub(crate) fn set(&self, name: &str, value: &str) {
        let answer = self.ask(&format!("CONFIG SET {name} {value}"));
        assert!(answer.starts_with("+OK"), "{answer}");
    }

    /// Returns how many bytes of memory it uses.
    pub(crate) fn used_memory(&self) -> u64 {
        let answer = self.ask("INFO memory");
        let used = answer.lines().find_map(|line| line.strip_prefix("used_memory:"));
        used.unwrap().parse().unwrap()
    }
}

/// Returns host and port.
fn address(url: &str) -> String {
    url.split('/').nth(2).unwrap().to_owned()
}

/// Returns the path beside `anocm`, where `cargo build --workspace --bins` puts it. Cargo cannot
/// depend on another package's program, so it is built here, once, when this package is tested
/// alone.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let name = format!("anocm-server{}", std::env::consts::EXE_SUFFIX);
        let program = Path::new(env!("CARGO_BIN_EXE_anocm")).with_file_name(name);
        if !program.exists() {
            build(&program);
        }
        program
    })
}

fn build(program: &Path) {
    let folder = program.parent().unwrap();
    let profile = match folder.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        other => other,
    };
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/Cargo.toml");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--bin", "anocm-server", "--profile", profile, "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(folder.parent().unwrap())
        .status();
    assert!(
        built.is_ok_and(|status| status.success()) && program.exists(),
        "{} is missing: run `cargo build --workspace --bins` first",
        program.display()
    );
}
