//! Evaluates a server's settings against the memory-only guarantee. No I/O.

use std::collections::HashMap;

/// The settings that are requested.
pub(super) const SETTINGS: [&str; 13] = [
    "save",
    "appendonly",
    "repl-diskless-sync",
    "repl-diskless-load",
    "repl-backlog-size",
    "maxmemory",
    "maxmemory-policy",
    "slowlog-log-slower-than",
    "commandlog-execution-slower-than",
    "commandlog-request-larger-than",
    "commandlog-reply-larger-than",
    "hide-user-data-from-log",
    "crash-log-enabled",
];

/// The largest allowed replication backlog in bytes: all of it is overwritten every few seconds.
const MOST_HELD: u64 = 16 << 20;

/// Modules that ship with Redis and store nothing outside the server's memory.
const KNOWN_MODULES: [&str; 8] =
    ["vectorset", "bf", "search", "ReJSON", "timeseries", "json", "ldap", "bloom"];

/// What one server has reported.
#[derive(Default)]
pub(super) struct ServerFacts {
    /// `None` when it refuses the request.
    pub(super) settings: Option<HashMap<String, String>>,
    pub(super) has_replicas: bool,
    pub(super) is_replica: bool,
    /// Whether it reports that it writes, or is writing, to a disk.
    pub(super) writes: bool,
    /// Snapshots since the relay's first check.
    pub(super) snapshots: u64,
    /// `None` when it refuses the request.
    pub(super) modules: Option<Vec<String>>,
}

/// The result of an evaluation: lines that state what is wrong and how to fix it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Evaluation {
    pub(super) broken: Vec<String>,
    pub(super) unknown: Vec<String>,
    /// Servers of a cluster that may hold copies and do not respond. They may come back.
    pub(super) silent: Vec<String>,
    /// A server that owns rooms does not respond. This is logged elsewhere.
    pub(super) is_away: bool,
}

impl Evaluation {
    /// Sorts the lines, so that their order does not depend on which server responded first.
    pub(super) fn sort(&mut self) {
        for lines in [&mut self.broken, &mut self.unknown, &mut self.silent] {
            lines.sort_unstable();
            lines.dedup();
        }
    }

    pub(super) fn is_known(&self) -> bool {
        self.unknown.is_empty() && self.silent.is_empty() && !self.is_away
    }

    /// Returns whether there is anything to log.
    pub(super) fn has_lines(&self) -> bool {
        !(self.broken.is_empty() && self.unknown.is_empty() && self.silent.is_empty())
    }

    pub(super) fn add(&mut self, other: Self) {
        self.broken.extend(other.broken);
        self.unknown.extend(other.unknown);
        self.silent.extend(other.silent);
        self.is_away |= other.is_away;
    }
}

pub(super) fn evaluate(server: &str, said: &ServerFacts) -> Evaluation {
    let mut evaluation = Evaluation::default();
    if said.writes {
        evaluation.broken.push(format!("{server}: it is writing to its disk"));
    }
    if said.snapshots > 0 {
        evaluation.broken.push(format!(
            "{server}: a snapshot was written since this relay looked first: delete the file, \
             forbid SAVE and BGSAVE by an ACL, and restart the relay"
        ));
    }
    match &said.settings {
        Some(settings) => evaluate_settings(server, said, settings, &mut evaluation.broken),
        None => evaluation.unknown.push(format!("{server}: it does not answer CONFIG GET")),
    }
    match &said.modules {
        Some(modules) => {
            let strangers = modules.iter().filter(|name| !KNOWN_MODULES.contains(&name.as_str()));
            evaluation.unknown.extend(
                strangers
                    .map(|name| format!("{server}: what the module {name} keeps is not known")),
            );
        }
        None => evaluation.unknown.push(format!("{server}: it does not answer MODULE LIST")),
    }
    evaluation
}

