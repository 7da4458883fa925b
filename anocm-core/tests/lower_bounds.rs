//! An operator whose limits are below the requested settings: the room is opened with lower limits.

mod common;

use std::time::Duration;

use anocm_core::{
    NewRoom, Retention, RoomEvent,
    relay::{PolicyLimits, RelayConfig},
    room::{Ended, JoinFailure, Trouble},
    wire::Policy,
};
use common::{Guest, Stage, seconds};

const DAY: u64 = 86_400;

fn stage(change: impl FnOnce(&mut PolicyLimits)) -> Stage {
    let mut config = RelayConfig::default();
    change(&mut config.policy);
    Stage::of(config)
}

/// Opens a room, and returns the reduced policy; `None` if the room was opened as requested.
async fn opened(stage: &Stage, new: NewRoom) -> (Guest, Option<Policy>) {
    let mut alice = Guest::opening(stage.reach(), "Alice", new);
    alice.entered().await;
    let events = alice.meanwhile(Duration::from_secs(2)).await;
    let less = events.into_iter().find_map(|event| match event {
        RoomEvent::Trouble(Trouble::LessThanAsked { policy }) => Some(policy),
        _ => None,
    });
    (alice, less)
}

#[tokio::test(start_paused = true)]
async fn a_room_keeps_no_longer_and_gets_no_older_than_the_operator_allows() {
    let stage = stage(|limits| {
        limits.max_retention = seconds(3_600);
        limits.max_age = Duration::from_secs(DAY);
    });
    let (alice, less) = opened(&stage, NewRoom::default()).await;
    let policy = less.unwrap();
    assert_eq!((policy.max_retention, policy.max_age), (seconds(3_600), DAY * 1_000));
    let retention = alice.room.view().retention;
    assert_eq!((retention.default_retention(), retention.max()), (seconds(300), seconds(3_600)));
    // The room works like any other.
    let mut bob = stage.join(&alice.invite(), "Bob").await;
    alice.says("hello", seconds(60));
    bob.hears("hello").await;
}

#[tokio::test(start_paused = true)]
async fn every_limit_may_be_lower_than_the_default() {
    let fits = [
        stage(|limits| limits.max_retention = Retention::Live),
        stage(|limits| limits.linger = Duration::from_secs(45)),
        stage(|limits| limits.max_age = Duration::from_secs(3_600)),
        stage(|limits| limits.max_entries = 500),
        stage(|limits| limits.max_bytes = 5_000_000),
    ];
    for (number, stage) in fits.iter().enumerate() {
        assert!(opened(stage, NewRoom::default()).await.1.is_some(), "stage {number}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_room_that_is_as_it_was_asked_for_nothing_is_told() {
    assert_eq!(opened(&Stage::new(), NewRoom::default()).await.1, None);
}

#[tokio::test(start_paused = true)]
async fn where_no_room_can_be_its_guest_is_told_that_it_is_for_its_settings() {
    let stage = stage(|limits| limits.linger = Duration::from_secs(2));
    let mut alice = Guest::opening(stage.reach(), "Alice", NewRoom::default());
    assert_eq!(alice.ends().await, Ended::NotLetIn(JoinFailure::Settings));
    // With settings within the limits it can be opened.
    let new = NewRoom { linger: Duration::from_secs(2), ..NewRoom::default() };
    assert_eq!(opened(&stage, new).await.1, None);
}
