//! The faults of the original anocm, one test for each that this crate could have.
//!
//! Covered by the tests of the Redis back end: 8 (storing and setting the expiry in two commands;
//! its first half is tested here for the memory store) and 9 (values readable in the server's
//! memory after they expired).

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use anocm_core::{
    Command, Epoch, Invite, MessageId, NewRoom, Payload, Retention, RoomEvent, Secret, Seq, Token,
    relay::{Relay, RelayConfig},
    room::{Ended, MessageText, Trouble},
    session::{Content, Departure},
    store::{MemoryLimits, MemoryStore, Store},
    testing::network::Network,
    wire::{Entry, EntryKind, Refusal, Reply, Request},
};
use common::{
    Guest, PATIENCE, Stage,
    mallory::{Hand, Mallory, door_token},
    scene::Scene,
    seconds,
};

async fn talk(alice: &mut Guest, bob: &mut Guest) {
    alice.says("hello", seconds(3_600));
    bob.hears("hello").await;
    bob.says("hello yourself", seconds(3_600));
    alice.hears("hello yourself").await;
}

#[tokio::test(start_paused = true)]
async fn fault_1_a_malformed_frame_ends_its_own_connection_and_no_other() {
    let stage = Stage::new();
    let [mut alice, mut bob] = stage.with(&["Bob"]).await.try_into().unwrap();
    let eve = Hand::reach(&stage).await;
    eve.link.send(&[Payload::from(vec![0xff; 100])]).await.unwrap();
    assert_eq!(eve.link.recv().await, Ok(None));
    talk(&mut alice, &mut bob).await;
}

#[tokio::test(start_paused = true)]
async fn fault_2_no_token_but_the_right_one_opens_anything() {
    let stage = Stage::new();
    let [mut alice, mut bob] = stage.with(&["Bob"]).await.try_into().unwrap();
    talk(&mut alice, &mut bob).await;
    let address = *alice.invite().address();
    let epoch = alice.room.view().epoch;
    let mut eve = Hand::reach(&stage).await;
    for guess in [[0; 32], [0xff; 32], *door_token(&alice.invite()).expose()] {
        let member = Token::new(Secret::new(guess));
        for epoch in [Epoch::FIRST, epoch, Epoch::new(u64::MAX)] {
            let member = member.clone();
            let refused = eve.ask(Request::Enter { address, epoch, member }).await;
            assert_eq!(refused, Err(Refusal::NotAdmitted));
        }
        let owner = member.clone();
        let refused = eve.ask(Request::Close { address, owner }).await;
        assert_eq!(refused, Err(Refusal::NotAdmitted));
    }
    let after = Seq::START;
    assert_eq!(eve.ask(Request::Read { address, after }).await, Err(Refusal::NotAdmitted));
    talk(&mut alice, &mut bob).await;
}

