//! A relay for anocm rooms, reached through WebSockets.

#![forbid(unsafe_code)]

mod args;
mod certificate;
mod doctor;
mod http;
mod metrics;
mod redis;
mod running;
mod signals;
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
    relay::Relay,
    store::{MemoryStore, Store},
    wire::Posture,
};
use anocm_ws::server::{Listener, router};
use args::{Args, LogLevel, Task};
use axum::Router;
use running::Running;
use signals::Signals;
use tls::Certificates;
use tokio::{sync::oneshot, task::JoinHandle};
use tokio_rustls::TlsAcceptor;
use tracing_subscriber::EnvFilter;

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
    #[error("what {0} has stopped")]
    Stopped(&'static str),
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
    let certificates = match (&args.listening.tls_cert, &args.listening.tls_key) {
        (Some(chain), Some(key)) => {
            let certificates = Certificates::read(chain, key)?;
            if let Some(concern) = certificate::concern(chain, now()) {
                tracing::warn!("{concern}");
            }
            Some(certificates)
        }
        _ => None,
    };
    let tls = certificates.as_ref().map(Certificates::acceptor).transpose()?;
    let clock = Arc::new(TokioClock::new());
    let mut config = args.relay();
    config.check()?;
    let redis = args.redis()?;
    let rooms_end = redis.is_none();
    let store: Arc<dyn Store> = if let Some(options) = redis {
        let store = redis::connect(options).await.map_err(args::StoreFailure::from)?;
        store.state_posture(posture);
        // Other clients of the store can break its promise at any time, and querying it is cheap.
        config.posture_interval = Duration::from_secs(1);
        store
    } else {
        // The clock counts suspend time: kept entries also age while the machine sleeps.
        let store = MemoryStore::new(Arc::new(ContinuousClock::new()), args.memory())?;
        store.state_posture(posture);
        store
    };
    let relay = Relay::new(store, clock, config)?;
    let site = http::site(web_socket(&relay, &args), Arc::downgrade(&relay));
    // Before the port is announced, so that a reader of that line may send a signal.
    let mut signals = Signals::listen().map_err(Failure::Start)?;
    let listener = listen(&args, tls.is_some()).await?;
    let metrics = match args.listening.metrics {
        Some(address) => {
            let numbers = metrics::bind(address).await?;
            Some(tokio::spawn(metrics::serve(numbers, Arc::downgrade(&relay))))
        }
        None => None,
    };
    let (stop, stopped) = oneshot::channel();
    let listener = serve(listener, site, tls, stopped);
    let kept = if rooms_end { "in this process" } else { "in Redis" };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "started: rooms are kept {kept}");
    let shutdown_within = args.shutdown_within();
    Running { relay, listener, stop, certificates, metrics, rooms_end, shutdown_within }
        .until_told(&mut signals)
        .await
}

#[expect(clippy::disallowed_methods, reason = "certificates go by the calendar")]
fn now() -> SystemTime {
    SystemTime::now()
}

fn web_socket(relay: &Arc<Relay>, args: &Args) -> Router {
    let relay = Arc::clone(relay);
    let accept = move |link| {
        let relay = Arc::clone(&relay);
        async move { relay.serve(link).await }
    };
    router(accept, args.web_socket())
}

/// Serves until the other end of `stopped` is dropped.
fn serve(
    listener: Listener,
    site: Router,
    tls: Option<TlsAcceptor>,
    stopped: oneshot::Receiver<()>,
) -> JoinHandle<()> {
    let stop = async { drop(stopped.await) };
    match tls {
        None => tokio::spawn(listener.serve(site, stop)),
        Some(tls) => tokio::spawn(listener.serve_wrapped(move |tcp| tls.accept(tcp), site, stop)),
    }
}

/// Binds the port and prints the URL.
async fn listen(args: &Args, secure: bool) -> Result<Listener, Failure> {
    let fail = |source| Failure::Listen { address: args.listening.listen, source };
    let listener = Listener::bind(args.listening.listen, args.connections()).await.map_err(fail)?;
    let address = listener.address().map_err(fail)?;
    if !secure && !address.ip().is_loopback() {
        tracing::warn!("listening without TLS: put a proxy in front that does TLS");
    }
    let scheme = if secure { "https" } else { "http" };
    let mut out = io::stdout();
    // Standard output may be closed; that is no reason not to serve.
    let _ = writeln!(out, "listening on {scheme}://{address}/").and_then(|()| out.flush());
    Ok(listener)
}

/// Logs only this project's crates: others log addresses and, at finer levels, contents.
fn log(level: LogLevel) {
    let level = level.name();
    let crates = ["anocm_core", "anocm_redis", "anocm_ws", "anocm_server"];
    let filter = crates.map(|name| format!(",{name}={level}")).concat();
    let filter = format!("off{filter}");
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(io::stderr)
        // Otherwise a line that cannot be written (full disk, broken pipe) is reported with
        // `eprintln!`, which then panics in the task that logs.
        .log_internal_errors(false)
        .init();
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
