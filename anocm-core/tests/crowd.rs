//! Many guests join through one door at once.

mod common;

use std::time::Duration;

use anocm_core::{
    RoomEvent,
    relay::{Rate, RelayConfig},
};
use common::{Guest, Stage};

const CROWD: usize = 24;

#[tokio::test(start_paused = true)]
async fn a_crowd_works_and_gets_in() {
    // The last of them need a proof of work, and some must wait.
    let config = RelayConfig {
        room_joins: Rate { amount: 60, period: Duration::from_secs(60), burst: 20 },
        max_difficulty: 1_024,
        ..RelayConfig::default()
    };
    let stage = Stage::of(config);
    let mut alice = stage.open("Alice").await;
    let invite = alice.invite();
    let crowd = (0..CROWD).map(|n| {
        let mut guest = Guest::knocking(stage.reach(), &invite, &format!("Guest {n}"));
        async move {
            guest.entered().await;
            guest
        }
    });
    let mut crowd = futures_util::future::join_all(crowd).await;
    alice.sees_members(CROWD + 1).await;
    alice.room.send("Welcome, everybody.").unwrap();
    for guest in &mut crowd {
        let heard = guest.until(|event| match event {
            RoomEvent::Message(said) => Some(said.text.as_str().to_owned()),
            _ => None,
        });
        assert_eq!(heard.await, "Welcome, everybody.");
    }
}
