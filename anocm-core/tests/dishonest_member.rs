//! A member with a modified client, against an honest relay.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod common;

use std::{sync::Arc, time::Duration};

use anocm_core::{
    Command, NewRoom, Nickname, RoomEvent, Secret, Token,
    room::{CommandError, Ended, JoinFailure, MessageText, Trouble},
    session::Content,
    testing::network::Network,
    wire::{CloseReason, EntryKind, Event, NextEpoch, Refusal, Reply, Request},
};
use common::{
    Guest, Stage,
    mallory::{Mallory, door_token},
    scene::troubles,
    seconds,
};

const BROKEN: Trouble = Trouble::Broken { by: None };

fn text(text: &str) -> Content {
    Content::Text(MessageText::new(text.to_owned()))
}

/// Alice and Bob, who exchange messages, and Mallory, who is about to deviate from the protocol.
async fn with_mallory(stage: &Stage) -> ([Guest; 2], Mallory) {
    let [mut alice, mut bob] = stage.with(&["Bob"]).await.try_into().unwrap();
    let mallory = Mallory::joins(stage, &alice.invite()).await;
    alice.sees_members(3).await;
    bob.sees_members(3).await;
    for guest in [&mut alice, &mut bob] {
        guest.meanwhile(Duration::from_secs(3)).await;
    }
    ([alice, bob], mallory)
}

async fn breaks(guest: &mut Guest) {
    guest.until(|event| matches!(event, RoomEvent::Trouble(BROKEN)).then_some(())).await;
}

async fn recovers(guest: &mut Guest) {
    guest.until(|event| matches!(event, RoomEvent::Recovered).then_some(())).await;
}

