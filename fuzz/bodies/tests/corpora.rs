//! Replays earlier findings and prepared inputs with every run of the tests.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that cannot go on ends, and says at which file"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(target)
}

/// Runs a target on every file of its corpus, and checks that they reach all expected marks.
fn replay(target: &str, body: fn(&[u8]), reach: &[&str]) {
    let mut files: Vec<_> =
        fs::read_dir(corpus(target)).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "the corpus is there");
    for file in &files {
        println!("{}", file.display());
        body(&fs::read(file).unwrap());
    }
    let reached = anocm_fuzz::marks::take();
    let missed: BTreeSet<_> = reach.iter().filter(|&mark| !reached.contains(mark)).collect();
    assert!(missed.is_empty(), "no file reaches {missed:?}");
}

#[test]
fn frames() {
    let reach = ["client frame", "relay frame", "client hello", "relay hello"];
    replay("wire_frame", anocm_fuzz::wire_frame, &reach);
}

#[test]
fn websocket_frames() {
    let reach = ["message", "fragment", "control", "refused", "incomplete", "payload cut short"];
    replay("ws_frames", anocm_fuzz::ws_frames, &reach);
}

#[test]
fn links() {
    replay("invite", anocm_fuzz::invite, &["invite", "relay", "error"]);
}

#[test]
fn sealed_entries() {
    let reach = [
        "whole seal",
        "broken seal",
        "message",
        "commit or join",
        "spoilt on its way",
        "spoilt by a member",
        "whole door",
        "wrong link",
        "bad door",
    ];
    replay("sealed_entry", anocm_fuzz::sealed_entry, &reach);
}

#[test]
fn contents() {
    let reach = [
        "envelope",
        "of a later version",
        "text",
        "custom",
        "whisper",
        "leave statement",
        "whispered",
        "unpadded",
        "settings",
        "card",
        "notice",
        "name",
        "entry of a member",
        "bad door",
        "door of another group",
    ];
    replay("content", anocm_fuzz::content, &reach);
}

#[test]
fn relay_connections() {
    let reach = [
        "created",
        "looked",
        "joined",
        "entered",
        "entered an epoch of the past",
        "read",
        "an entry read",
        "published",
        "voided by the owner",
        "taken back by a member",
        "closed by the owner",
        "detached",
        "told an entry",
        "told a void",
        "lapsed",
        "lagging",
        "room closed",
        "posture",
        "no_such_room",
        "address_in_use",
        "not_admitted",
        "stale_epoch",
        "retention_too_long",
        "unlawful",
        "full",
        "busy",
    ];
    replay("relay_connection", anocm_fuzz::relay_connection, &reach);
}

#[test]
fn operations_of_a_store() {
    let reach = [
        "create",
        "append",
        "read",
        "long log",
        "door",
        "watch",
        "heard",
        "lagged",
        "touch",
        "void",
        "settle",
        "take back",
        "too early",
        "settled",
        "shut door",
        "close",
        "no such room",
        "address in use",
        "stale epoch",
        "full",
        "mismatched",
    ];
    replay("store_ops", anocm_fuzz::store_ops, &reach);
}

#[test]
fn what_the_corpora_begin_with_is_there_as_it_is_made_today() {
    for file in anocm_fuzz::seeds::files() {
        let path = corpus(file.target).join(&file.name);
        let kept = fs::read(&path).unwrap_or_else(|_| panic!("no {}", path.display()));
        assert!(!file.is_fixed || kept == file.bytes, "{} is out of date", path.display());
    }
}
