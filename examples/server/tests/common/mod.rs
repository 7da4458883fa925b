//! Starts and stops the real program.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "each test file uses some of it, and fails by panicking"
)]

#[path = "../../../../anocm-redis/tests/common/server.rs"]
pub(crate) mod redis;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

/// Timeout: nothing here takes as long; a test that would hang fails instead.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// A running server. Killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    pub(crate) address: SocketAddr,
}

/// Returns a command for the program with an empty environment.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_anocm-server"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    program(arguments).output().unwrap()
}

impl Server {
    /// Starts a server on a port of its own.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_by(program(arguments).args(["--listen", "127.0.0.1:0"]))
    }

    pub(crate) fn start_by(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url =
            line.strip_prefix("listening on ").expect("no announcement").trim_end().to_owned();
        let address = url.split('/').nth(2).unwrap().parse().unwrap();
        Self { child, url, address }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let tcp = TcpStream::connect(self.address).unwrap();
        tcp.set_read_timeout(Some(LONG)).unwrap();
        tcp
    }

    /// Returns the head of the response to `request`, in lower case, and the body.
    pub(crate) fn ask(&self, request: &str) -> (String, String) {
        let mut tcp = self.connect();
        tcp.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_ascii_lowercase(), body.to_owned())
    }

    pub(crate) fn get(&self, path: &str) -> (String, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Reads standard error up to the end of a line that contains `word`.
    pub(crate) fn errors_until(&mut self, word: &str) -> String {
        let mut errors = String::new();
        let mut byte = [0];
        let stderr = self.child.stderr.as_mut().unwrap();
        // Byte by byte, so that nothing is consumed that a later call would read.
        while !(errors.ends_with('\n') && errors.contains(word)) {
            assert!(stderr.read(&mut byte).unwrap() == 1, "it ended without {word}: {errors}");
            errors.push(byte[0].into());
        }
        errors
    }

    /// Returns how many files it has open.
    #[cfg(target_os = "linux")]
    pub(crate) fn files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// Waits for the end. Returns the exit code and the rest of standard error.
    pub(crate) fn wait(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        let mut errors = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut errors).unwrap();
        (status.code(), errors)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
