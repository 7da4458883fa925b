//! The command line.
#![allow(rustdoc::bare_urls, rustdoc::broken_intra_doc_links, reason = "the help is for terminals")]

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anocm_core::{NewRoom, Nickname, RelayUrl, Retention, RoomRetention, parse_duration};
use clap::{Args, Parser, Subcommand};
use zeroize::Zeroizing;

use crate::stdio::complain;

/// Talk in anonymous, end-to-end encrypted rooms that live in memory only.
///
/// No account, no name needed, nothing written to a disk. Open a room with `anocm new`, give its
/// link to others, and they come in with `anocm join`. Every message says how long it may be kept
/// and is wiped everywhere after that.
#[derive(Debug, Parser)]
#[command(name = "anocm", version, max_term_width = 100, after_long_help = AFTER)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER: &str = "\
Examples:
  anocm new                                   a room on this machine, to try it out
  anocm new --relay https://relay.example/    a room that others can reach
  anocm join                                  asks for the link, without showing it
  anocm join --socks5 127.0.0.1:9050          through Tor
  printf '%s\\n' \"$LINK\" 'the build is green' | anocm join -

Exit codes:
  0  left, or the room was closed from here
  1  the room could not be entered, or was lost, closed by others or left by removal, or not
     everything said was sent
  2  wrong usage";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Open a room and print the link that lets others in.
    New(Box<New>),
    /// Enter a room by its link.
    Join(Join),
}

impl Command {
    pub(crate) const fn common(&self) -> &Common {
        match self {
            Self::New(new) => &new.common,
            Self::Join(join) => &join.common,
        }
    }
}

/// Open a room and print the link that lets others in.
///
/// Without --relay, a relay runs inside this program for as long as it does, and only people on
/// this machine can reach it. For others, run anocm-server somewhere and name it with --relay, or
/// put an onion service or a TLS proxy before --listen and name that with --public.
#[derive(Args, Debug)]
#[command(after_long_help = AFTER_NEW)]
pub(crate) struct New {
    /// The relay that keeps the room, for example https://relay.example/.
    #[arg(long, value_name = "URL", env = "ANOCM_RELAY", hide_env_values = true,
          value_parser = relay_url, conflicts_with_all = ["listen", "public"])]
    pub(crate) relay: Option<RelayUrl>,
    /// Where the relay inside this program listens; port 0 takes any.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// The address under which others reach --listen, which goes into the link.
    #[arg(long, value_name = "URL", value_parser = relay_url)]
    pub(crate) public: Option<RelayUrl>,
    /// How long a message is kept when its sender does not say [default: 5m].
    #[arg(long, value_name = "TIME")]
    pub(crate) keep: Option<Retention>,
    /// The shortest time a message may be kept.
    #[arg(long, value_name = "TIME", default_value = "live")]
    pub(crate) min_keep: Retention,
    /// The longest time a message may be kept.
    #[arg(long, value_name = "TIME", default_value = "1d")]
    pub(crate) max_keep: Retention,
    /// How long the room outlives its last connection, from 1s to 365d.
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = room_time)]
    pub(crate) linger: Duration,
    /// The age at which the room ends in any case, from 1s to 365d.
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = room_time)]
    pub(crate) max_age: Duration,
    #[command(flatten)]
    pub(crate) common: Common,
}

const AFTER_NEW: &str = "\
TIME is 30s, 5m, 1h 30m, 1d, plain seconds, or live: delivered to the members online, never kept.

Examples:
  anocm new --nick Alice
  anocm new --relay https://relay.example/ --keep 30s --max-keep 10m
  anocm new --listen 127.0.0.1:8080 --public http://abcdef.onion/";

impl New {
    /// Returns the settings of the room to create.
    pub(crate) fn room(&self) -> Result<NewRoom, anocm_core::RetentionError> {
        let usual = RoomRetention::default().default_retention();
        let keep = self.keep.unwrap_or_else(|| usual.max(self.min_keep).min(self.max_keep));
        Ok(NewRoom {
            nickname: self.common.nick.clone(),
            retention: RoomRetention::new(self.min_keep, keep, self.max_keep)?,
            linger: self.linger,
            max_age: self.max_age,
            ..NewRoom::default()
        })
    }
}

