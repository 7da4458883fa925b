//! Talk in an anocm room from a terminal.
//!
//! ```text
//! args ── link ── connect ──┬── screen   on a terminal
//!           │     (relay)   ├── plain  ┐ by lines: talk, printer
//!         hide              └── json   ┘
//! ```
//!
//! All three modes use a room through the small trait in `room`, execute the typed commands of
//! `commands` through `act`, and convert events to text with `text`.

mod act;
mod args;
mod commands;
mod connect;
mod duration;
mod joining;
mod json;
mod lines;
mod link;
mod log;
mod members;
mod plain;
mod printer;
mod relay;
mod room;
mod screen;
mod signals;
mod stdio;
mod talk;
mod text;
mod tty;
mod warnings;
mod wipe;

use std::{
    io::{self, IsTerminal as _},
    process::ExitCode,
    time::Duration,
};

use anocm_core::client::Room;
use anocm_guard::Report;
use tokio::runtime::Runtime;

use crate::{
    args::{Command, Common},
    connect::Connected,
    joining::Joining,
    json::Json,
    lines::Lines,
    link::LinkError,
    plain::Plain,
    screen::Screen,
    signals::{HungUp, Stops},
    stdio::complain,
    talk::{Ends, Manner, Outcome, talk},
    warnings::Warnings as _,
};

const LOST: u8 = 1;
const USAGE: u8 = 2;

/// How long the client and an embedded relay may take to shut down.
const FAREWELL: Duration = Duration::from_secs(4);

/// The same on a wipe at once. Everything is wiped by then: this time is for a last message to the
/// relay, and together with the steps before and after it stays below a tenth of a second.
const AT_ONCE: Duration = Duration::from_millis(60);

/// The same after a hang-up: the process is gone within a second of it.
const AFTER_HANG_UP: Duration = Duration::from_millis(80);

/// How long tasks may take to drop what they hold.
const DROPPING: Duration = Duration::from_millis(200);

/// The same once everything is wiped: only a task that cannot be cancelled takes as long.
const DROPPING_NOTHING: Duration = Duration::from_millis(15);

fn main() -> ExitCode {
    let cli = match args::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(code) => return ExitCode::from(code),
    };
    // Before anything else: until then the link is visible in the process list.
    if let Command::Join(join) = &cli.command
        && let Some(link) = join.link.as_ref().filter(|link| link.as_str() != "-")
    {
        let error = link::hide(link);
        if cfg!(unix) {
            complain(format_args!(
                "error: the link cannot be hidden from others: {error}; try 'anocm join'\n"
            ));
            return ExitCode::from(LOST);
        }
    }
    wipe::on_fault();
    let report = anocm_guard::harden();
    let mode = Mode::of(cli.command.common());
    let log = match mode {
        Mode::Screen => None,
        Mode::Plain | Mode::Json => log::start(cli.command.common().verbose),
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let code = match runtime {
        Ok(runtime) => {
            let (code, patience) = match runtime.block_on(run(&cli.command, &mode, &report)) {
                Over::Code(code) => (code, DROPPING),
                Over::Wiped => (0, DROPPING_NOTHING),
            };
            end(runtime, patience);
            if let Some(log) = log {
                log.finish(patience);
            }
            code
        }
        Err(error) => fail(LOST, &error),
    };
    ExitCode::from(code)
}

/// Lets tasks drop, and so wipe, what they hold. A name lookup cannot be cancelled and may take
/// arbitrarily long: it ends with the process.
fn end(runtime: Runtime, patience: Duration) {
    runtime.shutdown_timeout(patience);
}

/// How the program ended.
enum Over {
    /// With this exit code.
    Code(u8),
    /// Everything is wiped.
    Wiped,
}

/// The front end.
enum Mode {
    Screen,
    Plain,
    Json,
}

impl Mode {
    fn of(common: &Common) -> Self {
        if common.json {
            Self::Json
        } else if common.plain || !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            Self::Plain
        } else {
            Self::Screen
        }
    }
}

