//! Tests of the keys on the server and of their time to live.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test, helpers included"
)]

mod common;

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use anocm_core::{
    Payload, Retention, RoomAddress, Seq,
    store::Store as _,
    wire::{CloseReason, EntryKind, NextEpoch, Policy},
};
use common::{
    Server,
    rooms::{SECOND, address, create, entry, kept, next, policy, say, store},
    wait,
};
use futures_util::future::join_all;

/// Keys outlive their content by this, so that a relay overwrites it first.
const GRACE: Duration = Duration::from_secs(3);
/// Keys outlive their room by this, so that not every touch visits every key.
const SLACK: Duration = Duration::from_secs(2);

/// Asserts that every key has a time to live, and none a longer one than this.
fn assert_all_end_within(server: &Server, longest: Duration) {
    let longest = (longest + GRACE).as_millis().try_into().unwrap();
    for (key, left) in server.keys() {
        // Less than a millisecond is 0; none would be -1.
        assert!((0..=longest).contains(&left), "{key}: {left} ms of {longest}");
    }
}

#[tokio::test]
async fn a_room_is_a_few_keys_and_one_for_each_kept_entry() {
    let server = Server::start(&[]);
    let store = store(&server).await;
    let here = address(0xA7);
    create(&store, &here, policy(60 * SECOND)).await;
    let before = server.keys_of_rooms().len();
    // The room, its group information, the list of its shard's rooms.
    assert_eq!(before, 3);
    say(&store, &here, kept(30 * SECOND), &[1; 1_000]).await.unwrap();
    say(&store, &here, Retention::Live, &[2; 1_000]).await.unwrap();
    // The entry, and the index of entries.
    assert_eq!(server.keys_of_rooms().len(), before + 2);
    let commit = entry(EntryKind::Commit, 0, kept(30 * SECOND), &[3; 1_000]);
    store.append(&here, commit, Some(next(1))).await.unwrap();
    // Another entry, and the epochs that have ended.
    assert_eq!(server.keys_of_rooms().len(), before + 4);
    assert_all_end_within(&server, 75 * SECOND);
    let entries =
        server.keys().into_iter().filter(|(key, _)| key.ends_with(":1") || key.ends_with(":3"));
    for (key, left) in entries {
        assert!(left <= 33_000, "{key}: {left}");
    }
    store.close(&here, CloseReason::Owner).await.unwrap();
    assert_eq!(server.keys_of_rooms(), Vec::<String>::new());
}

#[tokio::test]
async fn a_room_that_is_touched_keeps_its_entries_and_one_that_is_not_is_gone_with_all_of_them() {
    let server = Server::start(&[]);
    let store = store(&server).await;
    let [touched, left] = [1, 2].map(address);
    for here in [&touched, &left] {
        create(&store, here, policy(2 * SECOND)).await;
        for mark in 0..5 {
            say(&store, here, kept(30 * SECOND), &[mark; 1_000]).await.unwrap();
        }
    }
    // Longer than the linger and all that is added to it for keys.
    for _ in 0..16 {
        tokio::time::sleep(SECOND / 2).await;
        store.touch(&touched).await.unwrap();
        assert_all_end_within(&server, 2 * SECOND + SLACK);
    }
    let page = store.read(&touched, Seq::START, Seq::new(u64::MAX)).await.unwrap();
    assert_eq!(page.items.len(), 5);
    assert!(store.door(&left).await.is_err());
    // No relay is left to erase the keys: the server expires them.
    drop(store);
    wait("all of it is gone", || server.keys().is_empty());
}

#[tokio::test]
async fn a_room_of_many_entries_is_held_step_by_step() {
    let server = Server::start(&[]);
    let store = store(&server).await;
    let here = address(1);
    create(&store, &here, policy(6 * SECOND)).await;
    let texts: Vec<_> = (0..1_700_u32).map(|n| n.to_be_bytes().repeat(250)).collect();
    for texts in texts.chunks(100) {
        join_all(texts.iter().map(|text| say(&store, &here, kept(60 * SECOND), text))).await;
    }
    for _ in 0..4 {
        tokio::time::sleep(3 * SECOND).await;
        store.touch(&here).await.unwrap();
    }
    let mut read = 0;
    let mut page = store.read(&here, Seq::START, Seq::new(u64::MAX)).await.unwrap();
    while !page.items.is_empty() {
        read += page.items.len();
        page = store.read(&here, page.reaches, Seq::new(u64::MAX)).await.unwrap();
    }
    assert_eq!(read, 1_700);
    store.close(&here, CloseReason::Owner).await.unwrap();
    assert_eq!(server.keys_of_rooms(), Vec::<String>::new());
}

