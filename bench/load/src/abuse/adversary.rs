//! The settings and counters that all kinds of abuse share.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anocm_core::{
    RelayUrl,
    wire::{Event, RelayFrame, Reply, decode},
};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    failure::Failure,
    guest::{
        GuestError,
        frames::{Frames, Seen},
        socket::{Socket, Target},
    },
    process::Process,
    server,
};

use super::args::Abuser;

/// Longest reply or event that is decoded.
const LONGEST: usize = 256;
/// Delay before the next attempt when the relay cannot be reached.
const UNREACHABLE: Duration = Duration::from_millis(50);

/// What the abusers counted: all that they report to the process that started them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) met: BTreeMap<String, u64>,
    /// Violated expectations, a line each.
    pub(super) troubles: Vec<String>,
}

/// The relay under abuse, and what is counted of it.
#[derive(Debug)]
pub(super) struct Adversary {
    pub(super) url: RelayUrl,
    pub(super) target: Target,
    pub(super) server: Process,
    pub(super) abusers: u32,
    pub(super) span: Duration,
    pub(super) stay: bool,
    // Locked only briefly, never across an await.
    report: Mutex<Report>,
}

impl Adversary {
    pub(super) fn new(args: &Abuser) -> Result<Self, Failure> {
        Ok(Self {
            url: args.relay.clone(),
            target: server::target(&args.relay)?,
            server: Process::new(args.pid),
            abusers: args.abusers,
            span: args.span,
            stay: args.stay,
            report: Mutex::default(),
        })
    }

    fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds `more` to a counter.
    pub(super) fn count(&self, what: impl Into<String>, more: u64) {
        let mut report = self.report();
        let count = report.met.entry(what.into()).or_default();
        *count = count.saturating_add(more);
    }

    /// Raises a counter to at least `much`.
    pub(super) fn at_least(&self, what: impl Into<String>, much: u64) {
        let mut report = self.report();
        let most = report.met.entry(what.into()).or_default();
        *most = much.max(*most);
    }

    /// Records the longest time that something took, in milliseconds.
    pub(super) fn took(&self, what: impl Into<String>, time: Duration) {
        self.at_least(what, u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    }

    /// Returns the value of a counter.
    pub(super) fn counted(&self, what: &str) -> u64 {
        self.report().met.get(what).copied().unwrap_or(0)
    }

    /// Reports a violated expectation.
    pub(super) fn trouble(&self, what: impl Into<String>) {
        self.report().troubles.push(what.into());
    }

    /// Requires that at least one of these counters is not zero.
    pub(super) fn expect(&self, what: &[&str]) {
        if what.iter().all(|what| self.counted(what) == 0) {
            self.trouble(format!("nothing was {}", what.join(" or ")));
        }
    }

    /// Counts why a connection ended or a request failed.
    pub(super) fn ended(&self, error: &GuestError) {
        let what = match error {
            GuestError::Refused(refusal) => format!("refused_{}", refusal.name()),
            GuestError::Closed(code) => format!("closed_{code}"),
            GuestError::Cut(_) => "cut".to_owned(),
            GuestError::Unreachable(_) => "unreachable".to_owned(),
            GuestError::NoWebSocket => "turned_away".to_owned(),
            GuestError::Silent => "unanswered".to_owned(),
            other => return self.trouble(other.to_string()),
        };
        self.count(what, 1);
    }

    /// Repeats `what` until `end`, each time the relay ends it with an error. Counts the errors.
    pub(super) async fn again(
        &self,
        end: Instant,
        what: impl AsyncFn(&Self) -> Result<(), GuestError>,
    ) {
        while let Ok(done) = timeout_at(end, what(self)).await {
            if let Err(error) = done {
                self.ended(&error);
                // Without ports or files to connect with, faster retries do not help.
                if matches!(error, GuestError::Unreachable(_)) {
                    sleep(UNREACHABLE).await;
                }
            }
        }
    }

    /// Counts the replies on a connection until it ends. Pings are answered.
    pub(super) async fn listen(&self, socket: &Socket, frames: &mut Frames) -> GuestError {
        loop {
            match self.receive(socket, frames).await {
                Ok(Some(ping)) => {
                    if let Err(error) = socket.pong(&ping).await {
                        return error;
                    }
                }
                Ok(None) => {}
                Err(error) => return error,
            }
        }
    }

    /// Like [`Self::listen`], but sends nothing: pings are not answered.
    pub(super) async fn listen_mute(&self, socket: &Socket, frames: &mut Frames) -> GuestError {
        loop {
            if let Err(error) = self.receive(socket, frames).await {
                return error;
            }
        }
    }

    /// Counts what is received next. Returns a ping, if there was one.
    async fn receive(
        &self,
        socket: &Socket,
        frames: &mut Frames,
    ) -> Result<Option<Vec<u8>>, GuestError> {
        let (mut fed, mut closed, mut pinged) = (Ok(()), None, None);
        let read = socket.read(|bytes| {
            fed = frames.feed(bytes, |seen| match seen {
                Seen::Short(message) => self.look(message),
                Seen::Ping(ping) => pinged = Some(ping.to_vec()),
                Seen::Close(code) => closed = Some(code.unwrap_or(1005)),
                Seen::Entry(_) | Seen::Other | Seen::Pong => {}
            });
        });
        read.await?;
        fed?;
        closed.map_or(Ok(pinged), |code| Err(GuestError::Closed(code)))
    }

    fn look(&self, message: &[u8]) {
        match decode(message, LONGEST) {
            Ok(RelayFrame::Reply { result: Ok(Reply::Accepted { .. }), .. }) => {
                self.count("accepted", 1);
            }
            Ok(RelayFrame::Reply { result: Err(refusal), .. }) => {
                self.ended(&GuestError::Refused(refusal));
            }
            Ok(RelayFrame::Event(Event::Lagging { .. })) => self.count("told_lagging", 1),
            _ => {}
        }
    }

    /// Returns what the abusers counted, once they are done.
    pub(super) fn into_report(self) -> Report {
        self.report.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