#[tokio::test(start_paused = true)]
async fn fault_3_no_token_reaches_another_client() {
    let stage = Stage::new();
    let network = Network::new(1, Duration::ZERO);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let taken = heard.clone();
    network.inspect(Arc::new(move |direction, frame| {
        if direction == anocm_core::testing::network::Direction::Down {
            taken.lock().unwrap().push(frame.to_vec());
        }
    }));
    let mut alice = stage.open("Alice").await;
    let invite = alice.invite();
    let reach = Arc::new(network.transport(0, stage.reach()));
    let mut bob = Guest::knocking(reach, &invite, "Bob");
    bob.entered().await;
    let mut mallory = Mallory::joins(&stage, &invite).await;
    alice.sees_members(3).await;
    talk(&mut alice, &mut bob).await;
    mallory.catches_up().await;
    let tokens = [
        *door_token(&invite).expose(),
        *mallory.session.member_token().unwrap().expose(),
        *invite.secret().expose(),
    ];
    for frame in heard.lock().unwrap().iter() {
        for token in tokens {
            assert!(!frame.windows(32).any(|window| window == token));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn fault_4_who_is_no_member_posts_nothing() {
    let stage = Stage::new();
    let [mut alice, mut bob] = stage.with(&["Bob"]).await.try_into().unwrap();
    let address = *alice.invite().address();
    let entry = Entry {
        kind: EntryKind::Message,
        epoch: alice.room.view().epoch,
        retention: seconds(60),
        sealed: Payload::from(vec![1; 1_000]),
    };
    let mut eve = Hand::reach(&stage).await;
    let refused = eve.ask(Request::Publish { address, entry, next: None }).await;
    assert_eq!(refused, Err(Refusal::NotAdmitted));
    talk(&mut alice, &mut bob).await;
    // A sequence number taken by a refused entry would show as a gap.
    let seqs: Vec<_> = bob.room.history().iter().map(|message| message.seq.value()).collect();
    assert_eq!(seqs[1], seqs[0] + 1);
}

#[tokio::test(start_paused = true)]
async fn fault_5_keys_need_the_link() {
    let stage = Stage::new();
    let alice = stage.open("Alice").await;
    let address = *alice.invite().address();
    let mut eve = Hand::reach(&stage).await;
    let door = Token::new(Secret::new([5; 32]));
    assert_eq!(eve.ask(Request::Look { address, door }).await, Err(Refusal::NotAdmitted));
    // With the link, the keys are returned sealed, and authenticated by the members.
    let door = door_token(&alice.invite());
    let Ok(Reply::Door(shown)) = eve.ask(Request::Look { address, door }).await else {
        panic!("the door was not shown")
    };
    let mut altered = shown.clone();
    let mut bytes = altered.group_info.to_vec();
    bytes[200] ^= 1;
    altered.group_info = Payload::from(bytes);
    let mut rng = Mallory::joins(&stage, &alice.invite()).await.rng;
    let who = anocm_core::session::Joiner::New("Eve".parse().unwrap());
    let secret = alice.invite().secret().clone();
    assert!(anocm_core::session::Session::join(&altered, &secret, who, &mut rng).is_err());
}

#[tokio::test(start_paused = true)]
async fn fault_6_what_does_not_open_is_an_event_and_never_text() {
    let mut scene = Scene::new().await;
    scene.relay.entries(|item| item.entry.sealed = Payload::from(vec![b'!'; 1_000]));
    scene.alice_says("garbled");
    let events = scene.a_minute().await;
    assert!(!events.iter().any(|event| matches!(event, RoomEvent::Message(_))));
    let unreadable =
        |event: &RoomEvent| matches!(event, RoomEvent::Trouble(Trouble::Unreadable { .. }));
    assert!(events.iter().any(unreadable));
}

#[tokio::test(start_paused = true)]
async fn fault_7_old_keys_open_nothing_new_and_new_keys_nothing_old() {
    let stage = Stage::new();
    let [mut alice, mut bob] = stage.with(&["Bob"]).await.try_into().unwrap();
    let mut mallory = Mallory::joins(&stage, &alice.invite()).await;
    alice.sees_members(3).await;
    mallory.catches_up().await;
    let before = alice.room.view();
    alice.does(Command::Remove(mallory.session.me()));
    bob.until(|event| match event {
        RoomEvent::Departed { how: Departure::Removed { .. }, .. } => Some(()),
        _ => None,
    })
    .await;
    let after = bob.room.view();
    assert!(after.epoch > before.epoch);
    assert_ne!(after.safety, before.safety);
    assert_ne!(after.invite, before.invite);
    talk(&mut alice, &mut bob).await;
    let opened = mallory.catches_up().await;
    assert!(mallory.session.is_removed());
    assert!(opened.iter().all(|item| item.entry.kind != EntryKind::Message));
    // Keys are wiped with the room: nothing readable remains.
    bob.room.wipe();
    assert!(bob.room.view().me.is_none() && bob.kept().is_empty());
}

#[tokio::test(start_paused = true)]
async fn fault_8_nothing_is_stored_without_its_end() {
    let stage = Stage::new();
    let [mut alice, mut bob] = stage.with(&["Bob"]).await.try_into().unwrap();
    alice.says("for a second", seconds(1));
    bob.hears("for a second").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut late = Mallory::joins(&stage, &alice.invite()).await;
    late.cursor = Seq::START;
    let kept = late.reads().await.unwrap();
    assert!(kept.iter().all(|item| item.entry.kind.begins_epoch()));
    // An unlimited retention cannot even be represented.
    assert!(Retention::keep(Duration::from_secs(31 * 24 * 3_600)).is_err());
    talk(&mut alice, &mut bob).await;
}

#[tokio::test(start_paused = true)]
async fn fault_10_messages_of_one_moment_and_one_name_do_not_overwrite_each_other() {
    let stage = Stage::new();
    let [alice, mut bob] = stage.with(&["Bob"]).await.try_into().unwrap();
    for n in 0..20 {
        alice.says(&n.to_string(), seconds(60));
    }
    for n in 0..20 {
        bob.hears(&n.to_string()).await;
    }
    let mut mallory = Mallory::joins(&stage, &alice.invite()).await;
    bob.sees_members(3).await;
    mallory.catches_up().await;
    let first = bob.room.history()[0].clone();
    let stolen: [u8; 16] = *first.id.as_bytes();
    let text = Content::Text(MessageText::new("overwritten".to_owned()));
    let envelope =
        anocm_core::session::Envelope { id: MessageId::new(stolen), counter: 0, content: text };
    let entry = mallory.session.seal(&envelope, seconds(60), &mut mallory.rng).unwrap();
    mallory.publishes(entry, None).await.unwrap();
    let repeated = Trouble::Repeated { by: mallory.session.me() };
    bob.until(|event| {
        matches!(event, RoomEvent::Trouble(trouble) if *trouble == repeated).then_some(())
    })
    .await;
    assert_eq!(bob.room.history()[0], first);
    assert_eq!(bob.kept().len(), 20);
}

#[tokio::test(start_paused = true)]
async fn fault_11_rooms_and_members_are_listed_nowhere() {
    // Log output is tested in logs.rs. A relay replies to no request without an address, and its
    // `Debug` output shows no room state, address or key either.
    let stage = Stage::new();
    let [alice, _bob] = stage.with(&["Bob"]).await.try_into().unwrap();
    let address = *alice.invite().address();
    let shown = format!("{:?} {:?} {:?}", stage.relay, address, alice.room);
    for byte in address.as_bytes().chunks(2) {
        let hex = format!("{:02x}{:02x}", byte[0], byte[1]);
        assert!(!shown.to_lowercase().contains(&hex), "{shown}");
    }
    assert!(!shown.contains("Alice") && !shown.contains("Bob"));
}

#[tokio::test(start_paused = true)]
async fn fault_12_limits_are_applied_and_nothing_costs_much() {
    let stage = Stage::new();
    let alice = stage.open("Alice").await;
    let address = *alice.invite().address();
    let mut eve = Hand::reach(&stage).await;
    let started = tokio::time::Instant::now();
    let door = Token::new(Secret::new([5; 32]));
    for _ in 0..1_000 {
        let _ = eve.ask(Request::Look { address, door: door.clone() }).await;
    }
    assert!(started.elapsed() > Duration::from_secs(5), "{:?}", started.elapsed());
    let long = Payload::from(vec![0; anocm_core::wire::MAX_FRAME + 1]);
    eve.link.send(&[long]).await.unwrap();
    assert_eq!(eve.link.recv().await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn fault_13_a_cut_loses_nothing_and_two_relays_may_share_a_store() {
    let clock = Arc::new(anocm_core::TokioClock::new());
    let store: Arc<dyn Store> = MemoryStore::new(clock.clone(), MemoryLimits::default()).unwrap();
    let relays = [(), ()]
        .map(|()| Relay::new(store.clone(), clock.clone(), RelayConfig::default()).unwrap());
    let network = Network::new(1, Duration::ZERO);
    let reach = Arc::new(relays[0].transport());
    let mut alice = Guest::opening(reach, "Alice", NewRoom::default());
    alice.entered().await;
    let reach = Arc::new(network.transport(0, Arc::new(relays[1].transport())));
    let mut bob = Guest::knocking(reach, &alice.invite(), "Bob");
    bob.entered().await;
    alice.sees_members(2).await;
    let me = bob.me();
    network.block(0, true);
    alice.says("while Bob is away", seconds(3_600));
    bob.says("while I am away", seconds(3_600));
    bob.meanwhile(Duration::from_secs(30)).await;
    network.block(0, false);
    bob.hears("while Bob is away").await;
    alice.hears("while I am away").await;
    assert_eq!(bob.me(), me);
}

#[tokio::test(start_paused = true)]
async fn fault_14_rooms_have_a_link_and_can_be_left_and_ended() {
    let stage = Stage::new();
    let alice = stage.open("Alice").await;
    let link = alice.invite().to_link().to_string();
    let mut bob = stage.join(&Invite::parse(&link).unwrap(), "Bob").await;
    let mut carol = stage.join(&Invite::parse(&link).unwrap(), "Carol").await;
    bob.does(Command::Leave);
    assert_eq!(bob.ends().await, Ended::Left);
    carol
        .until(|event| match event {
            RoomEvent::Departed { how: Departure::Left, .. } => Some(()),
            _ => None,
        })
        .await;
    alice.does(Command::Close);
    assert!(matches!(carol.ends().await, Ended::Closed(_)));
    tokio::time::sleep(PATIENCE).await;
    let address = *Invite::parse(&link).unwrap().address();
    let gone = Hand::reach(&stage).await.ask(Request::Read { address, after: Seq::START }).await;
    assert!(gone.is_err());
}
