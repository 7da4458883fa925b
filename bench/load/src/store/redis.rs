//! A Redis or Valkey server, configured as for operators, and its statistics.

use std::{
    io::{self, Write},
    net::Ipv4Addr,
    path::Path,
    process::Stdio,
    time::Duration,
};

use tempfile::{NamedTempFile, TempDir};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    process::Command,
    time::{Instant, sleep, timeout},
};

use super::StoreError;
use crate::{
    process::Process,
    server::{Running, ServerError},
};

/// The configuration that operators are given.
const CONFIGURATION: &str = include_str!("../../../../examples/server/deploy/redis.conf");
/// Additional settings for newer servers.
const OF_REDIS_8: &str = include_str!("../../../../examples/server/deploy/redis-8.conf");
const OF_VALKEY_8: &str = include_str!("../../../../examples/server/deploy/valkey-8.conf");
/// Settings of the allocator that operators are given.
const ALLOCATOR: &str = "junk:free,dirty_decay_ms:0,muzzy_decay_ms:0";
/// Timeout for starting.
const START: Duration = Duration::from_secs(10);
/// Interval between connection attempts until then.
const KNOCK: Duration = Duration::from_millis(20);
/// Timeout for a reply.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server. It is killed when this is dropped.
pub(super) struct Redis {
    pub(super) process: Process,
    pub(super) port: u16,
    connection: BufReader<TcpStream>,
    _running: Running,
    _folder: TempDir,
}

/// Statistics of the server.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    /// Commands, including those inside of scripts.
    pub(super) commands: u64,
    /// Scripts, and the microseconds that they took.
    pub(super) scripts: u64,
    pub(super) script_micros: u64,
    /// Bytes received and sent.
    pub(super) received: u64,
    pub(super) sent: u64,
    /// Bytes in use from its allocator.
    pub(super) memory: u64,
    pub(super) keys: u64,
    pub(super) cpu: Duration,
}

impl Redis {
    /// Starts a server on a port that was free a moment ago.
    pub(super) async fn start(program: &Path) -> Result<Self, StoreError> {
        let any = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(StoreError::Files)?;
        let port = any.local_addr().map_err(StoreError::Files)?.port();
        drop(any);
        let folder = TempDir::new().map_err(StoreError::Files)?;
        let version = Command::new(program).arg("--version").output().await;
        let more = match version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        {
            Ok(version) if version.starts_with("Valkey") => OF_VALKEY_8,
            Ok(version) if !version.contains("v=7.") => OF_REDIS_8,
            // A server that cannot report its version will not start either.
            _ => "",
        };
        let file = write(&folder, port, more).map_err(StoreError::Files)?;
        let mut command = Command::new(program);
        command.arg(file.path()).current_dir(&folder).stdout(Stdio::null()).stderr(Stdio::null());
        for name in ["MALLOC_CONF", "JE_MALLOC_CONF"] {
            command.env(name, ALLOCATOR);
        }
        let running = Running::start_mute(program, &mut command);
        let running = running.map_err(|error| match error {
            ServerError::Missing(program) => StoreError::NoRedis(program),
            other => StoreError::Server(other),
        })?;
        let give_up = Instant::now() + START;
        let tcp = loop {
            match TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
                Ok(tcp) => break tcp,
                Err(_) if Instant::now() > give_up => return Err(StoreError::NoStart),
                Err(_) => sleep(KNOCK).await,
            }
        };
        let connection = BufReader::new(tcp);
        let process = running.process;
        Ok(Self { process, port, connection, _running: running, _folder: folder })
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Deletes everything.
    pub(super) async fn clear(&mut self) -> Result<(), StoreError> {
        self.ask("FLUSHALL SYNC").await.map(drop)
    }

    pub(super) async fn state(&mut self) -> Result<State, StoreError> {
        let keys = self.ask("DBSIZE").await?.parse().map_err(|_| StoreError::Strange)?;
        let info = self.ask("INFO everything").await?;
        let cpu = self.process.sample().map_err(crate::measure::MeasureError::from)?.cpu;
        let state = State { keys, cpu, ..State::default() };
        state.with(&info).ok_or(StoreError::Strange)
    }

