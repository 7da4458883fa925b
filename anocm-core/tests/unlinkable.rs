//! What a relay could link or read: nothing beyond what every guest sends alike.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use anocm_core::{Command, NewRoom, testing::network::Network};
use common::{Guest, Stage, seconds};

/// Shorter than anything that could identify a guest.
const WINDOW: usize = 6;

/// Returns all windows of the frames of a conversation of one guest in a room with one friend.
async fn frames_of_a_room(nickname: &str, seed: u64) -> HashSet<Vec<u8>> {
    let stage = Stage::new();
    let network = Network::new(seed, Duration::from_millis(3));
    let seen = Arc::new(Mutex::new(HashSet::new()));
    let into = seen.clone();
    network.inspect(Arc::new(move |_, frame| {
        let mut seen = into.lock().unwrap();
        seen.extend(frame.windows(WINDOW).map(<[u8]>::to_vec));
    }));
    let reach = |line| Arc::new(network.transport(line, stage.reach())) as Arc<_>;
    let new = NewRoom::default();
    let mut alice = Guest::opening(reach(0), nickname, new);
    alice.entered().await;
    let mut bob = Guest::knocking(reach(1), &alice.invite(), nickname);
    bob.entered().await;
    alice.says("the very same words", seconds(300));
    bob.hears("the very same words").await;
    bob.does(Command::Rename("another".parse().unwrap()));
    alice.does(Command::ReplaceInvite);
    bob.meanwhile(Duration::from_secs(3)).await;
    drop((alice, bob));
    tokio::time::sleep(Duration::from_secs(1)).await;
    std::mem::take(&mut *seen.lock().unwrap())
}

#[tokio::test(start_paused = true)]
async fn rooms_of_one_guest_share_no_bytes_that_those_of_strangers_do_not() {
    // Lengths and limits are next to random bytes, one or two of which may agree by chance: in two
    // rooms, but not in eight.
    let mut shared = frames_of_a_room("Alice", 1).await;
    for seed in 2..=8 {
        let another = frames_of_a_room("Alice", seed).await;
        shared.retain(|window| another.contains(window));
    }
    for seed in 9..=10 {
        let stranger = frames_of_a_room("Somebody Else", seed).await;
        shared.retain(|window| !stranger.contains(window));
    }
    assert!(shared.is_empty(), "{shared:?} links the rooms");
}
