//! Attacks with nothing but the link: entries of kind join that are not valid joins. Against an
//! honest relay.
#![expect(clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on ends")]

mod common;

use std::{sync::Arc, time::Duration};

use anocm_core::{
    Invite, NewRoom, Payload, RoomEvent, Secret, Seq, Token,
    room::{Ended, Trouble},
    testing::network::Network,
    wire::{Entry, EntryKind, NextEpoch, Refusal, Reply, Request},
};
use common::{
    Guest, Stage,
    mallory::{Hand, Mallory, door_token},
    scene::troubles,
    seconds,
};

/// The room continues within this time after an invalid join: the wait of three seconds, a random
/// wait of one second, and the time to prove the epoch again.
const GOES_ON: Duration = Duration::from_secs(6);

/// Guests whose connections can be cut one by one.
struct Cuttable {
    stage: Stage,
    network: Network,
    guests: Vec<Guest>,
}

impl Cuttable {
    async fn with(names: &[&str]) -> Self {
        let (stage, network) = (Stage::new(), Network::new(1, Duration::ZERO));
        let mut guests: Vec<Guest> = Vec::new();
        let new = NewRoom { linger: Duration::from_secs(600), ..NewRoom::default() };
        for (place, name) in names.iter().enumerate() {
            let reach = Arc::new(network.transport(place, stage.reach()));
            let mut guest = match guests.first() {
                None => Guest::opening(reach, name, new.clone()),
                Some(owner) => Guest::knocking(reach, &owner.invite(), name),
            };
            guest.entered().await;
            guests.push(guest);
            for guest in &mut guests {
                guest.sees_members(place + 1).await;
            }
        }
        let mut cuttable = Self { stage, network, guests };
        cuttable.meanwhile(Duration::from_secs(5)).await;
        cuttable
    }

    fn cut(&self, guests: impl IntoIterator<Item = usize>, is: bool) {
        guests.into_iter().for_each(|guest| self.network.block(guest, is));
    }

    /// Returns the events of each guest.
    async fn meanwhile(&mut self, time: Duration) -> Vec<Vec<RoomEvent>> {
        tokio::time::sleep(time).await;
        let mut all = Vec::new();
        for guest in &mut self.guests {
            all.push(guest.meanwhile(Duration::from_millis(1)).await);
        }
        all
    }

    fn invite(&self) -> Invite {
        self.guests[0].invite()
    }

    async fn they_talk(&mut self, guests: &[usize]) {
        for &speaker in guests {
            let text = format!("{speaker} is here");
            self.guests[speaker].says(&text, seconds(600));
            for &listener in guests {
                self.guests[listener].hears(&text).await;
            }
        }
    }
}

/// Sends an empty join as a link-holder that is no member.
async fn junk(stage: &Stage, invite: &Invite) -> Result<Seq, Refusal> {
    let mut hand = Hand::reach(stage).await;
    let (address, door) = (*invite.address(), door_token(invite));
    let look = Request::Look { address, door: door.clone() };
    let Reply::Door(shown) = hand.ask(look).await? else { panic!("no door") };
    let entry = Entry {
        kind: EntryKind::Join,
        epoch: shown.epoch,
        retention: shown.policy.handshakes,
        sealed: Payload::from(vec![0x66; 1_000]),
    };
    let next = nowhere(&door);
    match hand.ask(Request::Join { address, door, entry, next }).await? {
        Reply::Accepted { seq } => Ok(seq),
        other => panic!("{other:?}"),
    }
}

fn nowhere(door: &Token) -> NextEpoch {
    NextEpoch {
        member: Token::new(Secret::new([0x66; 32])).hash(),
        door: door.hash(),
        group_info: Payload::from(vec![0x66; 1_000]),
    }
}

fn recovered(events: &[RoomEvent]) -> bool {
    events.iter().any(|event| matches!(event, RoomEvent::Recovered))
}

