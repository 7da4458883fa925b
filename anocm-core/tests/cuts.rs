//! A scripted conversation whose connections are cut after every single frame in turn.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::{sync::Arc, time::Duration};

use anocm_core::{Command, RoomEvent, testing::network::Network};
use common::{Guest, Stage, seconds};

/// The guest whose connection is cut, and after how many of its frames.
type Cut = Option<(usize, u64)>;

/// Plays the script, and returns how many frames each of the three connections carried.
async fn play(cut: Cut) -> [u64; 3] {
    let stage = Stage::new();
    let network = Network::new(1, Duration::ZERO);
    if let Some((line, frames)) = cut {
        network.cut_after(line, frames);
    }
    let reach = |line| Arc::new(network.transport(line, stage.reach())) as Arc<_>;
    let mut alice = Guest::opening(reach(0), "Alice", anocm_core::NewRoom::default());
    alice.entered().await;
    let mut bob = Guest::knocking(reach(1), &alice.invite(), "Bob");
    bob.entered().await;
    alice.sees_members(2).await;
    alice.says("one", seconds(3_600));
    bob.says("two", seconds(3_600));
    let mut carol = Guest::knocking(reach(2), &alice.invite(), "Carol");
    carol.entered().await;
    bob.sees_members(3).await;
    carol.does(Command::Rename("Caroline".parse().unwrap()));
    for (guest, text) in [(&alice, "three"), (&bob, "four"), (&carol, "five")] {
        guest.says(text, seconds(3_600));
    }
    settle(&mut [&mut alice, &mut bob, &mut carol]).await;

    let heard = [&alice, &bob, &carol].map(Guest::kept);
    let count = |texts: &[String], text| texts.iter().filter(|heard| *heard == text).count();
    for text in ["one", "two", "three", "four", "five"] {
        assert_eq!(count(&heard[0], text), 1, "{text} at Alice's");
        assert_eq!(count(&heard[1], text), 1, "{text} at Bob's");
    }
    for text in ["three", "four", "five"] {
        assert_eq!(count(&heard[2], text), 1, "{text} at Carol's");
    }
    assert_eq!(heard[0], heard[1], "one order for all");
    assert!(heard[0].ends_with(&heard[2]), "one order for all");
    let rosters = [&alice, &bob, &carol].map(|guest| guest.room.view().members);
    assert_eq!(rosters[0], rosters[1]);
    assert_eq!(rosters[0], rosters[2]);
    assert_eq!(rosters[0].len(), 3);
    [0, 1, 2].map(|line| network.passed(line))
}

/// Waits until everything is processed; no trouble but `Missed` may be reported meanwhile.
async fn settle(guests: &mut [&mut Guest]) {
    for guest in guests {
        for event in guest.meanwhile(Duration::from_secs(20)).await {
            if let RoomEvent::Trouble(trouble) = event {
                let harmless = matches!(trouble, anocm_core::room::Trouble::Missed { .. });
                assert!(harmless, "{trouble:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_conversation_survives_a_cut_after_every_frame_of_everyone() {
    let frames = play(None).await;
    let mut cuts = 0;
    for (line, &frames) in frames.iter().enumerate() {
        for frame in 1..=frames {
            play(Some((line, frame))).await;
            cuts += 1;
        }
    }
    assert!(cuts > 60, "the script is too short to mean anything: {cuts} cuts");
}
