//! Tests of changes between two steps of a multi-step operation.

mod common;

use anocm_core::{
    Seq,
    store::{Store as _, StoreError},
    wire::EntryKind,
};
use common::{
    Server,
    rooms::{SECOND, address, create, entry, kept, next, policy, say, store},
};

/// Returns the key of the room that these tests use.
fn key() -> String {
    let rest = data_encoding::BASE64URL_NOPAD.encode(&[7; 15]);
    format!("anocm:{{07}}{rest}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_are_held_also_when_others_are_taken_back_meanwhile() {
    let server = Server::start(&[]);
    let store = store(&server).await;
    let here = address(7);
    create(&store, &here, policy(60 * SECOND)).await;
    for n in 0..400_u16 {
        say(&store, &here, kept(60 * SECOND), &[u8::try_from(n % 256).unwrap(); 100])
            .await
            .unwrap();
    }
    let commit = entry(EntryKind::Commit, 0, kept(60 * SECOND), &[1; 100]);
    let begun = store.append(&here, commit, Some(next(1))).await.unwrap();
    for _ in 0..50 {
        let said = entry(EntryKind::Message, 1, kept(60 * SECOND), &[2; 100]);
        store.append(&here, said, None).await.unwrap();
    }
    // Simulates keys that expire early.
    let short = |place: u64| {
        let () = server.ask(&["PEXPIRE", &format!("{}:{place}", key()), "20000"]);
    };
    (1..=begun.value() + 50).for_each(short);
    let () = server.ask(&["HSET", &key(), "held", "0"]);
    let holds: String = server.ask(&["HGET", &key(), "holds"]);
    let mut at = "0".to_owned();
    for step in 0.. {
        at = common::scripts::extend(&server, &key(), &holds, &at, 100);
        if step == 0 {
            store.void(&here, begun, next(0)).await.unwrap();
        }
        if at == "0" {
            break;
        }
    }
    for place in 1..begun.value() {
        let left: i64 = server.ask(&["PTTL", &format!("{}:{place}", key())]);
        assert!(left > 30_000, "entry {place} is held for {left} ms");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_what_was_taken_back_after_very_many_epochs() {
    let server = Server::start(&[]);
    let store = store(&server).await;
    let here = address(7);
    create(&store, &here, policy(60 * SECOND)).await;
    // More epochs than are recorded.
    for epoch in 0..1_040 {
        let commit = entry(EntryKind::Commit, epoch, kept(60 * SECOND), &[1; 100]);
        store.append(&here, commit, Some(next(1))).await.unwrap();
    }
    assert!(matches!(
        store.void(&here, Seq::new(3), next(0)).await,
        Err(StoreError::StaleEpoch { .. })
    ));
    for back in [1_035, 100, 20] {
        store.void(&here, Seq::new(back), next(0)).await.unwrap();
        let index: u64 = server.ask(&["ZCARD", &format!("{}:x", key())]);
        assert_eq!(index, back - 1);
        let bytes: u64 = server.ask(&["HGET", &key(), "bytes"]);
        assert_eq!(bytes, 100 * (back - 1));
    }
}