    /// Sends a command whose reply is a text or a number.
    async fn ask(&mut self, question: &str) -> Result<String, StoreError> {
        let answer = timeout(PATIENCE, self.exchange(question)).await;
        answer.map_err(|_| StoreError::Mute(io::ErrorKind::TimedOut.into()))?
    }

    async fn exchange(&mut self, question: &str) -> Result<String, StoreError> {
        let question = format!("{question}\r\n");
        let written = self.connection.get_mut().write_all(question.as_bytes()).await;
        written.map_err(StoreError::Mute)?;
        let mut line = String::new();
        self.connection.read_line(&mut line).await.map_err(StoreError::Mute)?;
        let (kind, rest) = line.trim_end().split_at_checked(1).ok_or(StoreError::Strange)?;
        match kind {
            "+" | ":" => Ok(rest.to_owned()),
            "$" => {
                let length: usize = rest.parse().map_err(|_| StoreError::Strange)?;
                let mut text = vec![0; length.saturating_add(2)];
                self.connection.read_exact(&mut text).await.map_err(StoreError::Mute)?;
                String::from_utf8(text).map_err(|_| StoreError::Strange)
            }
            _ => Err(StoreError::Strange),
        }
    }
}

fn write(folder: &TempDir, port: u16, more: &str) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new_in(folder)?;
    write!(file, "{CONFIGURATION}\n{more}\nport {port}\nbind 127.0.0.1\n")?;
    file.flush()?;
    Ok(file)
}

impl State {
    /// Adds the values from `INFO`.
    fn with(self, info: &str) -> Option<Self> {
        let number = |name| line(info, name)?.parse().ok();
        // The line is missing before the first script.
        let scripts = line(info, "cmdstat_evalsha").unwrap_or("calls=0,usec=0");
        let of_scripts = |name: &str| {
            let mut parts = scripts.split(',').filter_map(|part| part.split_once('='));
            parts.find(|(known, _)| *known == name)?.1.parse().ok()
        };
        Some(Self {
            commands: number("total_commands_processed")?,
            scripts: of_scripts("calls")?,
            script_micros: of_scripts("usec")?,
            received: number("total_net_input_bytes")?,
            sent: number("total_net_output_bytes")?,
            memory: number("used_memory")?,
            ..self
        })
    }

    /// Returns the difference from `before`.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            commands: self.commands.saturating_sub(before.commands),
            scripts: self.scripts.saturating_sub(before.scripts),
            script_micros: self.script_micros.saturating_sub(before.script_micros),
            received: self.received.saturating_sub(before.received),
            sent: self.sent.saturating_sub(before.sent),
            memory: self.memory.saturating_sub(before.memory),
            keys: self.keys.saturating_sub(before.keys),
            cpu: self.cpu.saturating_sub(before.cpu),
        }
    }
}

/// Returns the value of a name in `INFO`.
fn line<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "# Memory\r\nused_memory:1200\r\nused_memory_rss:9\r\n# Stats\r\n\
        total_commands_processed:70\r\ntotal_net_input_bytes:11\r\ntotal_net_output_bytes:12\r\n";

    #[test]
    fn what_the_server_says_is_read() {
        let none = State::default().with(INFO).unwrap();
        assert_eq!((none.memory, none.commands, none.scripts), (1_200, 70, 0));
        assert_eq!((none.received, none.sent), (11, 12));
        let info = format!("{INFO}cmdstat_evalsha:calls=3,usec=44,usec_per_call=14.67\r\n");
        let some = State::default().with(&info).unwrap();
        assert_eq!((some.scripts, some.script_micros), (3, 44));
        assert_eq!((some.since(none).scripts, some.since(none).memory), (3, 0));
        assert!(State::default().with("nothing").is_none());
    }
}