async fn they_talk(alice: &mut Guest, bob: &mut Guest) {
    for round in ["one", "two"] {
        alice.says(round, seconds(3_600));
        bob.hears(round).await;
        bob.says(&format!("{round}, too"), seconds(3_600));
        alice.hears(&format!("{round}, too")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_commit_is_taken_back_at_once_and_nothing_is_lost() {
    let stage = Stage::new();
    let ([mut alice, mut bob], mut mallory) = with_mallory(&stage).await;
    let (commit, nowhere) = (mallory.junk(EntryKind::Commit), mallory.nowhere());
    alice.says("before", seconds(3_600));
    mallory.publishes(commit, Some(nowhere)).await.unwrap();
    bob.says("meanwhile", seconds(3_600));
    for guest in [&mut alice, &mut bob] {
        breaks(guest).await;
        recovers(guest).await;
    }
    alice.hears("meanwhile").await;
    they_talk(&mut alice, &mut bob).await;
    assert_eq!(alice.kept(), bob.kept());
    let dave = stage.join(&alice.invite(), "Dave").await;
    alice.sees_members(4).await;
    drop(dave);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_join_is_taken_back_although_its_author_has_only_the_link() {
    let stage = Stage::new();
    let ([mut alice, mut bob], mut mallory) = with_mallory(&stage).await;
    let (entry, next) = (mallory.junk(EntryKind::Join), mallory.nowhere());
    let (address, door) = (*alice.invite().address(), door_token(&alice.invite()));
    let joined = mallory.hand.ask(Request::Join { address, door, entry, next }).await;
    assert!(matches!(joined, Ok(Reply::Accepted { .. })));
    for guest in [&mut alice, &mut bob] {
        breaks(guest).await;
        recovers(guest).await;
    }
    they_talk(&mut alice, &mut bob).await;
}

#[tokio::test(start_paused = true)]
async fn while_the_owner_is_away_members_say_that_the_room_is_broken() {
    for away in [2, 60] {
        let stage = Stage::new();
        let network = Network::new(1, Duration::ZERO);
        let reach = Arc::new(network.transport(0, stage.reach()));
        let mut alice = Guest::opening(reach, "Alice", NewRoom::default());
        alice.entered().await;
        let mut bob = stage.join(&alice.invite(), "Bob").await;
        let mut carol = stage.join(&alice.invite(), "Carol").await;
        let mut mallory = Mallory::joins(&stage, &alice.invite()).await;
        for guest in [&mut alice, &mut bob, &mut carol] {
            guest.sees_members(4).await;
        }
        network.block(0, true);
        let (commit, nowhere) = (mallory.junk(EntryKind::Commit), mallory.nowhere());
        mallory.publishes(commit, Some(nowhere)).await.unwrap();
        for guest in [&mut bob, &mut carol] {
            breaks(guest).await;
            let refused = guest.room.send("anybody?");
            assert_eq!(refused, Err(CommandError::Broken));
            assert!(guest.room.view().broken);
        }
        let events = bob.meanwhile(Duration::from_secs(away)).await;
        assert_eq!(troubles(&events), [], "said once");
        network.block(0, false);
        recovers(&mut bob).await;
        recovers(&mut carol).await;
        alice.meanwhile(Duration::from_secs(30)).await;
        they_talk(&mut alice, &mut bob).await;
        they_talk(&mut carol, &mut bob).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_room_whose_owner_stays_away_ends() {
    let stage = Stage::new();
    let ([alice, mut bob], mut mallory) = with_mallory(&stage).await;
    drop(alice);
    let (commit, nowhere) = (mallory.junk(EntryKind::Commit), mallory.nowhere());
    mallory.publishes(commit, Some(nowhere)).await.unwrap();
    breaks(&mut bob).await;
    assert_eq!(bob.ends().await, Ended::Closed(CloseReason::Gone));
}

#[tokio::test(start_paused = true)]
async fn one_who_breaks_the_room_over_and_over_can_be_removed_in_between() {
    let stage = Stage::new();
    let ([mut alice, mut bob], mut mallory) = with_mallory(&stage).await;
    for _ in 0..5 {
        let (commit, nowhere) = (mallory.junk(EntryKind::Commit), mallory.nowhere());
        mallory.publishes(commit, Some(nowhere)).await.unwrap();
        recovers(&mut alice).await;
        recovers(&mut bob).await;
    }
    alice.does(Command::Remove(mallory.session.me()));
    alice.sees_members(2).await;
    bob.sees_members(2).await;
    let (commit, nowhere) = (mallory.junk(EntryKind::Commit), mallory.nowhere());
    assert!(mallory.publishes(commit, Some(nowhere)).await.is_err());
    they_talk(&mut alice, &mut bob).await;
}

#[tokio::test(start_paused = true)]
async fn a_useless_door_keeps_guests_out_until_the_next_commit() {
    let stage = Stage::new();
    let ([mut alice, mut bob], mut mallory) = with_mallory(&stage).await;
    mallory.refreshes(|next, nowhere| next.group_info = nowhere.group_info).await;
    they_talk(&mut alice, &mut bob).await;
    let mut dave = Guest::knocking(stage.reach(), &alice.invite(), "Dave");
    assert_eq!(dave.ends().await, Ended::NotLetIn(JoinFailure::BadDoor));
    bob.does(Command::Rename("Robert".parse().unwrap()));
    alice.until(|event| matches!(event, RoomEvent::Renamed { .. }).then_some(())).await;
    let mut dave = stage.join(&alice.invite(), "Dave").await;
    they_talk(&mut alice, &mut dave).await;
}

#[tokio::test(start_paused = true)]
async fn an_unprovable_epoch_is_left_through_the_door() {
    let stage = Stage::new();
    let ([mut alice, mut bob], mut mallory) = with_mallory(&stage).await;
    mallory.refreshes(|next, nowhere| next.member = nowhere.member).await;
    // The owner is admitted by her owner token.
    let events = alice.meanwhile(Duration::from_secs(120)).await;
    assert!(!troubles(&events).contains(&Trouble::Rejoined), "{events:#?}");
    let events = bob.meanwhile(Duration::from_secs(1)).await;
    assert!(troubles(&events).contains(&Trouble::Rejoined), "{events:#?}");
    they_talk(&mut alice, &mut bob).await;
    assert_eq!(alice.room.view().safety, bob.room.view().safety);
}

fn without_proof_or_door(next: &mut NextEpoch, nowhere: NextEpoch) {
    next.member = nowhere.member;
    next.door = Token::new(Secret::new([0x77; 32])).hash();
}

#[tokio::test(start_paused = true)]
async fn an_epoch_without_proof_or_door_is_put_right_by_the_owner() {
    let stage = Stage::new();
    let ([mut alice, mut bob], mut mallory) = with_mallory(&stage).await;
    mallory.refreshes(without_proof_or_door).await;
    alice.meanwhile(Duration::from_secs(60)).await;
    let events = bob.meanwhile(Duration::from_secs(1)).await;
    assert!(troubles(&events).contains(&Trouble::Rejoined), "{events:#?}");
    they_talk(&mut alice, &mut bob).await;
    let mut dave = stage.join(&alice.invite(), "Dave").await;
    they_talk(&mut alice, &mut dave).await;
}

#[tokio::test(start_paused = true)]
async fn an_epoch_without_proof_or_door_or_owner_is_the_end_and_all_are_told() {
    let stage = Stage::new();
    let ([alice, mut bob], mut mallory) = with_mallory(&stage).await;
    alice.room.wipe();
    mallory.refreshes(without_proof_or_door).await;
    // The relay admits no member during the linger, which is about as long as Bob's join timeout.
    let ends = [Ended::Closed(CloseReason::Gone), Ended::NotLetIn(JoinFailure::LinkReplaced)];
    assert!(ends.contains(&bob.ends().await));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_healed_by_a_new_epoch_once_a_minute() {
    let stage = Stage::new();
    let ([mut alice, mut bob], mut mallory) = with_mallory(&stage).await;
    let before = alice.room.view().epoch.value();
    for (minute, epochs) in [(0, 2), (1, 4)] {
        // Each of the two who notice renews the keys at most once per minute, whatever arrives.
        for _ in 0..4 {
            mallory.catches_up().await;
            let said = mallory.seals(minute, 7, text("twice"));
            for _ in 0..2 {
                mallory.publishes(said.clone(), None).await.unwrap();
            }
            for guest in [&mut alice, &mut bob] {
                guest.meanwhile(Duration::from_secs(3)).await;
            }
        }
        let renewed = alice.room.view().epoch.value() - before;
        assert!((epochs / 2..=epochs).contains(&renewed), "{renewed} new epochs");
        alice.meanwhile(Duration::from_secs(61)).await;
        bob.meanwhile(Duration::from_secs(1)).await;
    }
    they_talk(&mut alice, &mut bob).await;
}

#[tokio::test(start_paused = true)]
async fn what_others_said_cannot_be_said_again() {
    let stage = Stage::new();
    let ([mut alice, mut bob], mut mallory) = with_mallory(&stage).await;
    mallory.catches_up().await;
    alice.says("once", seconds(3_600));
    bob.hears("once").await;
    alice.hears("once").await;
    let entry = mallory.catches_up().await.pop().unwrap().entry;
    for _ in 0..3 {
        mallory.publishes(entry.clone(), None).await.unwrap();
    }
    let troubles = troubles(&bob.meanwhile(Duration::from_secs(5)).await);
    assert!(matches!(troubles[..], [Trouble::Unreadable { .. }, ..]), "{troubles:?}");
    assert_eq!((bob.kept(), alice.kept()), (vec!["once".to_owned()], vec!["once".to_owned()]));
    they_talk(&mut alice, &mut bob).await;
}

#[tokio::test(start_paused = true)]
async fn counters_are_neither_used_twice_nor_do_they_overflow() {
    let stage = Stage::new();
    let ([mut alice, mut bob], mut mallory) = with_mallory(&stage).await;
    mallory.catches_up().await;
    let by = mallory.session.me();
    let said = [
        (0, 1, "first"),
        (0, 2, "first, otherwise"),
        (0, 1, "first, again"),
        (u64::MAX - 1, 3, "late"),
        (u64::MAX, 4, "last"),
        (7, 5, "long ago"),
    ];
    for (counter, id, words) in said {
        let entry = mallory.seals(counter, id, text(words));
        mallory.publishes(entry, None).await.unwrap();
    }
    let heard = troubles(&bob.meanwhile(Duration::from_secs(5)).await);
    assert!(heard.contains(&Trouble::Repeated { by }), "{heard:?}");
    assert!(
        heard.iter().any(|trouble| matches!(trouble, Trouble::Gap { from, .. } if *from == by))
    );
    assert!(!heard.contains(&Trouble::DishonestRelay), "{heard:?}");
    assert_eq!(bob.kept(), ["first", "late", "last"]);
    they_talk(&mut alice, &mut bob).await;
}

#[tokio::test(start_paused = true)]
async fn the_last_counter_is_not_a_licence_to_repeat() {
    let stage = Stage::new();
    let ([_alice, mut bob], mut mallory) = with_mallory(&stage).await;
    mallory.catches_up().await;
    for id in 1..4 {
        let entry = mallory.seals(u64::MAX, id, text("last"));
        mallory.publishes(entry, None).await.unwrap();
    }
    bob.meanwhile(Duration::from_secs(5)).await;
    assert_eq!(bob.kept(), ["last"]);
}

#[tokio::test(start_paused = true)]
async fn a_leave_cannot_be_announced_for_another_member() {
    let stage = Stage::new();
    let ([mut alice, mut bob], mut mallory) = with_mallory(&stage).await;
    let other = Mallory::joins(&stage, &alice.invite()).await;
    mallory.catches_up().await;
    let not_hers = other.session.leave_statement().unwrap();
    let entry = mallory.seals(0, 1, Content::Leaving(not_hers));
    mallory.publishes(entry, None).await.unwrap();
    let heard = troubles(&bob.meanwhile(Duration::from_secs(30)).await);
    assert!(matches!(heard[..], [Trouble::Unreadable { .. }]), "{heard:?}");
    assert_eq!(bob.room.view().members.len(), 4);
    they_talk(&mut alice, &mut bob).await;
}

#[tokio::test(start_paused = true)]
async fn a_whisper_that_does_not_open_says_nothing() {
    let stage = Stage::new();
    let ([mut alice, mut bob], mut mallory) = with_mallory(&stage).await;
    mallory.catches_up().await;
    let stale = mallory.session.whisper(bob.me(), &text("psst"), &mut mallory.rng).unwrap();
    alice.does(Command::Rename("Alicia".parse::<Nickname>().unwrap()));
    bob.until(|event| matches!(event, RoomEvent::Renamed { .. }).then_some(())).await;
    mallory.catches_up().await;
    let entry = mallory.seals(0, 1, stale);
    mallory.publishes(entry, None).await.unwrap();
    let events = bob.meanwhile(Duration::from_secs(5)).await;
    assert!(!events.iter().any(|event| matches!(event, RoomEvent::Message(_))), "{events:?}");
    they_talk(&mut alice, &mut bob).await;
}

#[tokio::test(start_paused = true)]
async fn who_never_proves_the_new_epoch_is_cut_off_after_the_grace() {
    let stage = Stage::new();
    let ([alice, mut bob], mut mallory) = with_mallory(&stage).await;
    mallory.catches_up().await;
    mallory.hand.told.clear();
    bob.does(Command::Rename("Robert".parse::<Nickname>().unwrap()));
    let heard = mallory.hand.listens(Duration::from_secs(9)).await;
    assert!(heard.iter().any(|event| matches!(event, Event::Entry { .. })));
    let lapsed = mallory.hand.listens(Duration::from_secs(3)).await;
    assert!(matches!(lapsed.last(), Some(Event::Lapsed { .. })), "{lapsed:?}");
    alice.says("not for her", seconds(3_600));
    bob.hears("not for her").await;
    assert_eq!(mallory.hand.listens(Duration::from_secs(60)).await, []);
    let entry = mallory.seals(0, 1, text("me, too"));
    let refused = mallory.publishes(entry, None).await;
    assert!(matches!(refused, Err(Refusal::StaleEpoch { .. })), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn who_was_removed_can_neither_read_nor_write_any_more() {
    let stage = Stage::new();
    let ([mut alice, mut bob], mut mallory) = with_mallory(&stage).await;
    mallory.catches_up().await;
    let before = mallory.seals(0, 1, text("before"));
    alice.does(Command::Remove(mallory.session.me()));
    alice.sees_members(2).await;
    bob.sees_members(2).await;
    alice.says("without her", seconds(3_600));
    bob.hears("without her").await;

    let stale = mallory.publishes(before.clone(), None).await;
    assert!(matches!(stale, Err(Refusal::StaleEpoch { .. })));
    let mut after = before;
    after.epoch = alice.room.view().epoch;
    assert_eq!(mallory.publishes(after, None).await, Err(Refusal::NotAdmitted));
    // She may read the commit that removed her, and nothing after it.
    let seen = mallory.catches_up().await;
    assert!(mallory.session.is_removed());
    assert_eq!(seen.last().map(|item| item.entry.kind), Some(EntryKind::Commit));
    assert_eq!(mallory.reads().await, Ok(vec![]));
    let (address, door) = (*alice.invite().address(), mallory.session.door_token().clone());
    let look = mallory.hand.ask(Request::Look { address, door }).await;
    assert_eq!(look, Err(Refusal::NotAdmitted));
}