/// Enter a room by its link.
///
/// Without LINK, or with "-", the link is asked for without showing it, or is the first line of
/// standard input when that is no terminal. That is the careful way: a link given as an argument
/// may stay in the history of your shell. It is taken out of the process list at once, where
/// others on this machine could otherwise read it.
#[derive(Args, Debug)]
#[command(after_long_help = AFTER_JOIN)]
pub(crate) struct Join {
    /// The room's link; better left out.
    #[arg(value_parser = secret, hide_possible_values = true)]
    pub(crate) link: Option<Zeroizing<String>>,
    /// Read the link from this inherited descriptor. Used by the program itself.
    #[arg(long, hide = true, value_name = "N", conflicts_with = "link")]
    pub(crate) link_fd: Option<u16>,
    /// How long what you send is kept when you do not say; the room's default if not given.
    #[arg(long, value_name = "TIME")]
    pub(crate) keep: Option<Retention>,
    #[command(flatten)]
    pub(crate) common: Common,
}

const AFTER_JOIN: &str = "\
TIME is 30s, 5m, 1h 30m, 1d, plain seconds, or live: delivered to the members online, never kept.

Examples:
  anocm join
  anocm join --nick Bob --cap 1m
  anocm join --socks5 127.0.0.1:9050
  pass show room | anocm join --stay --plain - > /dev/tty";

#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
pub(crate) struct Common {
    /// What you are called in the room.
    #[arg(long, value_name = "NAME", env = "ANOCM_NICK", hide_env_values = true,
          default_value = "guest", value_parser = nickname)]
    pub(crate) nick: Nickname,
    /// The longest that anything sent or received is kept here.
    #[arg(long, value_name = "TIME")]
    pub(crate) cap: Option<Retention>,
    /// Reach the relay through this SOCKS5 proxy, for example Tor at 127.0.0.1:9050.
    #[arg(long, value_name = "ADDR", env = "ANOCM_SOCKS5", hide_env_values = true)]
    pub(crate) socks5: Option<SocketAddr>,
    /// Trust the certificates in this PEM file, too: those of a private authority.
    #[arg(long, value_name = "FILE", env = "ANOCM_RELAY_CA", hide_env_values = true)]
    pub(crate) relay_ca: Option<PathBuf>,
    /// How long one try to connect may take, up to 50m [default: 30s; through a proxy: 2m].
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) connect_within: Option<Duration>,
    /// Lines instead of a screen; the default when not on a terminal. See --help.
    ///
    /// Each line of standard input is a message or a command, each event a line of standard
    /// output:
    ///
    ///   room: LINK
    ///   safety: six emoji / twelve words
    ///   entered: Alice #7K2Q
    ///   joined: Bob #M3XD
    ///   <Bob #M3XD> text  [5m]
    ///   (whisper) <Bob #M3XD> text  [5m]
    ///   (whisper to Bob #M3XD) <Alice #7K2Q> text  [5m]
    ///   expired: a message of Bob #M3XD
    ///   left: …, removed: …, renamed: …, trouble: …, connection: …, ended: …
    ///   note: answers to commands; error: what could not be done
    ///
    /// The words before the first colon stay as they are in later versions. A line break inside
    /// a message is shown as ⏎.
    #[arg(long, conflicts_with = "json", verbatim_doc_comment)]
    pub(crate) plain: bool,
    /// JSON lines in and out, for programs; see the README of this command.
    #[arg(long)]
    pub(crate) json: bool,
    /// Give up if the room is not entered within this time [default: 1m, through a proxy 5m; on
    /// a terminal: never].
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) enter_within: Option<Duration>,
    /// Stay in the room after the end of standard input, but not after that of the terminal.
    #[arg(long)]
    pub(crate) stay: bool,
    /// Do not show the link as a QR code.
    #[arg(long)]
    pub(crate) no_qr: bool,
    /// ASCII only: no emoji, no lines, no QR code.
    #[arg(long)]
    pub(crate) ascii: bool,
    /// Say on standard error what happens underneath; repeat for more. Not on a screen.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

fn relay_url(text: &str) -> Result<RelayUrl, anocm_core::InviteError> {
    RelayUrl::parse(text)
}