#[tokio::test]
async fn what_a_door_took_is_kept_for_it_while_that_can_be_restored() {
    let server = Server::start(&[]);
    let store = store(&server).await;
    let here = address(1);
    let policy = Policy { handshakes: kept(2 * SECOND), ..policy(60 * SECOND) };
    create(&store, &here, policy).await;
    let commit = async |epoch, bytes| {
        let commit = entry(EntryKind::Commit, epoch, kept(2 * SECOND), &[3; 1_000]);
        let next = NextEpoch { group_info: Payload::from(vec![1; bytes]), ..next(1) };
        store.append(&here, commit, Some(next)).await.unwrap();
    };
    let spare = || {
        let key = server.keys_of_rooms().into_iter().find(|key| key.ends_with(":s"));
        key.map_or(0, |key| server.ask::<usize>(&["STRLEN", &key]))
    };
    assert_eq!(spare(), 0);
    commit(0, 60_000).await;
    assert_eq!(spare(), 0);
    for (epoch, bytes) in [(1, 1_000), (2, 5_000), (3, 60_000), (4, 2_000)] {
        commit(epoch, bytes).await;
        assert_eq!(spare(), 60_000 - bytes);
    }
    assert_all_end_within(&server, 75 * SECOND);
    // The space stays reserved for at least as long as an entry is kept, and for twice that at
    // most, even if the room continues.
    for epoch in 5..10 {
        tokio::time::sleep(SECOND).await;
        commit(epoch, 2_000).await;
    }
    assert_eq!(spare(), 0);
    // It also shrinks when the room is only touched.
    commit(10, 60_000).await;
    commit(11, 2_000).await;
    assert_eq!(spare(), 58_000);
    for _ in 0..5 {
        tokio::time::sleep(SECOND).await;
        store.touch(&here).await.unwrap();
    }
    assert_eq!(spare(), 0);
    store.close(&here, CloseReason::Owner).await.unwrap();
    assert_eq!(server.keys_of_rooms(), Vec::<String>::new());
}

#[tokio::test]
async fn an_index_that_was_empty_for_a_moment_ends_like_any_other() {
    let server = Server::start(&[]);
    let store = store(&server).await;
    let here = address(1);
    let one = Policy { max_entries: 1, ..policy(60 * SECOND) };
    create(&store, &here, one).await;
    // Each is sent when the one before is due, and frees space for itself before a janitor does.
    for _ in 0..3 {
        while say(&store, &here, kept(SECOND), &[1; 1_000]).await.is_err() {}
        assert_all_end_within(&server, 70 * SECOND);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_due_before_all_others_is_erased_by_a_relay_that_never_heard_of_it() {
    let server = Server::start(&[]);
    let (author, other) = (store(&server).await, store(&server).await);
    let here = address(1);
    create(&author, &here, policy(60 * SECOND)).await;
    say(&author, &here, kept(30 * SECOND), &[1; 1_000]).await.unwrap();
    let is_gone = |end: &str| !server.keys().iter().any(|(key, _)| key.ends_with(end));
    say(&author, &here, kept(SECOND), &[2; 1_000]).await.unwrap();
    wait("the first is erased", || is_gone(":2"));
    // When the room was processed because of the first one, nothing more was due soon.
    say(&author, &here, kept(SECOND), &[3; 1_000]).await.unwrap();
    drop(author);
    let since = std::time::Instant::now();
    wait("the second is erased", || is_gone(":3"));
    // Erased by the remaining relay, and not because its key has expired.
    assert!(since.elapsed() < SECOND + GRACE - SECOND / 2, "{:?}", since.elapsed());
    drop(other);
}

/// The environment variable that marks the process to be killed.
const VICTIM: &str = "ANOCM_TEST_VICTIM";
const LINGER: Duration = SECOND;

/// Runs all operations of a relay, as fast as possible.
async fn work(server: &str) {
    let options = anocm_redis::RedisOptions::new([server]).unwrap();
    let store = &anocm_redis::RedisStore::connect(options).await.unwrap();
    println!("at work");
    let rooms = (0..8_u8).map(|mark| async move {
        let mut here = [mark; 16];
        here[8..12].copy_from_slice(&std::process::id().to_be_bytes());
        let here = RoomAddress::new(here);
        loop {
            create(store, &here, policy(LINGER)).await;
            for round in 0..20_u64 {
                for retention in [kept(SECOND), kept(20 * SECOND), Retention::Live] {
                    let said = entry(EntryKind::Message, round, retention, &[mark; 1_000]);
                    store.append(&here, said, None).await.unwrap();
                }
                let commit = entry(EntryKind::Commit, round, kept(20 * SECOND), &[mark; 4_000]);
                let seq = store.append(&here, commit, Some(next(mark))).await.unwrap();
                store.touch(&here).await.unwrap();
                if round == 19 {
                    store.void(&here, seq, next(mark)).await.unwrap();
                }
            }
            store.close(&here, CloseReason::Owner).await.unwrap();
        }
    });
    join_all(rooms).await;
}

fn victim(server: &Server) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "relays_that_are_killed_leave_nothing_behind", "--nocapture"])
        .env(VICTIM, server.url())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufReader::new(child.stdout.take().unwrap());
    assert!(std::io::BufRead::lines(lines).any(|line| line.unwrap().contains("at work")));
    child
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relays_that_are_killed_leave_nothing_behind() {
    if let Ok(server) = std::env::var(VICTIM) {
        return work(&server).await;
    }
    let server = Server::start(&[]);
    for round in 0..8_u64 {
        let mut victims = [victim(&server), victim(&server)];
        // Kill them at an arbitrary point of any operation.
        tokio::time::sleep(Duration::from_millis(20 + 37 * round)).await;
        for victim in &mut victims {
            victim.kill().unwrap();
            victim.wait().unwrap();
        }
        assert_all_end_within(&server, LINGER + SLACK);
    }
    assert!(!server.keys().is_empty());
    let since = std::time::Instant::now();
    wait("nothing is left", || server.keys().is_empty());
    assert!(since.elapsed() < LINGER + SLACK + GRACE + SECOND, "{:?}", since.elapsed());
}
