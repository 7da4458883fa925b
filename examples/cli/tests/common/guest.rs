//! `anocm` with pipes.

use std::{
    io::Write as _,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
};

#[cfg(target_os = "linux")]
use anocm_guard::testing::Trace;

use super::{Server, output::Output};

/// A running `anocm`. Ended with the test that started it.
pub(crate) struct Anocm {
    child: Child,
    input: Option<ChildStdin>,
    output: Output,
    /// Relays that run for the room that it opened.
    relays: Option<Server>,
}

impl Anocm {
    /// Starts it with these arguments, and none of the environment's defaults.
    pub(crate) fn start(words: &[&str]) -> Self {
        Self::start_with(words, &[])
    }

    /// The same with these environment variables.
    pub(crate) fn start_with(words: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::run(Command::new(env!("CARGO_BIN_EXE_anocm")).args(words), environment)
    }

    /// The same with its system calls traced.
    #[cfg(target_os = "linux")]
    pub(crate) fn start_watched(words: &[&str], trace: &Trace) -> Self {
        let (watcher, before) = trace.watcher();
        let mut command = Command::new(watcher);
        Self::run(command.args(before).arg(env!("CARGO_BIN_EXE_anocm")).args(words), &[])
    }

    fn run(command: &mut Command, environment: &[(&str, &str)]) -> Self {
        let mut child = command
            .env_remove("ANOCM_RELAY")
            .env_remove("ANOCM_NICK")
            .env_remove("ANOCM_SOCKS5")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = Output::of(&mut child);
        let input = child.stdin.take();
        Self { child, input, output, relays: None }
    }

    /// Opens a room and returns its link. Without `--relay` the room is in its own process, or at
    /// two relays where tests use two.
    pub(crate) fn open(words: &[&str]) -> (Self, String) {
        let relays = Server::instead_of_own(words);
        let at = relays.as_ref().map_or(vec![], |relays| vec!["--relay", &relays.url]);
        let words = [&["new", "--plain", "--nick", "Alice"], words, &at].concat();
        let mut alice = Self::start(&words);
        alice.relays = relays;
        let link = alice.wait("room: ").split_once(": ").unwrap().1.to_owned();
        alice.wait("connection: online");
        (alice, link)
    }

    /// Joins by a link and waits until it has entered.
    pub(crate) fn join(link: &str, words: &[&str]) -> Self {
        let mut guest = Self::start(&[&["join", "-"], words].concat());
        guest.say(link);
        guest.wait("connection: online");
        guest
    }

    /// Types a line.
    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Returns the next line that contains `part`.
    pub(crate) fn wait(&mut self, part: &str) -> String {
        self.up_to(part).pop().unwrap()
    }

    /// Returns all lines up to the next one that contains `part`, which is the last.
    pub(crate) fn up_to(&mut self, part: &str) -> Vec<String> {
        self.output.up_to(part)
    }

    /// Returns all lines that were read so far.
    pub(crate) fn seen(&self) -> &[String] {
        &self.output.seen
    }

    /// Returns everything on standard error so far.
    pub(crate) fn errors(&self) -> String {
        self.output.errors()
    }

    /// Returns its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the input.
    pub(crate) fn close(&mut self) {
        drop(self.input.take());
    }

    /// Ends the input and waits for the end.
    pub(crate) fn finish(&mut self) -> ExitStatus {
        self.close();
        self.end()
    }

    /// Waits for the end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        self.output.rest();
        self.child.wait().unwrap()
    }

    /// Ends it without a chance to send anything: `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.end();
    }
}

impl Drop for Anocm {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