fn nickname(text: &str) -> Result<Nickname, anocm_core::NicknameError> {
    text.parse()
}

/// Parses a duration that a room can have as its linger or maximum age.
fn room_time(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text).map_err(|error| error.to_string())?;
    let new = NewRoom { linger: time, ..NewRoom::default() };
    // Both have the same range.
    new.check().map_err(|error| format!("must be {}", error.allowed))?;
    Ok(time)
}

fn secret(text: &str) -> Result<Zeroizing<String>, std::convert::Infallible> {
    Ok(Zeroizing::new(text.to_owned()))
}

/// Parses the command line. On an error, prints it without repeating anything that could be a link,
/// and returns the exit code.
pub(crate) fn parse<I, T>(words: I) -> Result<Cli, u8>
where
    I: IntoIterator<Item = T>,
    T: Into<std::ffi::OsString> + Clone,
{
    let words: Vec<std::ffi::OsString> = words.into_iter().map(Into::into).collect();
    Cli::try_parse_from(&words).map_err(|error| {
        let code = u8::from(error.use_stderr()) * 2;
        if error.use_stderr() && words.iter().any(|word| like_a_link(&word.to_string_lossy())) {
            complain(format_args!("error: {}\n\nTry 'anocm --help'.\n", error.kind()));
        } else if let Err(failure) = error.print()
            && failure.kind() != std::io::ErrorKind::BrokenPipe
        {
            complain(format_args!("error: this cannot be written: {failure}\n"));
            return crate::LOST;
        }
        code
    })
}

fn like_a_link(word: &str) -> bool {
    word.contains('#') || word.starts_with("anocm:")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn new(words: &[&str]) -> New {
        let words = ["anocm", "new"].iter().chain(words);
        match Cli::try_parse_from(words).unwrap().command {
            Command::New(new) => *new,
            Command::Join(_) => panic!("that was not new"),
        }
    }

    #[test]
    fn the_definitions_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_room_without_wishes_is_the_default_room() {
        let room = new(&[]).room().unwrap();
        assert_eq!(room.retention, RoomRetention::default());
        assert_eq!(room.linger, NewRoom::default().linger);
        assert_eq!(room.max_age, NewRoom::default().max_age);
    }

    #[test]
    fn the_default_retention_stays_within_its_bounds() {
        let room = new(&["--max-keep", "1m"]).room().unwrap();
        assert_eq!(room.retention.default_retention().to_string(), "1m");
        let room = new(&["--min-keep", "10m"]).room().unwrap();
        assert_eq!(room.retention.default_retention().to_string(), "10m");
        assert!(new(&["--keep", "2h", "--max-keep", "1h"]).room().is_err());
    }

    #[test]
    fn times_that_no_room_can_have_are_refused_by_the_name_of_the_option() {
        for option in ["--linger", "--max-age"] {
            for time in ["0", "999ms", "366d", "5M", "soon"] {
                let refused = Cli::try_parse_from(["anocm", "new", option, time]).unwrap_err();
                assert!(refused.to_string().contains(option), "{refused}");
            }
        }
        assert_eq!(new(&["--linger", "1h 30m"]).linger, Duration::from_secs(5_400));
    }

    #[test]
    fn a_relay_elsewhere_and_one_in_here_exclude_each_other() {
        let words = ["anocm", "new", "--relay", "https://a.example/", "--listen", "[::1]:0"];
        assert!(Cli::try_parse_from(words).is_err());
        let words = ["anocm", "join", "--plain", "--json"];
        assert!(Cli::try_parse_from(words).is_err());
    }

    #[test]
    fn a_link_is_recognised_before_it_is_repeated() {
        assert!(like_a_link("https://relay.example/#abc"));
        assert!(like_a_link("anocm:abc"));
        assert!(!like_a_link("--relay"));
    }

    #[test]
    fn no_secret_prints_with_the_arguments() {
        let cli = Cli::try_parse_from(["anocm", "join", "https://r.example/#secret"]).unwrap();
        let Command::Join(join) = cli.command else { panic!("that was join") };
        assert_eq!(join.link.unwrap().as_str(), "https://r.example/#secret");
    }
}
