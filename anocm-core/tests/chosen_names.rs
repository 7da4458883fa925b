//! Values that a member chooses and other members see identify nothing: a modified client reuses
//! the nonces and ids of other members, against an honest relay.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on ends")]

mod common;

use std::{convert::Infallible, time::Duration};

use anocm_core::{
    MessageId, Nickname, Payload, Retention, RoomEvent,
    room::{Ended, MessageText, Trouble},
    session::{Change, CommitBundle, Content, Envelope},
    wire::{Entry, EntryKind},
};
use common::{Guest, Stage, mallory::Mallory, scene::troubles, seconds};
use rand_core::{TryCryptoRng, TryRng};

const NONCE: usize = 24;

/// A random source that repeats the same bytes: a seal made with it has that nonce.
struct Given([u8; NONCE]);

impl TryRng for Given {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(4)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(4)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for (byte, given) in bytes.iter_mut().zip(self.0.iter().cycle()) {
            *byte = *given;
        }
        Ok(())
    }
}

impl TryCryptoRng for Given {}

/// Alice, Bob and Mallory, who knows the nonce of the last message of `speaker`.
async fn with_nonce_of(stage: &Stage, speaker: usize) -> ([Guest; 2], Mallory, [u8; NONCE]) {
    let mut guests: [Guest; 2] = stage.with(&["Bob"]).await.try_into().unwrap();
    let mut mallory = Mallory::joins(stage, &guests[0].invite()).await;
    for guest in &mut guests {
        guest.sees_members(3).await;
        guest.meanwhile(Duration::from_secs(3)).await;
    }
    guests[speaker].says("a nonce to be used again", seconds(3_600));
    for guest in &mut guests {
        guest.hears("a nonce to be used again").await;
    }
    let seen = mallory.catches_up().await;
    let nonce = *seen.last().unwrap().entry.sealed.first_chunk().unwrap();
    (guests, mallory, nonce)
}

async fn they_talk(guests: &mut [Guest; 2]) {
    let [alice, bob] = guests;
    alice.says("still here?", seconds(3_600));
    bob.hears("still here?").await;
    bob.says("still here", seconds(3_600));
    alice.hears("still here").await;
    assert_eq!(alice.room.view().safety, bob.room.view().safety);
}

#[tokio::test(start_paused = true)]
async fn junk_under_the_nonce_of_a_member_is_seen_by_that_member_as_well() {
    for speaker in 0..2 {
        let stage = Stage::new();
        let (mut guests, mut mallory, nonce) = with_nonce_of(&stage, speaker).await;
        let mut sealed = vec![0x66; 1_000];
        sealed[..NONCE].copy_from_slice(&nonce);
        let junk = Entry { sealed: Payload::from(sealed), ..mallory.junk(EntryKind::Commit) };
        let nowhere = mallory.nowhere();
        mallory.publishes(junk, Some(nowhere)).await.unwrap();
        for guest in &mut guests {
            guest.until(|event| matches!(event, RoomEvent::Recovered).then_some(())).await;
        }
        they_talk(&mut guests).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_under_the_nonce_of_a_member_is_shown_to_that_member_as_well() {
    let stage = Stage::new();
    let (mut guests, mut mallory, nonce) = with_nonce_of(&stage, 1).await;
    let content = Content::Text(MessageText::new("for all".to_owned()));
    let envelope = Envelope { id: MessageId::new([7; 16]), counter: 0, content };
    let entry = mallory.session.seal(&envelope, seconds(60), &mut Given(nonce)).unwrap();
    assert_eq!(entry.sealed.first_chunk(), Some(&nonce), "the nonce that was given");
    mallory.publishes(entry, None).await.unwrap();
    for guest in &mut guests {
        guest.hears("for all").await;
    }
    they_talk(&mut guests).await;
}

#[tokio::test(start_paused = true)]
async fn a_lawful_commit_under_the_nonce_of_a_member_is_followed_by_that_member_as_well() {
    let stage = Stage::new();
    let (mut guests, mut mallory, nonce) = with_nonce_of(&stage, 1).await;
    let name: Nickname = "Mall".parse().unwrap();
    let change = Change::Rename(name.clone());
    let CommitBundle { entry, next } = mallory.session.propose(change, &mut Given(nonce)).unwrap();
    assert_eq!(entry.sealed.first_chunk(), Some(&nonce), "the nonce that was given");
    mallory.publishes(entry, Some(next)).await.unwrap();
    for guest in &mut guests {
        let events = guest.meanwhile(Duration::from_secs(10)).await;
        let renamed = |event: &RoomEvent| matches!(event, RoomEvent::Renamed { .. });
        assert!(events.iter().any(renamed), "{events:#?}");
        assert_eq!(troubles(&events), []);
    }
    they_talk(&mut guests).await;
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_a_members_own_entry_is_unreadable_to_its_author_as_well() {
    let stage = Stage::new();
    let (mut guests, mut mallory, _) = with_nonce_of(&stage, 1).await;
    guests[1].says("once", seconds(3_600));
    for guest in &mut guests {
        guest.hears("once").await;
    }
    let copy = mallory.catches_up().await.pop().unwrap().entry;
    mallory.publishes(copy, None).await.unwrap();
    for guest in &mut guests {
        let events = guest.meanwhile(Duration::from_secs(5)).await;
        let heard = troubles(&events);
        assert!(matches!(heard[..], [Trouble::Unreadable { .. }, ..]), "{heard:?}");
        let ended = |event: &RoomEvent| matches!(event, RoomEvent::Ended(Ended::DishonestRelay));
        assert!(!events.iter().any(ended));
    }
    they_talk(&mut guests).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_under_the_id_of_another_does_not_take_that_one_along() {
    for retention in [Retention::Live, seconds(1)] {
        let stage = Stage::new();
        let (mut guests, mut mallory, _) = with_nonce_of(&stage, 1).await;
        guests[0].says("to be hidden", seconds(3_600));
        let mut id = MessageId::new([0; 16]);
        for guest in &mut guests {
            id = guest.hears("to be hidden").await.id;
        }
        mallory.catches_up().await;
        let content = Content::Text(MessageText::new("in its place".to_owned()));
        let envelope = Envelope { id, counter: 0, content };
        let entry = mallory.session.seal(&envelope, retention, &mut mallory.rng).unwrap();
        mallory.publishes(entry, None).await.unwrap();
        for guest in &mut guests {
            let events = guest.meanwhile(Duration::from_secs(5)).await;
            let expired = |event: &RoomEvent| matches!(event, RoomEvent::Expired { .. });
            assert!(!events.iter().any(expired), "{events:#?}");
            let by = mallory.session.me();
            assert_eq!(troubles(&events), [Trouble::Repeated { by }]);
            assert!(guest.kept().contains(&"to be hidden".to_owned()));
        }
        they_talk(&mut guests).await;
    }
}
