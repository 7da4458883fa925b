//! The Lua scripts that a relay runs on the server, each one atomic step.

use anocm_core::store::UNJOINED_LINGER;
use sha1_smol::Sha1;

const PRELUDE: &str = include_str!("scripts/prelude.lua");

/// The names of the scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Create,
    Append,
    /// `Append` for entries that are accepted when memory is full: those that take no space, and
    /// those that begin an epoch. For any other entry, it returns why the entry is refused.
    AppendReserved,
    State,
    Door,
    Read,
    Touch,
    Extend,
    Void,
    Settle,
    Close,
    Expire,
    Scrub,
    Clock,
    Revive,
}

/// Refused by the server when its memory is full.
const TAKES_SPACE: &str = "";
/// Runs when memory is full: it frees space, takes hardly any, or checks the reserve.
const MAKES_SPACE: &str = " flags=allow-oom";
const READS: &str = " flags=no-writes,allow-oom";

const ALL: [(Name, &str, &str); 15] = [
    (Name::Create, TAKES_SPACE, include_str!("scripts/create.lua")),
    (Name::Append, TAKES_SPACE, include_str!("scripts/append.lua")),
    (Name::AppendReserved, MAKES_SPACE, include_str!("scripts/append.lua")),
    (Name::State, READS, include_str!("scripts/state.lua")),
    (Name::Door, READS, include_str!("scripts/door.lua")),
    (Name::Read, READS, include_str!("scripts/read.lua")),
    (Name::Touch, MAKES_SPACE, include_str!("scripts/touch.lua")),
    (Name::Extend, MAKES_SPACE, include_str!("scripts/extend.lua")),
    (Name::Void, MAKES_SPACE, include_str!("scripts/void.lua")),
    (Name::Settle, MAKES_SPACE, include_str!("scripts/settle.lua")),
    (Name::Close, MAKES_SPACE, include_str!("scripts/close.lua")),
    (Name::Expire, MAKES_SPACE, include_str!("scripts/expire.lua")),
    (Name::Scrub, MAKES_SPACE, include_str!("scripts/scrub.lua")),
    (Name::Clock, MAKES_SPACE, include_str!("scripts/clock.lua")),
    (Name::Revive, MAKES_SPACE, include_str!("scripts/revive.lua")),
];

/// How announcements are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PubSub {
    /// On a single server.
    Plain,
    /// In a cluster: messages stay on the nodes of the room's slot.
    Sharded,
}

impl PubSub {
    pub(crate) const fn subscribe(self) -> &'static str {
        match self {
            Self::Plain => "SUBSCRIBE",
            Self::Sharded => "SSUBSCRIBE",
        }
    }

    pub(crate) const fn unsubscribe(self) -> &'static str {
        match self {
            Self::Plain => "UNSUBSCRIBE",
            Self::Sharded => "SUNSUBSCRIBE",
        }
    }

    const fn publish(self) -> &'static str {
        match self {
            Self::Plain => "PUBLISH",
            Self::Sharded => "SPUBLISH",
        }
    }
}

/// A script as it is sent to the server.
pub(crate) struct Script {
    pub(crate) source: String,
    pub(crate) sha1: String,
}

/// All scripts, for one kind of pub/sub.
pub(crate) struct Scripts(Vec<Script>);

impl Scripts {
    pub(crate) fn new(pubsub: PubSub) -> Self {
        let (publish, unjoined) = (pubsub.publish(), UNJOINED_LINGER.as_millis());
        let script = |(_, flags, body): &(Name, &str, &str)| {
            let allows_oom = flags.contains("allow-oom");
            let source = format!(
                "#!lua{flags}\nlocal PUBLISH, UNJOINED_LINGER = '{publish}', {unjoined}\n\
                 local ALLOWS_OOM = {allows_oom}\n{PRELUDE}\n{body}"
            );
            let sha1 = Sha1::from(&source).digest().to_string();
            Script { source, sha1 }
        };
        Self(ALL.iter().map(script).collect())
    }

    pub(crate) fn get(&self, name: Name) -> Option<&Script> {
        self.0.get(name as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_name() {
        for (place, (name, ..)) in ALL.iter().enumerate() {
            assert_eq!(*name as usize, place);
        }
    }
}
