//! Tests of rooms during outages of the server.
#![expect(clippy::unwrap_used, reason = "a test, helpers included")]

mod common;

use std::{sync::Arc, time::Duration};

use anocm_core::{
    Epoch, Payload, Retention, RoomAddress, Seq,
    store::{SETTLES, Store as _, StoreError, TakeBack, Watch, Watched},
    wire::{CloseReason, EntryKind, NextEpoch, Posture},
};
use anocm_redis::RedisStore;
use common::{
    Log, Server,
    rooms::{SECOND, address, create, entry, kept, next, policy, say, store, told, told_entry},
    wait,
};

/// Starts a server with a room that another relay watches.
async fn watched() -> (Server, Arc<RedisStore>, Arc<RedisStore>, RoomAddress, Watch) {
    let server = Server::start(&[]);
    let (ours, theirs) = (store(&server).await, store(&server).await);
    let here = address(7);
    create(&ours, &here, policy(60 * SECOND)).await;
    let watch = theirs.watch(&here).await.unwrap();
    (server, ours, theirs, here, watch)
}

fn cut_channels(server: &Server) -> u64 {
    server.ask(&["CLIENT", "KILL", "TYPE", "pubsub"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kept_entries_that_were_not_heard_are_found_in_the_log() {
    let (server, ours, _theirs, here, mut watch) = watched().await;
    say(&ours, &here, kept(30 * SECOND), &[0; 1_000]).await.unwrap();
    assert_eq!(told_entry(&mut watch).await.seq, Seq::new(1));
    for round in 0..5_u64 {
        assert!(cut_channels(&server) > 0);
        // Immediately, before the subscription can be restored.
        for n in 2..=4_u8 {
            say(&ours, &here, kept(30 * SECOND), &[n; 1_000]).await.unwrap();
        }
        for n in 2..=4 {
            let item = told_entry(&mut watch).await;
            assert_eq!(item.seq, Seq::new(3 * round + n));
            assert_eq!(item.entry.sealed[0], u8::try_from(n).unwrap());
        }
        wait("it hears again", || subscribers(&server, &here) > 0);
    }
}

fn subscribers(server: &Server, here: &RoomAddress) -> i64 {
    let _ = here;
    let channels: Vec<String> = server.ask(&["PUBSUB", "CHANNELS"]);
    i64::try_from(channels.len()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_entries_and_voids_that_were_not_heard_are_owned_up_to() {
    let (server, ours, _theirs, here, mut watch) = watched().await;
    cut_channels(&server);
    say(&ours, &here, Retention::Live, &[1; 1_000]).await.unwrap();
    assert_eq!(told(&mut watch).await, Watched::Lagged);
    wait("it hears again", || subscribers(&server, &here) > 0);

    let commit = entry(EntryKind::Commit, 0, kept(30 * SECOND), &[2; 1_000]);
    let seq = ours.append(&here, commit, Some(next(1))).await.unwrap();
    assert_eq!(told_entry(&mut watch).await.seq, seq);
    cut_channels(&server);
    ours.void(&here, seq, next(0)).await.unwrap();
    assert_eq!(told(&mut watch).await, Watched::Lagged);
    wait("it hears again", || subscribers(&server, &here) > 0);
    say(&ours, &here, Retention::Live, &[3; 1_000]).await.unwrap();
    assert_eq!(told_entry(&mut watch).await.seq, seq.next());
}

/// Returns all kept entries after a sequence number, and how far the log was read.
async fn catch_up(store: &RedisStore, here: &RoomAddress, after: Seq) -> (Vec<Seq>, Seq) {
    let (mut found, mut reaches) = (Vec::new(), after);
    loop {
        let page = store.read(here, reaches, Seq::new(u64::MAX)).await.unwrap();
        found.extend(page.items.iter().map(|item| item.seq));
        reaches = page.reaches;
        if !page.more {
            return (found, reaches);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_goes_unseen_while_channels_are_cut_again_and_again() {
    const CUTS: u64 = 12;
    let (server, ours, theirs, here, mut watch) = watched().await;
    let cutting = tokio::task::spawn_blocking(move || {
        let mut cuts = 0;
        while cuts < CUTS {
            cuts += cut_channels(&server);
            std::thread::sleep(Duration::from_millis(70));
        }
        server
    });
    let says = async {
        let mut kept_ones = Vec::new();
        loop {
            let is_over = cutting.is_finished();
            kept_ones.push(say(&ours, &here, kept(60 * SECOND), &[1; 1_000]).await.unwrap());
            if is_over {
                return kept_ones;
            }
            // Live entries are in no log.
            say(&ours, &here, Retention::Live, &[2; 1_000]).await.unwrap();
        }
    };
    let hears = async {
        let (mut last, mut kept_ones, mut lags) = (Seq::START, Vec::new(), 0);
        loop {
            match tokio::time::timeout(2 * SECOND, told(&mut watch)).await {
                // An entry that was read after a lag may be delivered again.
                Ok(Watched::Entry(item)) if item.seq <= last => {}
                Ok(Watched::Entry(item)) => {
                    assert_eq!(item.seq, last.next(), "missed without a word");
                    last = item.seq;
                    kept_ones.extend((!item.entry.retention.is_live()).then_some(last));
                }
                Ok(Watched::Lagged) => {
                    let (found, reaches) = catch_up(&theirs, &here, last).await;
                    kept_ones.extend(found);
                    (last, lags) = (reaches, lags + 1);
                }
                Ok(other) => panic!("nothing of the kind happened: {other:?}"),
                Err(_) => return (kept_ones, lags),
            }
        }
    };
    let (said, (heard, lags)) = tokio::join!(says, hears);
    assert!(lags > 0 && said.len() > 100, "{lags} lags, {} said", said.len());
    assert_eq!(said, heard);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_starts_anew_has_no_rooms_and_watchers_are_told() {
    let (server, ours, theirs, here, mut watch) = watched().await;
    let server = server.restart();
    assert_eq!(told(&mut watch).await, Watched::Closed(CloseReason::Gone));
    wait("the store is back", || server.ask::<String>(&["PING"]) == "PONG");
    // Whatever the response during the restart, it must not be that the room exists.
    for store in [&ours, &theirs] {
        loop {
            match store.door(&here).await {
                Err(StoreError::Unavailable) => tokio::time::sleep(Duration::from_millis(50)).await,
                other => break assert_eq!(other.map(drop), Err(StoreError::NoSuchRoom)),
            }
        }
    }
    create(&ours, &here, policy(60 * SECOND)).await;
    let mut watch = theirs.watch(&here).await.unwrap();
    say(&ours, &here, Retention::Live, &[1; 1_000]).await.unwrap();
    assert_eq!(told_entry(&mut watch).await.seq, Seq::new(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_room_at_the_address_is_not_taken_for_the_one_that_was_lost() {
    let (server, ours, _theirs, here, mut watch) = watched().await;
    let server = server.restart();
    let options = common::rooms::options(&server);
    // Before the watching relay has reconnected.
    let quick = RedisStore::connect(options).await.unwrap();
    create(&quick, &here, policy(60 * SECOND)).await;
    say(&quick, &here, kept(30 * SECOND), &[1; 1_000]).await.unwrap();
    assert_eq!(told(&mut watch).await, Watched::Closed(CloseReason::Gone));
    drop(ours);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_pauses_is_waited_for() {
    let (server, ours, _theirs, here, mut watch) = watched().await;
    server.pause();
    let says = async {
        let texts: Vec<_> = (0..20).map(|n| [n; 1_000]).collect();
        let says = texts.iter().map(|text| say(&ours, &here, kept(60 * SECOND), text));
        futures_util::future::join_all(says).await
    };
    let goes_on = async {
        tokio::time::sleep(10 * SECOND).await;
        server.go_on();
    };
    let (said, ()) = tokio::join!(says, goes_on);
    // Each exactly once, with consecutive sequence numbers.
    let mut places: Vec<_> = said.into_iter().map(|said| said.unwrap().value()).collect();
    places.sort_unstable();
    assert_eq!(places, (1..=20).collect::<Vec<_>>());
    for n in 1..=20 {
        assert_eq!(told_entry(&mut watch).await.seq, Seq::new(n));
    }
}

fn used_memory(server: &Server) -> u64 {
    let used: String = server.ask(&["INFO", "memory"]);
    let used = used.lines().find_map(|line| line.strip_prefix("used_memory:"));
    used.unwrap().trim().parse().unwrap()
}

/// Sets `maxmemory` so that usage exceeds it by this many hundredths.
fn fill(server: &Server, hundredths: u64) {
    // Makes the variation in buffer sizes negligible.
    let _: u64 = server.ask(&["SETRANGE", "ballast", "16000000", "0"]);
    let most = used_memory(server) * 100 / (100 + hundredths);
    let () = server.ask(&["CONFIG", "SET", "maxmemory", &most.to_string()]);
}

#[tokio::test]
async fn what_was_before_a_join_is_restored_also_when_the_reserve_is_taken() {
    let server = Server::start(&[]);
    let store = store(&server).await;
    let door =
        |mark, bytes| NextEpoch { group_info: Payload::from(vec![mark; bytes]), ..next(mark) };
    let here = address(7);
    create(&store, &here, policy(60 * SECOND)).await;
    let same_door = |mark, bytes| NextEpoch { door: next(1).door, ..door(mark, bytes) };
    let begins = async |kind, epoch, next| {
        let handshake = entry(kind, epoch, kept(60 * SECOND), &[4; 1_000]);
        store.append(&here, handshake, Some(next)).await
    };
    begins(EntryKind::Commit, 0, door(1, 60_000)).await.unwrap();
    // Shrinks the group information twice, so that space is freed for other data.
    let junk = begins(EntryKind::Join, 1, same_door(2, 1_000)).await.unwrap();
    begins(EntryKind::Commit, 2, door(3, 2_000)).await.unwrap();
    fill(&server, 20);
    assert_eq!(begins(EntryKind::Commit, 3, door(4, 1_000)).await, Err(StoreError::Full));
    tokio::time::sleep(SETTLES).await;
    let take_back = async |bytes| {
        let by = TakeBack { member: next(1).member, group_info: door(1, bytes).group_info };
        store.take_back(&here, junk, by).await
    };
    // As large as it was before, and no larger.
    assert_eq!(take_back(63_000).await, Err(StoreError::Full));
    let before = used_memory(&server);
    assert_eq!(take_back(60_000).await, Ok(()));
    let after = used_memory(&server);
    assert!(after < before + 8_000, "{before}, {after}");
    let restored = store.door(&here).await.unwrap();
    assert_eq!((restored.epoch(), restored.group_info.len()), (Epoch::new(1), 60_000));
    store.close(&here, CloseReason::Owner).await.unwrap();
    assert_eq!(server.keys_of_rooms(), ["ballast"]);
}

#[tokio::test]
async fn of_several_reasons_a_full_server_is_the_last() {
    let server = Server::start(&[]);
    let store = store(&server).await;
    let here = address(7);
    create(&store, &here, policy(60 * SECOND)).await;
    let commit = entry(EntryKind::Commit, 0, kept(60 * SECOND), &[4; 1_000]);
    store.append(&here, commit, Some(next(1))).await.unwrap();
    fill(&server, 5);
    let said = async |here, epoch| {
        let message = entry(EntryKind::Message, epoch, kept(60 * SECOND), &[1; 1_000]);
        store.append(&here, message, None).await
    };
    assert_eq!(said(address(8), 0).await, Err(StoreError::NoSuchRoom));
    assert_eq!(said(here, 0).await, Err(StoreError::StaleEpoch { current: Epoch::new(1) }));
    assert_eq!(said(here, 1).await, Err(StoreError::Full));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_refuses_and_loses_nothing() {
    let server = Server::start(&[]);
    let used = used_memory(&server);
    let () = server.ask(&["CONFIG", "SET", "maxmemory", &(used + (4 << 20)).to_string()]);
    let store = store(&server).await;
    let (here, there) = (address(7), address(9));
    create(&store, &here, policy(60 * SECOND)).await;
    create(&store, &there, policy(60 * SECOND)).await;
    let mut watch = store.watch(&here).await.unwrap();
    let mut taken = 0;
    let refused = loop {
        let lifetime = if taken < 500 { 4 * SECOND } else { 60 * SECOND };
        match say(&store, &here, kept(lifetime), &[1; 4_000]).await {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, StoreError::Full);
    assert!(taken > 550, "{taken}");
    // A member can still be removed: a further tenth is reserved for that.
    let commit = |epoch| entry(EntryKind::Commit, epoch, kept(60 * SECOND), &[4; 1_000]);
    store.append(&there, commit(0), Some(next(1))).await.unwrap();
    // So that memory stays full despite variations in buffer sizes.
    let () = server.ask(&["CONFIG", "SET", "maxmemory", &(used + (3 << 20)).to_string()]);
    let other = address(8);
    let genesis = |mark| anocm_core::wire::Genesis {
        policy: policy(60 * SECOND),
        owner: anocm_core::TokenHash::new([mark; 32]),
        first: next(mark),
    };
    assert_eq!(store.create(&other, genesis(1)).await, Err(StoreError::Full));
    // The reserved tenth is used up, too.
    let refused = store.append(&there, commit(1), Some(next(2))).await;
    assert_eq!(refused, Err(StoreError::Full));
    assert_eq!(store.door(&there).await.unwrap().epoch(), Epoch::new(1));
    // Restored group information may be only slightly larger than the current one.
    let more = NextEpoch { group_info: Payload::from(vec![5; 20_000]), ..next(0) };
    assert_eq!(store.void(&there, Seq::new(1), more).await, Err(StoreError::Full));
    assert_eq!(store.void(&there, Seq::new(1), next(0)).await, Ok(()));
    // Operations that take no space still work, and no accepted entry is lost.
    say(&store, &here, Retention::Live, &[2; 1_000]).await.unwrap();
    store.touch(&here).await.unwrap();
    let mut last = Seq::START;
    while last < Seq::new(taken + 1) {
        let Watched::Entry(item) = told(&mut watch).await else { break };
        last = item.seq;
    }
    assert!(
        matches!(store.door(&here).await.map(|door| door.head), Ok(head) if head == Seq::new(taken + 1))
    );
    // Space is freed as entries expire.
    tokio::time::sleep(4 * SECOND).await;
    say(&store, &here, kept(60 * SECOND), &[3; 1_000]).await.unwrap();
    let (mut count, mut page) =
        (0, store.read(&here, Seq::START, Seq::new(u64::MAX)).await.unwrap());
    while !page.items.is_empty() {
        count += page.items.len();
        page = store.read(&here, page.reaches, Seq::new(u64::MAX)).await.unwrap();
    }
    assert_eq!(u64::try_from(count).unwrap(), taken - 500 + 1);
    store.close(&here, CloseReason::Owner).await.unwrap();
    assert_eq!(
        store.door(&here).await.map(|door| door.epoch()),
        Err::<Epoch, _>(StoreError::NoSuchRoom)
    );
}

#[tokio::test]
async fn an_outage_is_known_and_is_one_line_when_it_begins_and_one_when_it_ends() {
    let log = Log::listen();
    let mut server = Server::start(&[]);
    let store = store(&server).await;
    store.state_posture(Posture::Kept);
    create(&store, &address(7), policy(60 * SECOND)).await;
    let becomes = async |is_ready: bool, posture: Posture| {
        let changed = async {
            while store.health().is_ready() != is_ready || store.posture().await != posture {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(common::PATIENCE, changed).await.unwrap();
    };
    becomes(true, Posture::Kept).await;
    assert_eq!(store.health().servers, 1);
    server.kill();
    becomes(false, Posture::Unknown).await;
    // Every shard is checked each second.
    tokio::time::sleep(3 * SECOND).await;
    assert_eq!(log.lines("").len(), 1, "{:#?}", log.lines(""));
    assert_eq!(log.lines("the store cannot be used: Connection refused").len(), 1);
    let server = server.restart();
    becomes(true, Posture::Kept).await;
    assert_eq!(log.lines("").len(), 2, "{:#?}", log.lines(""));
    assert_eq!(log.lines("the store can be used again").len(), 1);
    // A server that hangs counts as unreachable.
    server.pause();
    becomes(false, Posture::Unknown).await;
    assert_eq!(log.lines("the store cannot be used: it does not answer").len(), 1);
    server.go_on();
    becomes(true, Posture::Kept).await;
    assert_eq!(log.lines("").len(), 4, "{:#?}", log.lines(""));
}
