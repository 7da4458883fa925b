//! The command line of `abuse`.

use std::{path::PathBuf, time::Duration};

use anocm_core::RelayUrl;
use clap::{Args, ValueEnum, value_parser};

use crate::{args, units};

/// In which way a relay is abused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Connections that publish as fast as the socket takes it, and one that sends garbage
    Flood,
    /// Connections that are in a busy room and read nothing
    NeverReads,
    /// Connections that open rooms in a loop, and come back when they are refused
    Rooms,
    /// Guests, end-to-end encrypted, who enter one room at the same moment
    Joiners,
    /// Connections that are in rooms and silent
    Idle,
    /// Connections that send half a request, no hello, or half a frame
    HalfOpen,
    /// Connections that send the longest frames, and those that trickle them
    LongFrames,
    /// Connections that fill the relay's memory, of which it has little
    Full,
    /// Connections that take what they get of a relay's memory, for a day: by rooms of a megabyte,
    /// and by messages
    Hoard,
}

impl Kind {
    /// Returns the name as on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Returns the default number of abusers.
    fn usual(self) -> u32 {
        match self {
            Self::Flood | Self::Rooms | Self::LongFrames => 4,
            Self::NeverReads => 20,
            Self::Joiners => 500,
            Self::Idle => 9_000,
            Self::HalfOpen => 300,
            Self::Full => 2,
            Self::Hoard => 24,
        }
    }

    /// Returns how many files each abuser opens.
    pub(crate) fn files_each(self) -> u32 {
        match self {
            Self::NeverReads => 2,
            Self::LongFrames => 8,
            _ => 1,
        }
    }

    /// Returns the options that a server needs for this kind of abuse.
    pub(crate) fn options(self) -> &'static [&'static str] {
        match self {
            // So that it is full within seconds.
            Self::Full => &["--max-memory=4MiB"],
            Self::Hoard => &["--max-memory=64MiB"],
            _ => &[],
        }
    }
}

#[derive(Args, Debug)]
#[command(after_long_help = "\
For each kind an anocm-server is started with the limits that it has by itself ('full': with 4 MiB
of memory, 'hoard': with 64 MiB). A few guests talk there in a room of their own: undisturbed, then
beside the abusers for as long as those take, then while all of those leave at once, then
undisturbed again. The ratio is that of the p99 with the abusers over the p99 without.

The abusers are a process of their own with the lowest priority (nice 19), so that what the talk
is delayed by is the server's doing and not that of the abusers. Where all share few
processors, some of it is all the same.

It fails when a message is lost, and when what must hold against the abusers does not. Times and
memory are judged with --strict only.")]
pub(crate) struct Abuse {
    /// Which abuse, one after the other [default: all]
    #[arg(value_enum, value_name = "KIND,…", value_delimiter = ',')]
    kinds: Vec<Kind>,

    /// The anocm-server to start [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    pub(crate) server: Option<PathBuf>,

    /// An option of that server, for example write-timeout=5s
    #[arg(long = "set", value_name = "OPTION=VALUE")]
    set: Vec<String>,

    /// Guests who talk
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u32).range(1..=10_000))]
    pub(crate) guests: u32,

    /// What they say: messages a second
    #[arg(long, value_name = "COUNT", default_value = "20", value_parser = args::rate)]
    pub(crate) rate: f64,

    /// How long they talk undisturbed, before and after; and the abuse, unless it takes longer
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = units::span)]
    pub(crate) span: Duration,

    /// Abusers [default: 4, never-reads 20, joiners 500, idle 9000, half-open 300, full 2,
    /// hoard 24]
    #[arg(long, value_name = "COUNT", value_parser = value_parser!(u32).range(1..=1_000_000))]
    abusers: Option<u32>,

    /// Joiners stay in the room and follow it; otherwise each goes once it is in
    #[arg(long)]
    pub(crate) stay: bool,

    /// Abuse another relay on this machine first, to tell what the machine does from what the
    /// relay does. --strict then judges by the better ratio, and does this by itself, in a second
    /// run, where the first one is too slow
    #[arg(long)]
    pub(crate) control: bool,

    /// Fail also when the ratio is above 2, or an abuser costs too much memory
    #[arg(long)]
    pub(crate) strict: bool,
}

impl Abuse {
    /// Returns each requested kind once, or all kinds.
    pub(crate) fn kinds(&self) -> Vec<Kind> {
        let all = Kind::value_variants().iter();
        all.filter(|kind| self.kinds.is_empty() || self.kinds.contains(kind)).copied().collect()
    }

    /// Returns the number of abusers, and whether it was given explicitly.
    pub(crate) fn abusers(&self, kind: Kind) -> (u32, bool) {
        self.abusers.map_or((kind.usual(), false), |asked| (asked, true))
    }

    /// Returns the options for the server.
    pub(crate) fn options(&self, kind: Kind) -> Vec<String> {
        let needed = kind.options().iter().map(|option| (*option).to_owned());
        needed.chain(self.set.iter().map(|option| format!("--{option}"))).collect()
    }
}

/// Options for the process of the abusers.
#[derive(Args, Debug)]
pub(crate) struct Abuser {
    #[arg(value_enum)]
    pub(crate) kind: Kind,

    #[arg(long, value_parser = args::relay_url)]
    pub(crate) relay: RelayUrl,

    #[arg(long)]
    pub(crate) pid: u32,

    #[arg(long)]
    pub(crate) abusers: u32,

    #[arg(long = "for", value_parser = units::span)]
    pub(crate) span: Duration,

    #[arg(long)]
    pub(crate) stay: bool,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Task};

    fn abuse(words: &[&str]) -> Abuse {
        match Cli::try_parse_from(["anocm-load", "abuse"].iter().chain(words)).unwrap().task {
            Task::Abuse(abuse) => abuse,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn all_kinds_are_meant_when_none_is_named_and_none_is_meant_twice() {
        assert_eq!(abuse(&[]).kinds(), Kind::value_variants());
        assert_eq!(abuse(&["full,flood", "flood"]).kinds(), [Kind::Flood, Kind::Full]);
    }

    #[test]
    fn a_server_has_its_own_limits_but_for_what_is_set() {
        assert!(abuse(&[]).options(Kind::Flood).is_empty());
        let options = abuse(&["--set=write-timeout=5s", "--set", "queue=1MiB"]).options(Kind::Full);
        assert_eq!(options, ["--max-memory=4MiB", "--write-timeout=5s", "--queue=1MiB"]);
    }

    #[test]
    fn abusers_are_as_many_as_asked_for() {
        assert_eq!(abuse(&[]).abusers(Kind::Joiners), (500, false));
        assert_eq!(abuse(&["--abusers=7"]).abusers(Kind::Joiners), (7, true));
    }
}
