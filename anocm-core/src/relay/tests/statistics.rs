//! A relay's counters.

use super::*;
use crate::wire::Posture;

#[tokio::test(start_paused = true)]
async fn what_there_is_is_told_with_its_limit() {
    let world = World::with(RelayConfig { max_connections: 7, ..RelayConfig::default() });
    world.store.state_posture(Posture::Kept);
    let mut alice = world.alice().await;
    assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(1));
    tokio::time::sleep(SECOND).await;
    let seen = world.relay.statistics();
    assert_eq!((seen.connections, seen.max_connections), (1, 7));
    let memory = seen.store.memory.unwrap();
    assert_eq!((memory.used, memory.limit), (1_024 + 1_000 + 256 + 1_000, 966_367_642));
    assert_eq!((seen.store.rooms.unwrap().used, seen.store.entries), (1, Some(1)));
    assert_eq!(seen.posture, Posture::Kept);
    assert!(world.relay.is_ready());
    drop(alice);
    world.relay.shutdown(true).await;
    assert!(!world.relay.is_ready());
}

#[tokio::test(start_paused = true)]
async fn what_is_done_is_counted() {
    let world = World::with(RelayConfig { max_connections: 2, ..RelayConfig::default() });
    let mut alice = world.alice().await;
    let mut bob = world.member().await;
    assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(1));
    assert_eq!(bob.entry().await.seq, Seq::new(1));
    assert!(alice.say(1, kept(MINUTE)).await.is_err());
    assert_eq!(world.relay.transport().connect().await.unwrap().recv().await, Ok(None));

    let seen = world.relay.statistics();
    assert_eq!((seen.connections, seen.watched_rooms), (2, 1));
    assert_eq!((seen.connected, seen.turned_away, seen.stalled), (2, 1, 0));
    let of = |numbers: &[(&str, u64)], kind: &str| {
        numbers.iter().find(|(name, _)| *name == kind).unwrap().1
    };
    let asked = ["create", "enter", "publish", "read"].map(|kind| of(&seen.requests, kind));
    assert_eq!(asked, [1, 1, 2, 0]);
    let refused = ["stale_epoch", "full"].map(|kind| of(&seen.refusals, kind));
    assert_eq!(refused, [1, 0]);
    // Four replies, and one entry for each of the two.
    assert_eq!(seen.frames_sent, 6);
    assert!(seen.bytes_sent > 2_000 && seen.bytes_received > 3_000);
    assert_eq!(seen.answers.buckets[0], (Some(1), 4));
    assert_eq!(seen.answers.buckets.last(), Some(&(None, 0)));

    drop((alice, bob));
    tokio::time::sleep(SECOND).await;
    let seen = world.relay.statistics();
    assert_eq!((seen.connections, seen.watched_rooms), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_takes_long_counts_as_long() {
    let world = World::with(RelayConfig { write_timeout: SECOND, ..RelayConfig::default() });
    let mut alice = world.alice().await;
    let bob = world.member().await;
    // Bob reads nothing, and his connection is closed by the write timeout.
    for _ in 0..200 {
        assert!(alice.say(0, kept(MINUTE)).await.is_ok());
    }
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(world.relay.statistics().stalled, 1);
    drop(bob);
}
