//! A relay for anocm rooms, reached through WebSockets.

#![forbid(unsafe_code)]

mod args;
mod certificate;
mod doctor;
mod http;
mod metrics;
mod redis;
mod running;
mod tls;
mod units;

use std::{
    error::Error,
    io::{self, Write},
    net::SocketAddr,
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anocm_core::{
    ContinuousClock, SettingError, TokioClock,
    relay::{Relay, RelayConfig},
    store::{MemoryStore, Store},
    wire::Posture,
};
use anocm_guard::signals::Signals;
use anocm_ws::server::{ServeError, Server, relay_router};
use args::{Args, LogLevel, Task};
use running::Running;
use tls::Certificates;
use tracing_subscriber::{
    Layer as _, filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// Why the server cannot run.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot start")]
    Start(#[source] io::Error),
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error("cannot keep rooms there")]
    Store(#[from] args::StoreFailure),
    #[error(transparent)]
    Stopped(#[from] ServeError),
}

fn main() -> ExitCode {
    let args = Args::read();
    let report = anocm_guard::harden();
    if let Some(Task::Doctor { tls_cert }) = &args.task {
        return doctor::run(&report, tls_cert.as_deref());
    }
    log(args.log);
    if let Some(warning) = report.warning() {
        tracing::warn!("{warning}: see anocm-server doctor");
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::Start);
    match runtime.and_then(|runtime| runtime.block_on(run(args, report.posture()))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "anocm-server: {}", in_one_line(&failure));
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args, posture: Posture) -> Result<(), Failure> {
    raise_file_limit(args.connections().max_connections);
    let certificates = certificates(&args)?;
    let tls = certificates.as_ref().map(Certificates::acceptor).transpose()?;
    let mut config = args.relay();
    config.check()?;
    let rooms_end = args.keeps_rooms();
    let store = store(&args, posture, &mut config).await?;
    let relay = Relay::new(store, Arc::new(TokioClock::new()), config)?;
    let web_socket = relay_router(&relay, args.web_socket());
    let site = http::site(web_socket, Arc::downgrade(&relay));
    // Before the port is announced, so that a reader of that line may send a signal.
    let mut signals = Signals::listen().map_err(Failure::Start)?;
    let numbers = Arc::downgrade(&relay);
    let server = listen(&args, relay, tls.is_some()).await?;
    let metrics = match args.listening.metrics {
        Some(address) => {
            let listener = metrics::bind(address).await?;
            Some(tokio::spawn(metrics::serve(listener, numbers)))
        }
        None => None,
    };
    let serving = match tls {
        None => server.serve(site),
        Some(tls) => server.serve_wrapped(move |tcp| tls.accept(tcp), site),
    };
    let kept = if rooms_end { "in this process" } else { "in Redis" };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "started: rooms are kept {kept}");
    let shutdown_within = args.shutdown_within();
    Running { serving, certificates, metrics, rooms_end, shutdown_within }
        .until_told(&mut signals)
        .await
}

/// Reads the certificates of the arguments, if there are any.
fn certificates(args: &Args) -> Result<Option<Certificates>, Failure> {
    let (Some(chain), Some(key)) = (&args.listening.tls_cert, &args.listening.tls_key) else {
        return Ok(None);
    };
    let certificates = Certificates::read(chain, key)?;
    if let Some(concern) = certificate::concern(chain, now()) {
        tracing::warn!("{concern}");
    }
    Ok(Some(certificates))
}

/// Returns what keeps the rooms. Adapts `config` to it.
async fn store(
    args: &Args,
    posture: Posture,
    config: &mut RelayConfig,
) -> Result<Arc<dyn Store>, Failure> {
    if let Some(options) = args.redis()? {
        let store = redis::connect(options).await.map_err(args::StoreFailure::from)?;
        store.state_posture(posture);
        // Other clients of the store can break its promise at any time, and querying it is cheap.
        config.posture_interval = Duration::from_secs(1);
        return Ok(store);
    }
    // The clock counts suspend time: kept entries also age while the machine sleeps.
    let store = MemoryStore::new(Arc::new(ContinuousClock::new()), args.memory())?;
    store.state_posture(posture);
    Ok(store)
}

#[expect(clippy::disallowed_methods, reason = "certificates go by the calendar")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// Binds the port and prints the URL.
async fn listen(args: &Args, relay: Arc<Relay>, secure: bool) -> Result<Server, Failure> {
    let address = args.listening.listen;
    let server = Server::bind(address, relay, args.connections()).await;
    let server = server.map_err(|source| Failure::Listen { address, source })?;
    let address = server.local_addr();
    if !secure && !address.ip().is_loopback() {
        tracing::warn!("listening without TLS: put a proxy in front that does TLS");
    }
    let scheme = if secure { "https" } else { "http" };
    let mut out = io::stdout();
    // Standard output may be closed; that is no reason not to serve.
    let _ = writeln!(out, "listening on {scheme}://{address}/").and_then(|()| out.flush());
    Ok(server)
}

/// Logs only this project's crates: others log addresses and, at finer levels, contents.
fn log(level: LogLevel) {
    let crates = ["anocm_core", "anocm_redis", "anocm_ws", "anocm_server"];
    let ours = Targets::new().with_targets(crates.map(|name| (name, level.filter())));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        // Otherwise a line that cannot be written (full disk, broken pipe) is reported with
        // `eprintln!`, which then panics in the task that logs.
        .log_internal_errors(false);
    tracing_subscriber::registry().with(lines.with_filter(ours)).init();
}

/// Open files besides those of connections: the runtime's, listeners, a store's.
#[cfg(unix)]
const OTHER_FILES: u64 = 128;

/// Raises the limit of open files: with one per connection, the usual soft limit of 1,024 is soon
/// exceeded.
#[cfg(unix)]
fn raise_file_limit(max_connections: u32) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    let raised = setrlimit(Resource::Nofile, limit);
    // `None` means no limit.
    let files = if raised.is_ok() { limit.maximum } else { before };
    let needed = u64::from(max_connections).saturating_add(OTHER_FILES);
    if let Some(files) = files.filter(|files| *files < needed) {
        tracing::warn!(
            "the limit of open files is {files}, which is too low for --max-connections \
             {max_connections}: connections will wait. Raise it to {needed} (ulimit -Hn, \
             LimitNOFILE=), or lower --max-connections"
        );
    }
}

#[cfg(not(unix))]
fn raise_file_limit(_: u32) {}

/// Returns an error and its causes.
fn in_one_line(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}