async fn run(command: &Command, mode: &Mode, report: &Report) -> Over {
    let common = command.common();
    // Before the prompt for the link: on a signal the prompt must restore the terminal.
    let (mut stops, hung_up) = match signals::stops() {
        Ok(both) => both,
        Err(error) => return Over::Code(fail(LOST, &error)),
    };
    let mut lines = None;
    let connected = match command {
        Command::New(new) => Connected::open(new, report.posture()).await,
        Command::Join(join) => {
            let invite = tokio::select! {
                biased;
                Some(_) = stops.recv() => return Over::Code(LOST),
                invite = link::invite(join, &mut lines) => invite,
            };
            match invite {
                Ok(invite) => Connected::enter(join, &invite),
                Err(error @ LinkError::HungUp) => return Over::Code(fail(LOST, &error)),
                Err(error) => return Over::Code(fail(USAGE, &error)),
            }
        }
    };
    let (connected, room) = match connected {
        Ok(connected) => connected,
        Err(error) => {
            let code = if error.is_usage() { USAGE } else { LOST };
            return Over::Code(fail(code, &error));
        }
    };
    let warning = report.warning();
    let outcome =
        converse(mode, common, &connected, room, (lines, stops), warning.as_deref()).await;
    let patience = match outcome {
        Ok(Outcome::Wiped) => AT_ONCE,
        _ => FAREWELL,
    };
    leave(connected, patience, hung_up).await;
    match outcome {
        Ok(Outcome::Wiped) => Over::Wiped,
        Ok(Outcome::Well) => Over::Code(0),
        Ok(Outcome::Lost) => Over::Code(LOST),
        Err(error) => Over::Code(fail(LOST, &error)),
    }
}

/// Shuts down everything that runs for the room. What exceeds the timeout ends with the process.
async fn leave(connected: Connected, patience: Duration, mut hung_up: HungUp) {
    let cut_short = async {
        hung_up.wait().await;
        tokio::time::sleep(AFTER_HANG_UP.min(patience)).await;
    };
    tokio::select! {
        _ = tokio::time::timeout(patience, connected.stop(patience)) => {}
        () = cut_short => {}
    }
}

async fn converse(
    mode: &Mode,
    common: &Common,
    connected: &Connected,
    mut room: Room,
    (lines, stops): (Option<Lines>, Stops),
    warning: Option<&str>,
) -> io::Result<Outcome> {
    let at_terminal = io::stdin().is_terminal();
    let entering = match common.socks5 {
        Some(_) => Joining::through_proxy(common.enter_within, at_terminal),
        None => Joining::new(common.enter_within, at_terminal),
    };
    let manner = Manner { stay: common.stay, wishes: connected.wishes, entering };
    if let Mode::Screen = mode {
        let notices = [connected.reach().as_deref(), warning].map(|text| text.map(str::to_owned));
        let screen = Screen::new(common, connected.owner, notices.into_iter().flatten());
        return screen.run(&mut room, stops, manner).await;
    }
    let lines = match lines {
        Some(lines) => lines,
        None => Lines::of_stdin()?,
    };
    let (printer, outlet) = printer::start(stdio::unbuffered()?);
    let ends = Ends { lines, stops, outlet };
    if let Mode::Json = mode {
        let mut json = Json::new(printer);
        if let Some(warning) = warning {
            json.warn(warning)?;
        }
        if let Some(reach) = connected.reach() {
            json.relay_started(&reach)?;
        }
        return Ok(talk(&mut room, &mut json, ends, manner).await);
    }
    let qr = !common.no_qr && io::stdout().is_terminal();
    let mut plain = Plain::new(printer, qr, common.ascii);
    if let Some(warning) = warning {
        plain.warn(warning)?;
    }
    if let Some(reach) = connected.reach() {
        plain.say("relay", &reach)?;
    }
    Ok(talk(&mut room, &mut plain, ends, manner).await)
}

fn fail(code: u8, error: &dyn std::error::Error) -> u8 {
    complain(format_args!("error: {error}\n"));
    code
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    /// Held by a task, as a room is.
    struct Kept(mpsc::Sender<&'static str>);

    impl Drop for Kept {
        fn drop(&mut self) {
            self.0.send("wiped").unwrap();
        }
    }

    #[test]
    fn the_end_wipes_and_does_not_wait_for_a_resolver_without_answer() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build();
        let runtime = runtime.unwrap();
        let (answer, asked) = mpsc::channel::<()>();
        let (begins, begun) = mpsc::channel();
        runtime.spawn_blocking(move || {
            begins.send(()).unwrap();
            // Blocks until the sender is dropped.
            let _ = asked.recv();
        });
        begun.recv().unwrap();
        let (to, told) = mpsc::channel();
        let kept = Kept(to.clone());
        runtime.spawn(async move {
            std::future::pending::<()>().await;
            drop(kept);
        });
        thread::spawn(move || {
            end(runtime, DROPPING);
            to.send("over").unwrap();
        });
        let next = || told.recv_timeout(Duration::from_secs(30));
        assert_eq!((next(), next()), (Ok("wiped"), Ok("over")));
        drop(answer);
    }
}
