//! Whole conversations between clients over an in-process relay.

mod common;

use std::{sync::Arc, time::Duration};

use anocm_core::{
    Command, GuestRetention, NewRoom, Retention, RoomEvent,
    client::ClientError,
    room::{CommandError, Confirmation, Ended, JoinFailure, SendFailure, Trouble},
    session::{Departure, Role},
    testing::network::Network,
    wire::CloseReason,
};
use common::{Guest, Stage, seconds};

#[tokio::test(start_paused = true)]
async fn two_strangers_talk_both_ways() {
    let stage = Stage::new();
    let [mut alice, mut bob] = stage.with(&["Bob"]).await.try_into().unwrap();
    alice.says("hello", seconds(60));
    let heard = bob.hears("hello").await;
    assert_eq!(heard.from.nickname.as_str(), "Alice");
    assert_eq!(heard.retention, seconds(60));
    bob.says("hello yourself", seconds(60));
    alice.hears("hello yourself").await;
    bob.hears("hello yourself").await;
    assert_eq!(alice.kept(), ["hello", "hello yourself"]);
    assert_eq!(alice.kept(), bob.kept());
    let (hers, his) = (alice.room.view(), bob.room.view());
    assert_eq!(hers.safety, his.safety);
    assert_eq!(hers.members, his.members);
    assert!(matches!(his.confirmation, Confirmation::Confirmed { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_guest_joins_while_no_member_is_connected() {
    let stage = Stage::new();
    let alice = stage.open("Alice").await;
    let invite = alice.invite();
    drop(alice);
    let mut bob = stage.join(&invite, "Bob").await;
    bob.says("anybody here?", seconds(60));
    bob.hears("anybody here?").await;
    assert_eq!(bob.room.view().confirmation, Confirmation::Unheard);
}

#[tokio::test(start_paused = true)]
async fn a_message_expires_everywhere_and_on_time() {
    let stage = Stage::new();
    let [mut alice, mut bob] = stage.with(&["Bob"]).await.try_into().unwrap();
    alice.says("for ten seconds", seconds(10));
    let heard = bob.hears("for ten seconds").await;
    alice.hears("for ten seconds").await;
    for guest in [&mut alice, &mut bob] {
        guest
            .until(|event| match event {
                RoomEvent::Expired { id } if *id == heard.id => Some(()),
                _ => None,
            })
            .await;
        assert!(guest.kept().is_empty());
    }
    let late = bob.room.now().saturating_duration_since(heard.expires.unwrap());
    assert!(late <= Duration::from_millis(2), "{late:?} late");
}

#[tokio::test(start_paused = true)]
async fn a_live_message_reaches_connected_members_only() {
    let stage = Stage::new();
    let [mut alice, mut bob] = stage.with(&["Bob"]).await.try_into().unwrap();
    alice.says("now or never", Retention::Live);
    let heard = bob.hears("now or never").await;
    assert_eq!(heard.expires, None);
    alice.hears("now or never").await;
    assert!(alice.kept().is_empty() && bob.kept().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_strictest_retention_wins_and_is_known_to_the_receiver() {
    let stage = Stage::new();
    let [mut alice, mut bob] = stage.with(&["Bob"]).await.try_into().unwrap();
    let cap = GuestRetention { default: None, cap: Some(seconds(5)) };
    bob.does(Command::SetGuestRetention(cap));
    alice.says("for an hour", seconds(3_600));
    assert_eq!(alice.hears("for an hour").await.retention, seconds(3_600));
    assert_eq!(bob.hears("for an hour").await.retention, seconds(5));
    bob.says("within my cap", seconds(3_600));
    assert_eq!(alice.hears("within my cap").await.retention, seconds(5));
    alice.does(Command::SetGuestRetention(cap));
    assert_eq!(alice.room.history()[0].retention, seconds(5));
}

#[tokio::test(start_paused = true)]
async fn a_whisper_is_for_one() {
    let stage = Stage::new();
    let [mut alice, mut bob, mut carol] = stage.with(&["Bob", "Carol"]).await.try_into().unwrap();
    let text = "between us".to_owned();
    alice.does(Command::Whisper { to: bob.me(), text, retention: Some(seconds(60)) });
    let heard = bob.hears("between us").await;
    assert_eq!(heard.whispered_to.map(|to| to.id), Some(bob.me()));
    assert!(alice.hears("between us").await.own);
    alice.says("for all", seconds(60));
    assert_eq!(carol.message().await.text.as_str(), "for all");
}

#[tokio::test(start_paused = true)]
async fn a_removed_member_receives_nothing_and_the_old_link_is_dead() {
    let stage = Stage::new();
    let [mut alice, mut bob, mut carol] = stage.with(&["Bob", "Carol"]).await.try_into().unwrap();
    let old = alice.invite();
    alice.does(Command::Remove(bob.me()));
    assert_eq!(bob.ends().await, Ended::Removed { by: alice.me() });
    carol.sees_members(2).await;
    alice.sees_members(2).await;
    alice.says("without Bob", seconds(60));
    carol.hears("without Bob").await;
    let mut again = Guest::knocking(stage.reach(), &old, "Bob");
    assert_eq!(again.ends().await, Ended::NotLetIn(JoinFailure::LinkReplaced));
    assert_eq!(carol.invite(), alice.invite());
    let dave = stage.join(&carol.invite(), "Dave").await;
    dave.says("by the new link", seconds(60));
    alice.hears("by the new link").await;
}

#[tokio::test(start_paused = true)]
async fn a_clean_leave_is_carried_out_by_those_who_stay() {
    let stage = Stage::new();
    let [mut alice, mut bob, carol] = stage.with(&["Bob", "Carol"]).await.try_into().unwrap();
    let (invite, gone) = (alice.invite(), carol.me());
    carol.does(Command::Leave);
    for guest in [&mut alice, &mut bob] {
        let how = guest
            .until(|event| match event {
                RoomEvent::Departed { member, how } if member.id == gone => Some(*how),
                _ => None,
            })
            .await;
        assert_eq!(how, Departure::Left);
        assert_eq!(guest.room.view().members.len(), 2);
    }
    assert_eq!(alice.invite(), invite, "a clean leave keeps the link");
}

#[tokio::test(start_paused = true)]
async fn names_and_roles_change_for_everyone() {
    let stage = Stage::new();
    let [mut alice, mut bob, mut carol] = stage.with(&["Bob", "Carol"]).await.try_into().unwrap();
    bob.does(Command::Rename("Robert".parse().unwrap()));
    carol
        .until(|event| match event {
            RoomEvent::Renamed { member, before } if before.as_str() == "Bob" => {
                assert_eq!(member.nickname.as_str(), "Robert");
                Some(())
            }
            _ => None,
        })
        .await;
    let refused = bob.room.command(Command::Remove(carol.me()));
    assert_eq!(refused, Err(CommandError::NotAllowed));
    alice.does(Command::SetRole(bob.me(), Role::Moderator));
    bob.until(|event| matches!(event, RoomEvent::SettingsChanged { .. }).then_some(())).await;
    bob.does(Command::Remove(carol.me()));
    assert_eq!(carol.ends().await, Ended::Removed { by: bob.me() });
    alice.sees_members(2).await;
}

#[tokio::test(start_paused = true)]
async fn the_owner_burns_the_room_for_everyone() {
    let stage = Stage::new();
    let [mut alice, mut bob] = stage.with(&["Bob"]).await.try_into().unwrap();
    let invite = alice.invite();
    assert_eq!(bob.room.command(Command::Close), Err(CommandError::NotAllowed));
    alice.does(Command::Close);
    assert_eq!(bob.ends().await, Ended::Closed(CloseReason::Owner));
    assert_eq!(alice.ends().await, Ended::Closed(CloseReason::Owner));
    assert!(alice.kept().is_empty());
    let mut late = Guest::knocking(stage.reach(), &invite, "Carol");
    assert_eq!(late.ends().await, Ended::NotLetIn(JoinFailure::NoSuchRoom));
}

#[tokio::test(start_paused = true)]
async fn a_room_ends_when_no_member_is_connected_for_its_linger() {
    let stage = Stage::new();
    let new = NewRoom { linger: Duration::from_secs(30), ..NewRoom::default() };
    let alice = stage.open_with("Alice", new).await;
    let invite = alice.invite();
    drop(alice);
    tokio::time::sleep(Duration::from_secs(29)).await;
    let bob = stage.join(&invite, "Bob").await;
    drop(bob);
    tokio::time::sleep(Duration::from_secs(31)).await;
    let mut late = Guest::knocking(stage.reach(), &invite, "Carol");
    assert_eq!(late.ends().await, Ended::NotLetIn(JoinFailure::NoSuchRoom));
}

#[tokio::test(start_paused = true)]
async fn a_room_ends_at_its_largest_age_however_lively() {
    let stage = Stage::new();
    let new = NewRoom { max_age: Duration::from_secs(100), ..NewRoom::default() };
    let mut alice = stage.open_with("Alice", new).await;
    assert_eq!(alice.ends().await, Ended::Closed(CloseReason::Age));
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_stops_tells_its_rooms() {
    let stage = Stage::new();
    let [mut alice, mut bob] = stage.with(&["Bob"]).await.try_into().unwrap();
    stage.relay.shutdown(true).await;
    assert_eq!(alice.ends().await, Ended::Closed(CloseReason::Gone));
    assert_eq!(bob.ends().await, Ended::Closed(CloseReason::Gone));
}

#[tokio::test(start_paused = true)]
async fn several_rooms_share_a_connection_and_nothing_else() {
    let stage = Stage::new();
    let mut alice = stage.open("Alice").await;
    let second = alice.client.create(&NewRoom::default()).unwrap();
    let mut second = Guest { client: alice.client.clone(), room: second };
    second.entered().await;
    alice.says("in the first", seconds(60));
    second.says("in the second", seconds(60));
    assert_eq!(alice.message().await.text.as_str(), "in the first");
    assert_eq!(second.message().await.text.as_str(), "in the second");
    assert_ne!(alice.me(), second.me());
    let invite = second.invite();
    let again = alice.client.join(&invite, "Alice".parse().unwrap());
    assert_eq!(again.unwrap_err(), ClientError::AlreadyThere);
}

#[tokio::test(start_paused = true)]
async fn wiping_is_at_once_and_shutting_down_leaves_nothing_running() {
    let stage = Stage::new();
    let [mut alice, mut bob] = stage.with(&["Bob"]).await.try_into().unwrap();
    alice.says("secret", seconds(60));
    bob.hears("secret").await;
    bob.room.wipe();
    assert!(bob.kept().is_empty());
    assert!(bob.room.view().invite.is_none());
    assert_eq!(bob.ends().await, Ended::Wiped);
    alice.client.shutdown().await;
    assert_eq!(alice.ends().await, Ended::Wiped);
    let late = alice.client.create(&NewRoom::default());
    assert_eq!(late.unwrap_err(), ClientError::ShutDown);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_said_is_refused_before_anything_happens() {
    let stage = Stage::new();
    let alice = stage.open("Alice").await;
    let say = |text: String| alice.room.command(Command::Send { text, retention: None });
    assert_eq!(say(String::new()), Err(CommandError::Empty));
    assert_eq!(say("x".repeat(15_001)), Err(CommandError::TooLong { limit: 15_000 }));
    say("x".repeat(15_000)).unwrap();
    let nobody = anocm_core::MemberId::new([9; 16]);
    assert_eq!(alice.room.command(Command::Remove(nobody)), Err(CommandError::NoSuchMember));
}

#[tokio::test(start_paused = true)]
async fn the_room_policy_changes_within_what_the_relay_was_told() {
    let stage = Stage::new();
    let [mut alice, mut bob] = stage.with(&["Bob"]).await.try_into().unwrap();
    alice.says("long", seconds(3_600));
    bob.hears("long").await;
    let short = anocm_core::RoomRetention::new(Retention::Live, seconds(5), seconds(10)).unwrap();
    alice.does(Command::SetRoomRetention(short));
    bob.until(|event| matches!(event, RoomEvent::SettingsChanged { .. }).then_some(())).await;
    assert_eq!(bob.room.view().retention, short);
    assert_eq!(bob.room.history().first().map(|message| message.retention), Some(seconds(10)));
    bob.does(Command::Send { text: "short".to_owned(), retention: None });
    assert_eq!(alice.hears("short").await.retention, seconds(5));
    let beyond = seconds(2 * 24 * 3_600);
    let beyond = anocm_core::RoomRetention::new(Retention::Live, seconds(5), beyond).unwrap();
    let refused = alice.room.command(Command::SetRoomRetention(beyond));
    assert_eq!(refused, Err(CommandError::BeyondPolicy));
}

#[tokio::test(start_paused = true)]
async fn typing_and_presence_are_heard_and_not_kept() {
    let stage = Stage::new();
    let [alice, mut bob] = stage.with(&["Bob"]).await.try_into().unwrap();
    bob.meanwhile(Duration::from_secs(5)).await;
    alice.does(Command::Typing);
    let who = bob
        .until(|event| match event {
            RoomEvent::Typing { member } => Some(*member),
            _ => None,
        })
        .await;
    assert_eq!(who, alice.me());
    let here = alice.me();
    assert!(bob.room.view().here.contains(&here));
    drop(alice);
    bob.until(|event| match event {
        RoomEvent::Presence { member, here: false } if *member == here => Some(()),
        _ => None,
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_amiss_in_an_ordinary_conversation() {
    let stage = Stage::new();
    let mut guests = stage.with(&["Bob", "Carol"]).await;
    for round in 0..10 {
        for guest in &guests {
            guest.says(&format!("round {round}"), seconds(60));
        }
    }
    for guest in &mut guests {
        for event in guest.meanwhile(Duration::from_secs(300)).await {
            if let RoomEvent::Trouble(trouble) = event {
                panic!("{trouble:?}");
            }
        }
    }
    let _ = Trouble::DishonestRelay;
}

#[tokio::test(start_paused = true)]
async fn a_room_burnt_while_the_connection_is_cut_ends_when_it_is_back() {
    let stage = Stage::new();
    let network = Network::new(1, Duration::from_millis(5));
    let reach = Arc::new(network.transport(0, stage.reach()));
    let mut alice = Guest::opening(reach, "Alice", NewRoom::default());
    alice.entered().await;
    let mut bob = stage.join(&alice.invite(), "Bob").await;
    network.block(0, true);
    alice.meanwhile(Duration::from_secs(1)).await;
    alice.does(Command::Close);
    network.block(0, false);
    assert_eq!(bob.ends().await, Ended::Closed(CloseReason::Owner));
    assert_eq!(alice.ends().await, Ended::Closed(CloseReason::Owner));
}

#[tokio::test(start_paused = true)]
async fn what_was_live_is_not_said_long_after() {
    let stage = Stage::new();
    let network = Network::new(1, Duration::from_millis(5));
    let reach = Arc::new(network.transport(0, stage.reach()));
    let mut alice = Guest::opening(reach, "Alice", NewRoom::default());
    alice.entered().await;
    network.block(0, true);
    alice.meanwhile(Duration::from_secs(1)).await;
    alice.says("now or never", Retention::Live);
    let why = alice
        .until(|event| match event {
            RoomEvent::NotSent { why, .. } => Some(*why),
            _ => None,
        })
        .await;
    assert_eq!(why, SendFailure::Expired);
}

#[tokio::test(start_paused = true)]
async fn events_not_fetched_in_time_are_never_shown() {
    let stage = Stage::new();
    let [alice, mut bob] = stage.with(&["Bob"]).await.try_into().unwrap();
    alice.says("for five seconds", seconds(5));
    // Bob's program fetches no events for longer than that.
    tokio::time::sleep(Duration::from_secs(10)).await;
    for event in bob.meanwhile(Duration::from_secs(1)).await {
        assert!(!matches!(event, RoomEvent::Message(_) | RoomEvent::Expired { .. }), "{event:?}");
    }
}

#[test]
fn a_command_prints_nothing_of_what_is_said() {
    let say = Command::Send { text: "secret".to_owned(), retention: None };
    assert!(!format!("{say:?}").contains("secret"));
}
