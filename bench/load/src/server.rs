//! The server under measurement: one that runs already, or a child of this process.

use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anocm_core::RelayUrl;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::{args::RelayArgs, files, guest::socket::Target, process::Process};

/// Timeout for a server to start.
const START: Duration = Duration::from_secs(30);
/// What a server prints before its URL or address.
const ANNOUNCES: &str = "listening on ";

/// Options of `anocm-server` that raise its limits, so that these are not what is measured. To be
/// kept in sync with its options.
const WIDE: &[&str] = &[
    "--max-rooms=1000000",
    "--max-memory=64GiB",
    "--max-rooms-per-connection=1000000",
    "--requests-per-second=10000000",
    "--bytes-per-second=64GiB",
    "--creations-per-minute=1000000",
    "--joins-per-minute=1000000",
    "--queue=64MiB",
    "--room-entries-per-second=10000000",
    "--room-bytes-per-second=64GiB",
    "--room-joins-per-minute=10000000",
    "--admissions-per-second=10000000",
    "--max-difficulty=0",
    "--max-room-entries=100000000",
    "--max-room-memory=16GiB",
    // Guests that share a machine with the relay may be slow, and must not be timed out.
    "--header-within=5m",
    "--hello-within=5m",
    "--epoch-grace=10m",
    "--write-timeout=5m",
    "--idle=1h",
    "--dead-after=10m",
    "--log=error",
];

/// Why there is no server to measure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error(
        "{} is missing: build it with 'cargo build --profile dist -p anocm-server', or name one with \
         --server", .0.display()
    )]
    Missing(PathBuf),
    #[error("cannot start {}: {source}", program.display())]
    Start { program: PathBuf, source: io::Error },
    #[error("{} ended, or did not say in time where it listens", .0.display())]
    Mute(PathBuf),
    #[error("guests without cryptography speak plain http only: name the relay behind its proxy")]
    Secure,
    #[error("that is known only of a process: name the relay's with --pid")]
    NoProcess,
    #[error(transparent)]
    Files(#[from] files::FilesError),
}

/// A relay.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) url: RelayUrl,
    /// Its process, if known.
    pub(crate) process: Option<Process>,
    /// Whether it was started here, with raised limits.
    pub(crate) own: bool,
    _running: Option<Running>,
}

/// A child process that listens. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) process: Process,
    /// What it printed after "listening on".
    pub(crate) place: String,
    _child: Child,
    /// Kept open, so that the child's writes do not fail.
    _stdout: Option<ChildStdout>,
}

impl Relay {
    /// Returns the relay given on the command line, or starts one for this many connections.
    pub(crate) async fn find(args: &RelayArgs, connections: u32) -> Result<Self, ServerError> {
        files::raise(connections)?;
        if let Some(url) = &args.relay {
            let process = args.pid.map(Process::new);
            return Ok(Self { url: url.clone(), process, own: false, _running: None });
        }
        Self::wide(args.server.as_deref(), connections, None).await
    }

    /// Starts a relay with raised limits, whose rooms are in this store or in its own memory.
    pub(crate) async fn wide(
        server: Option<&Path>,
        connections: u32,
        store: Option<&str>,
    ) -> Result<Self, ServerError> {
        files::raise(connections)?;
        // Some spare ones, since new connections may arrive before old ones are closed.
        let most = connections.saturating_add(64).clamp(1, 1_000_000);
        let mut more = vec![format!("--max-connections={most}")];
        more.extend(store.map(|url| format!("--store={url}")));
        let more = more.iter().map(String::as_str);
        Self::start(server, &WIDE.iter().copied().chain(more).collect::<Vec<_>>(), true).await
    }

    /// Starts a relay with default limits, except for these options.
    pub(crate) async fn as_operated(
        server: Option<&Path>,
        options: &[String],
    ) -> Result<Self, ServerError> {
        let options = options.iter().map(String::as_str);
        let options: Vec<_> = ["--log=error"].into_iter().chain(options).collect();
        Self::start(server, &options, false).await
    }

    async fn start(
        server: Option<&Path>,
        options: &[&str],
        own: bool,
    ) -> Result<Self, ServerError> {
        let program = match server {
            Some(program) => program.to_owned(),
            None => beside("anocm-server")?,
        };
        let mut command = Command::new(&program);
        command.arg("--listen=127.0.0.1:0").args(options);
        let running = Running::start(&program, command.env_clear()).await?;
        let url = RelayUrl::parse(&running.place).map_err(|_| ServerError::Mute(program))?;
        Ok(Self { url, process: Some(running.process), own, _running: Some(running) })
    }

    /// Returns its process, for measurements that need it.
    pub(crate) fn watched(&self) -> Result<Process, ServerError> {
        self.process.ok_or(ServerError::NoProcess)
    }

    /// Returns where guests without cryptography connect.
    pub(crate) fn target(&self) -> Result<Target, ServerError> {
        target(&self.url)
    }
}

/// Returns where guests without cryptography connect to a relay.
pub(crate) fn target(url: &RelayUrl) -> Result<Target, ServerError> {
    if url.scheme_is_secure() {
        return Err(ServerError::Secure);
    }
    Ok(Target {
        host: url.host().trim_matches(['[', ']']).to_owned(),
        port: url.port(),
        path: format!("{}ws", url.path()),
        protocol: None,
        receive_buffer: None,
    })
}

impl Running {
    /// Starts a program that prints where it listens.
    pub(crate) async fn start(program: &Path, command: &mut Command) -> Result<Self, ServerError> {
        let mut running = Self::start_mute(program, command.stdout(Stdio::piped()))?;
        let mute = || ServerError::Mute(program.to_owned());
        let mut lines = BufReader::new(running._child.stdout.take().ok_or_else(mute)?);
        let mut line = String::new();
        let read = timeout(START, lines.read_line(&mut line)).await;
        read.map_err(|_| mute())?.map_err(|_| mute())?;
        let place = line.strip_prefix(ANNOUNCES).ok_or_else(mute)?;
        place.trim_end().clone_into(&mut running.place);
        running._stdout = Some(lines.into_inner());
        Ok(running)
    }

    /// Starts a program that prints nothing.
    pub(crate) fn start_mute(program: &Path, command: &mut Command) -> Result<Self, ServerError> {
        let child = command.stdin(Stdio::null()).kill_on_drop(true).spawn();
        let child = child.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ServerError::Missing(program.to_owned()),
            _ => ServerError::Start { program: program.to_owned(), source },
        })?;
        let pid = child.id().ok_or_else(|| ServerError::Mute(program.to_owned()))?;
        Ok(Self { process: Process::new(pid), place: String::new(), _child: child, _stdout: None })
    }
}

/// Returns the program of this name in the directory of this one, where cargo builds them all.
fn beside(name: &str) -> Result<PathBuf, ServerError> {
    let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let this = std::env::current_exe()
        .map_err(|source| ServerError::Start { program: name.clone().into(), source })?;
    let program = this.with_file_name(name);
    if program.exists() { Ok(program) } else { Err(ServerError::Missing(program)) }
}
