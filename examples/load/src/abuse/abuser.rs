//! The process of the abusers: this program once more, at the lowest priority.

use std::{
    io::{self, Read, Write},
    process::Stdio,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    task::spawn_blocking,
};

use super::{
    adversary::{Adversary, Report},
    args::{Abuse, Abuser, Kind},
    flood, full, half_open, hoard, idle, joiners, long_frames, never_reads, rooms,
};
use crate::{failure::Failure, process::Process, server::Relay};

/// Why the abusers are not heard of.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AbuserError {
    #[error("the abusers cannot be started: {0}")]
    Start(#[source] io::Error),
    #[error("the abusers ended without a report")]
    Mute,
}

/// Abusers at work. They end with this.
pub(super) struct AtWork {
    child: Child,
    /// They stay for as long as it is open.
    stay: Option<ChildStdin>,
    report: BufReader<ChildStdout>,
}

impl AtWork {
    pub(super) fn start(
        args: &Abuse,
        kind: Kind,
        abusers: u32,
        relay: &Relay,
        server: Process,
    ) -> Result<Self, AbuserError> {
        let this = std::env::current_exe().map_err(AbuserError::Start)?;
        let mut command = Command::new(this);
        command
            .arg("abuser")
            .arg(kind.name())
            .arg(format!("--relay={}", relay.url))
            .arg(format!("--pid={}", server.pid()))
            .arg(format!("--abusers={abusers}"))
            .arg(format!("--for={}ms", args.span.as_millis()));
        if args.stay {
            command.arg("--stay");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(AbuserError::Start)?;
        let report = BufReader::new(child.stdout.take().ok_or(AbuserError::Mute)?);
        let stay = child.stdin.take();
        Ok(Self { child, stay, report })
    }

    /// Waits until they are done.
    pub(super) async fn report(&mut self) -> Result<Report, AbuserError> {
        let mut line = String::new();
        self.report.read_line(&mut line).await.map_err(|_| AbuserError::Mute)?;
        serde_json::from_str(&line).map_err(|_| AbuserError::Mute)
    }

    /// Has all of them leave at once.
    pub(super) async fn leave(&mut self) -> Result<(), AbuserError> {
        drop(self.stay.take());
        self.child.wait().await.map(drop).map_err(|_| AbuserError::Mute)
    }
}

/// Gives way to every other process, with all threads that are started from then on.
pub(crate) fn give_way() {
    // Where it cannot be, some of what is measured is the abusers' doing.
    #[cfg(unix)]
    let _ = rustix::process::nice(19);
}

/// Abuses a relay in one way, and tells whoever started this what came of it. Stays until those
/// have heard enough.
pub(crate) async fn run(args: &Abuser) -> Result<(), Failure> {
    let scene = Adversary::new(args)?;
    let mut staying = Vec::new();
    match args.kind {
        Kind::Flood => flood::run(&scene).await?,
        Kind::NeverReads => never_reads::run(&scene).await?,
        Kind::Rooms => rooms::run(&scene).await?,
        Kind::Joiners => joiners::run(&scene).await?,
        Kind::Idle => staying = idle::run(&scene).await?,
        Kind::HalfOpen => half_open::run(&scene).await?,
        Kind::LongFrames => long_frames::run(&scene).await?,
        Kind::Full => full::run(&scene).await?,
        Kind::Hoard => hoard::run(&scene).await?,
    }
    let mut line = serde_json::to_vec(&scene.into_report()).map_err(|_| AbuserError::Mute)?;
    line.push(b'\n');
    io::stdout().write_all(&line)?;
    // Nothing is said: the end of it is what is waited for.
    let told = spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new()));
    told.await.map_err(|_| AbuserError::Mute)??;
    drop(staying);
    Ok(())
}