fn evaluate_settings(
    server: &str,
    said: &ServerFacts,
    settings: &HashMap<String, String>,
    broken: &mut Vec<String>,
) {
    let is = |name: &str| settings.get(name).map(String::as_str);
    let mut want = |name: &str, good: &str, why: &str| {
        let is = settings.get(name).map_or("", String::as_str);
        let good = if good.is_empty() { "\"\"" } else { good };
        broken.push(format!("{server}: {name} is \"{is}\", {why}: CONFIG SET {name} {good}"));
    };
    if is("save") != Some("") {
        want("save", "", "it takes snapshots");
    }
    if is("appendonly") != Some("no") {
        want("appendonly", "no", "it writes down every command");
    }
    if is("maxmemory-policy") != Some("noeviction") {
        want("maxmemory-policy", "noeviction", "it drops what was accepted");
    }
    if is("maxmemory") == Some("0") {
        want("maxmemory", "1gb", "its memory could go into swap space");
    }
    if is("repl-diskless-sync") == Some("no") {
        want("repl-diskless-sync", "yes", "it fills replicas from a file");
    }
    let takes_part = said.is_replica || said.has_replicas;
    if takes_part && !matches!(is("repl-diskless-load"), Some("swapdb" | "on-empty-db")) {
        want("repl-diskless-load", "swapdb", "a replica writes what it is sent to a file first");
    }
    let held = is("repl-backlog-size").and_then(|size| size.parse::<u64>().ok());
    if takes_part && held.is_some_and(|held| held > MOST_HELD) {
        want("repl-backlog-size", "1mb", "it holds what replicas were sent for long");
    }
    let logs = [
        "slowlog-log-slower-than",
        "commandlog-execution-slower-than",
        "commandlog-request-larger-than",
        "commandlog-reply-larger-than",
    ];
    for name in logs {
        if is(name).is_some_and(|limit| limit != "-1") {
            want(name, "-1", "it keeps parts of commands");
        }
    }
    match is("hide-user-data-from-log") {
        Some("yes") => {}
        Some(_) => want("hide-user-data-from-log", "yes", "a crash writes a command into its log"),
        None if is("crash-log-enabled") == Some("no") => {}
        None => want("crash-log-enabled", "no", "a crash writes a command into its log"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> HashMap<String, String> {
        let settings = [
            ("save", ""),
            ("appendonly", "no"),
            ("repl-diskless-sync", "yes"),
            ("repl-diskless-load", "disabled"),
            ("maxmemory", "1073741824"),
            ("maxmemory-policy", "noeviction"),
            ("slowlog-log-slower-than", "-1"),
            ("crash-log-enabled", "no"),
        ];
        settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    fn with(name: &str, value: &str) -> Evaluation {
        let mut settings = good();
        settings.insert(name.to_owned(), value.to_owned());
        let said = ServerFacts {
            settings: Some(settings),
            modules: Some(vec![]),
            ..ServerFacts::default()
        };
        evaluate("here", &said)
    }

    #[test]
    fn a_server_that_keeps_everything_in_memory_is_taken() {
        assert_eq!(with("save", ""), Evaluation::default());
        assert_eq!(with("hide-user-data-from-log", "yes"), Evaluation::default());
    }

    #[test]
    fn whatever_could_reach_a_disk_is_named_with_its_cure() {
        let bad = [
            ("save", "3600 1", "CONFIG SET save \"\""),
            ("appendonly", "yes", "CONFIG SET appendonly no"),
            ("maxmemory-policy", "allkeys-lru", "CONFIG SET maxmemory-policy noeviction"),
            ("maxmemory", "0", "CONFIG SET maxmemory 1gb"),
            ("repl-diskless-sync", "no", "CONFIG SET repl-diskless-sync yes"),
            ("slowlog-log-slower-than", "10000", "CONFIG SET slowlog-log-slower-than -1"),
            ("commandlog-request-larger-than", "9", "CONFIG SET commandlog-request-larger-than -1"),
            ("hide-user-data-from-log", "no", "CONFIG SET hide-user-data-from-log yes"),
            ("crash-log-enabled", "yes", "CONFIG SET crash-log-enabled no"),
        ];
        for (name, value, cure) in bad {
            let Evaluation { broken, unknown, .. } = with(name, value);
            assert!(broken.len() == 1 && broken[0].ends_with(cure), "{name}: {broken:?}");
            assert_eq!(unknown, [""; 0]);
        }
    }

    #[test]
    fn the_way_a_replica_is_filled_matters_where_there_are_replicas() {
        for (is_replica, has_replicas) in [(true, false), (false, true)] {
            let (settings, modules) = (Some(good()), Some(vec![]));
            let said = ServerFacts {
                settings,
                modules,
                is_replica,
                has_replicas,
                ..ServerFacts::default()
            };
            assert!(evaluate("here", &said).broken[0].contains("repl-diskless-load"));
        }
    }

    #[test]
    fn what_is_held_for_replicas_is_no_more_than_can_be_overwritten() {
        assert_eq!(with("repl-backlog-size", "1073741824"), Evaluation::default());
        let mut settings = good();
        settings.insert("repl-diskless-load".to_owned(), "swapdb".to_owned());
        settings.insert("repl-backlog-size".to_owned(), "1073741824".to_owned());
        let (settings, modules) = (Some(settings), Some(vec![]));
        let said = ServerFacts { settings, modules, has_replicas: true, ..ServerFacts::default() };
        assert!(evaluate("here", &said).broken[0].ends_with("CONFIG SET repl-backlog-size 1mb"));
    }

    #[test]
    fn what_is_written_now_breaks_it_whatever_the_settings_say() {
        for said in [
            ServerFacts { writes: true, ..ServerFacts::default() },
            ServerFacts { snapshots: 1, ..ServerFacts::default() },
        ] {
            let said = ServerFacts { settings: Some(good()), modules: Some(vec![]), ..said };
            assert_eq!(evaluate("here", &said).broken.len(), 1);
        }
    }

    #[test]
    fn what_is_not_told_is_not_assumed() {
        let evaluation = evaluate("here", &ServerFacts::default());
        assert_eq!((evaluation.broken.len(), evaluation.unknown.len()), (0, 2));
        let modules = Some(vec!["search".to_owned(), "disk".to_owned()]);
        let evaluation = evaluate(
            "here",
            &ServerFacts { settings: Some(good()), modules, ..ServerFacts::default() },
        );
        assert_eq!(evaluation.unknown.len(), 1);
    }
}
