//! Each kind of abuse against a real relay, at small scale. No timing is asserted: the tests check
//! that the conversation loses nothing and that the expectations of each abuse hold.
#![cfg(target_os = "linux")]

mod common;

use common::{measure, number, run};
use serde_json::Value;

/// Abuses a relay for a second in one way. Returns the results, after asserting success.
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
fn abuse(kind: &str, words: &[&str]) -> Value {
    let lines = measure(&[["abuse", kind, "--guests=4", "--for=1s"].as_slice(), words].concat());
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(line["kind"], kind);
    assert_eq!(number(line, "lost"), 0, "{line}");
    assert!(number(line, "messages") >= 3 * 10, "{line}");
    for phase in ["before", "with", "after"] {
        let at = |name: &str| line[format!("{phase}_{name}_ms")].as_f64().unwrap();
        assert!(at("p50") <= at("p99") && at("p99") <= at("max"), "{line}");
    }
    assert!(line["p99_ratio"].as_f64().unwrap() > 0.0, "{line}");
    line.clone()
}

#[test]
fn a_flood_is_slowed_down_and_garbage_closed() {
    let line = abuse("flood", &["--abusers=2"]);
    assert!(number(&line, "accepted") <= number(&line, "sent"), "{line}");
    assert!(number(&line, "closed_1002") > 0, "{line}");
}

#[test]
fn a_peer_that_never_reads_is_told_or_closed_and_can_resume() {
    let line = abuse("never-reads", &["--abusers=5", "--set=write-timeout=2s"]);
    // The first and every fourth after it read again in time.
    assert_eq!((number(&line, "read_again"), number(&line, "told_lagging")), (2, 2));
    assert_eq!((number(&line, "closed"), number(&line, "resumed")), (3, 3));
    assert!(number(&line, "server_bytes_per_stalled") > 0, "{line}");
}

#[test]
fn rooms_opened_in_a_loop_are_refused() {
    let line = abuse("rooms", &["--abusers=1", "--control"]);
    assert!(line["p99_control_ratio"].as_f64().unwrap() > 0.0, "{line}");
    assert!(number(&line, "rooms_opened") >= 10, "{line}");
    assert!(number(&line, "refused_busy") > 0, "{line}");
}

#[test]
fn all_who_come_at_once_get_in() {
    for words in [["--abusers=6"].as_slice(), &["--abusers=3", "--stay"]] {
        let line = abuse("joiners", words);
        assert_eq!(number(&line, "entered"), number(&line, "abusers"));
        assert_eq!(number(&line, "seen_by_creator"), number(&line, "abusers"));
    }
}

#[test]
fn silent_connections_are_counted() {
    let line = abuse("idle", &["--abusers=200"]);
    assert_eq!(number(&line, "connections"), 200);
    assert!(number(&line, "server_bytes_per_connection") > 0, "{line}");
}

#[test]
fn unfinished_handshakes_are_closed() {
    let patience =
        ["--set=header-within=1s", "--set=hello-within=1s", "--set=ping-after=1s"].as_slice();
    let line = abuse("half-open", &[patience, &["--set=dead-after=2s", "--abusers=9"]].concat());
    for half in ["half_heads", "without_hello", "half_frames"] {
        assert!(number(&line, &format!("{half}_closed")) >= 3, "{line}");
    }
}

#[test]
fn frames_at_the_limit_are_answered_and_longer_ones_are_not() {
    let line = abuse("long-frames", &["--abusers=1"]);
    assert!(number(&line, "accepted") > 0 && number(&line, "refused_no_such_room") > 0, "{line}");
    assert_eq!((number(&line, "closed_1009"), number(&line, "trickles")), (1, 6));
}

#[test]
fn who_takes_half_of_the_memory_gets_no_more_until_it_is_free_again() {
    let line = abuse("full", &[]);
    assert!(number(&line, "refused_full") >= 2, "{line}");
    // Half of four MiB less the reserve, plus one entry of each of the two abusers in the end.
    assert!((100..=140).contains(&number(&line, "kept")), "{line}");
    assert!(number(&line, "read_back") <= number(&line, "kept") - 2, "{line}");
    assert!(number(&line, "read_back") > 0, "{line}");
}

#[test]
fn hoarders_work_for_memory_and_others_find_some() {
    let line = abuse("hoard", &[]);
    assert_eq!(number(&line, "abusers"), 24);
    assert!(number(&line, "refused_work_needed") > 0, "{line}");
    assert!(number(&line, "rooms_opened") > 0 && number(&line, "kib_kept") > 0, "{line}");
}

#[test]
fn what_does_not_hold_is_told() {
    // A relay that refuses nothing.
    let wide = [
        "--set=creations-per-minute=1000000",
        "--set=admissions-per-second=1000000",
        "--set=max-rooms-per-connection=1000000",
        "--set=max-rooms=1000000",
    ];
    let words = [["abuse", "rooms", "--for=200ms", "--json"].as_slice(), &wide].concat();
    let output = run(&words);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("rooms: nothing was refused_busy"), "{errors}");
    // The results are printed in any case.
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(number(&line, "rooms_opened") > 0, "{line}");
}

#[test]
fn a_server_that_does_not_start_is_told() {
    let output = run(&["abuse", "flood", "--set=no-such-option=1"]);
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(1), true));
    assert_eq!(run(&["abuse", "boredom"]).status.code(), Some(2));
}