#[tokio::test(start_paused = true)]
async fn members_take_a_junk_join_back_while_the_owner_is_away() {
    let mut room = Cuttable::with(&["Alice", "Bob", "Carol"]).await;
    room.cut([0], true);
    junk(&room.stage, &room.invite()).await.unwrap();
    let events = room.meanwhile(GOES_ON).await;
    for events in &events[1..] {
        assert_eq!(troubles(events), [Trouble::Broken { by: None }], "{events:#?}");
        assert!(recovered(events), "{events:#?}");
    }
    room.they_talk(&[1, 2]).await;
    room.cut([0], false);
    room.meanwhile(Duration::from_secs(30)).await;
    room.they_talk(&[0, 1, 2]).await;
}

#[tokio::test(start_paused = true)]
async fn the_first_who_comes_back_takes_back_what_came_while_all_were_away() {
    for first in [0, 1] {
        let mut room = Cuttable::with(&["Alice", "Bob", "Carol"]).await;
        room.cut(0..3, true);
        room.meanwhile(Duration::from_secs(5)).await;
        junk(&room.stage, &room.invite()).await.unwrap();
        room.meanwhile(Duration::from_secs(20)).await;
        // One by one, each with enough time for the next connection attempt.
        for guest in [first, 2, 1 - first] {
            room.cut([guest], false);
            room.meanwhile(Duration::from_secs(60)).await;
        }
        room.they_talk(&[0, 1, 2]).await;
        let newcomer = room.stage.join(&room.invite(), "Dave").await;
        drop(newcomer);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_junk_leaves_the_room_most_of_its_time() {
    let mut room = Cuttable::with(&["Alice", "Bob", "Carol"]).await;
    room.cut([0], true);
    let invite = room.invite();
    let (mut broken, mut accepted) = (0, 0);
    for _ in 0..300 {
        // An entry that arrives while the room is broken is voided with the entry that broke it.
        accepted += u32::from(junk(&room.stage, &invite).await.is_ok());
        room.meanwhile(Duration::from_secs(1)).await;
        broken += u32::from(room.guests[1].room.view().broken);
    }
    assert!(accepted > 4, "{accepted} joins in five minutes");
    assert!(broken < 45, "broken for {broken} of 300 seconds");
    room.meanwhile(Duration::from_secs(10)).await;
    room.they_talk(&[1, 2]).await;
}

#[tokio::test(start_paused = true)]
async fn the_owners_client_replaces_a_link_by_which_junk_comes() {
    let mut room = Cuttable::with(&["Alice", "Bob"]).await;
    let before = room.invite();
    let mut accepted = 0;
    for _ in 0..200 {
        accepted += u32::from(junk(&room.stage, &before).await.is_ok());
        room.meanwhile(Duration::from_secs(1)).await;
    }
    assert_eq!(accepted, 3, "the link is another one after the third");
    assert_ne!(room.invite(), before);
    assert_eq!(junk(&room.stage, &before).await, Err(Refusal::NotAdmitted));
    room.they_talk(&[0, 1]).await;
    drop(room.stage.join(&room.invite(), "Carol").await);
}

#[tokio::test(start_paused = true)]
async fn a_lawful_join_cannot_be_taken_back_by_a_member() {
    let stage = Stage::new();
    let mut guests = stage.with(&["Bob"]).await;
    let mut mallory = Mallory::joins(&stage, &guests[0].invite()).await;
    guests[0].sees_members(3).await;
    mallory.catches_up().await;
    let (address, token) =
        (*mallory.session.address(), mallory.session.member_token().unwrap().clone());
    let restored = mallory.session.restored(&mut mallory.rng).unwrap();
    let carol = stage.join(&guests[0].invite(), "Carol").await;
    guests[0].sees_members(4).await;
    let seq = mallory.reads().await.unwrap().last().unwrap().seq;
    let void = |token: &Token, seq| Request::Void {
        address,
        token: token.clone(),
        seq,
        restored: restored.clone(),
    };
    for wait in [0, 4, 60] {
        guests[0].meanwhile(Duration::from_secs(wait)).await;
        assert_eq!(mallory.hand.ask(void(&token, seq)).await, Err(Refusal::Unlawful));
    }
    // Nor an entry that is not a join, nor with another token, nor over a connection that has
    // proven nothing.
    let stale = mallory.hand.ask(void(&token, Seq::new(seq.value() + 1))).await;
    assert!(matches!(stale, Err(Refusal::StaleEpoch { .. })));
    let other = Token::new(Secret::new([1; 32]));
    assert_eq!(mallory.hand.ask(void(&other, seq)).await, Err(Refusal::NotAdmitted));
    let mut stranger = Hand::reach(&stage).await;
    assert_eq!(stranger.ask(void(&token, seq)).await, Err(Refusal::NotAdmitted));
    assert_eq!(carol.room.view().members.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn who_takes_a_join_back_changes_neither_hashes_nor_anything_before_its_time() {
    let mut room = Cuttable::with(&["Alice", "Bob"]).await;
    room.cut([0, 1], true);
    let mut mallory = Mallory::joins(&room.stage, &room.invite()).await;
    let token = mallory.session.member_token().unwrap().clone();
    let address = *mallory.session.address();
    let seq = junk(&room.stage, &room.invite()).await.unwrap();
    let restored = NextEpoch {
        door: Token::new(Secret::new([0x77; 32])).hash(),
        ..nowhere(&door_token(&room.invite()))
    };
    let void = || Request::Void { address, token: token.clone(), seq, restored: restored.clone() };
    let early = mallory.hand.ask(void()).await;
    assert!(matches!(early, Err(Refusal::Busy { .. })), "{early:?}");
    room.meanwhile(Duration::from_secs(4)).await;
    assert_eq!(mallory.hand.ask(void()).await, Ok(Reply::Done));
    // The epoch continues unchanged, and the members repair the door that she spoilt.
    mallory.enters().await.unwrap();
    room.cut([0, 1], false);
    room.meanwhile(Duration::from_secs(90)).await;
    room.they_talk(&[0, 1]).await;
    drop(room.stage.join(&room.invite(), "Carol").await);
}

#[tokio::test(start_paused = true)]
async fn guests_whose_join_is_taken_back_join_again() {
    let mut room = Cuttable::with(&["Alice", "Bob"]).await;
    let mut mallory = Mallory::joins(&room.stage, &room.invite()).await;
    room.guests[0].sees_members(3).await;
    room.meanwhile(Duration::from_secs(5)).await;
    mallory.catches_up().await;
    room.cut([0, 1], true);
    room.meanwhile(Duration::from_secs(5)).await;
    // Of the room, only Mallory is online to see them join.
    let invite = room.invite();
    let mut newcomers = Vec::new();
    for name in ["Carol", "Dave"] {
        newcomers.push(room.stage.join(&invite, name).await);
    }
    newcomers[0].sees_members(5).await;
    let token = mallory.session.member_token().unwrap().clone();
    let restored = mallory.session.restored(&mut mallory.rng).unwrap();
    let seq = mallory.reads().await.unwrap()[0].seq;
    room.meanwhile(Duration::from_secs(4)).await;
    let address = *mallory.session.address();
    let void = Request::Void { address, token, seq, restored };
    assert_eq!(mallory.hand.ask(void).await, Ok(Reply::Done));
    room.meanwhile(Duration::from_secs(60)).await;
    for newcomer in &mut newcomers {
        let events = newcomer.meanwhile(Duration::from_millis(1)).await;
        assert!(troubles(&events).contains(&Trouble::Rejoined), "{events:#?}");
        let ended = |event: &RoomEvent| matches!(event, RoomEvent::Ended(Ended::DishonestRelay));
        assert!(!events.iter().any(ended), "{events:#?}");
    }
    room.cut([0, 1], false);
    room.meanwhile(Duration::from_secs(60)).await;
    room.guests.append(&mut newcomers);
    room.they_talk(&[0, 1, 2, 3]).await;
}
