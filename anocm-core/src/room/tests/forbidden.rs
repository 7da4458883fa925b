//! A hostile member, whose commits are well signed and forbidden. Against an honest relay.

use std::{sync::Arc, time::Duration};

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::{
    TokioClock,
    client::{Client, Room},
    id::{Epoch, Seq},
    relay::{Relay, RelayConfig},
    room::{Message, NewRoom, RoomEvent, Trouble},
    secret::{Payload, Secret, Token},
    session::{Change, CommitBundle, Joiner, Session, hostile},
    store::{MemoryLimits, MemoryStore},
    transport::{InProcess, Link, Transport},
    wire::{
        ClientFrame, ClientHello, Entry, Hello, MAX_FRAME, NextEpoch, RelayFrame, Reply, Request,
        decode, encode,
    },
};

/// Mallory, connected by hand.
struct Mallory {
    link: Box<dyn Link>,
    session: Session,
    cursor: Seq,
    rng: ChaCha20Rng,
}

async fn ask(link: &dyn Link, request: Request) -> Reply {
    link.send(&[encode(&ClientFrame { id: 1, request })]).await.unwrap();
    loop {
        let frame = link.recv().await.unwrap().unwrap();
        if let RelayFrame::Reply { result, .. } = decode(&frame, MAX_FRAME).unwrap() {
            return result.unwrap();
        }
    }
}

impl Mallory {
    async fn joins(reach: &InProcess, owner: &Room) -> Self {
        let link = reach.connect().await.unwrap();
        link.send(&[ClientHello::default().to_frame()]).await.unwrap();
        link.recv().await.unwrap();
        let invite = owner.view().invite.unwrap();
        let (address, secret) = (*invite.address(), invite.secret());
        let door = crate::session::door_token(&address, secret).unwrap();
        let look = Request::Look { address, door: door.clone() };
        let Reply::Door(shown) = ask(&*link, look).await else { panic!("no door") };
        let mut rng = ChaCha20Rng::seed_from_u64(8);
        let who = Joiner::New("Mallory".parse().unwrap());
        let (session, CommitBundle { entry, next }) =
            Session::join(&shown, secret, who, &mut rng).unwrap();
        let join = Request::Join { address, door, entry, next };
        let Reply::Accepted { seq } = ask(&*link, join).await else { panic!("no join") };
        let mut mallory = Self { link, session, cursor: seq, rng };
        mallory.catches_up().await;
        mallory
    }

    async fn catches_up(&mut self) {
        let (address, after) = (*self.session.address(), self.cursor);
        let (epoch, member) = (self.session.epoch(), self.session.member_token().unwrap().clone());
        ask(&*self.link, Request::Enter { address, epoch, member }).await;
        let Reply::Page(page) = ask(&*self.link, Request::Read { address, after }).await else {
            panic!("no page")
        };
        self.cursor = page.reaches;
        for item in page.items {
            let _ = self.session.open(&item.entry);
        }
    }

    async fn publishes(&mut self, entry: Entry) {
        ask(&*self.link, self.publication(entry)).await;
    }

    fn publication(&self, entry: Entry) -> Request {
        let next = entry.kind.begins_epoch().then(|| NextEpoch {
            member: Token::new(Secret::new([6; 32])).hash(),
            door: self.session.door_token().hash(),
            group_info: Payload::from(vec![6; 1_000]),
        });
        Request::Publish { address: *self.session.address(), entry, next }
    }
}

struct Stage {
    reach: InProcess,
    relay: Arc<Relay>,
}

impl Stage {
    fn new() -> Self {
        let clock = Arc::new(TokioClock::new());
        let store = MemoryStore::new(clock.clone(), MemoryLimits::default()).unwrap();
        let relay = Relay::new(store, clock, RelayConfig::default()).unwrap();
        Self { reach: relay.transport(), relay }
    }

    fn client(&self) -> Client {
        let reach = Arc::new(self.relay.transport());
        let (client, driver) = Client::new(reach);
        tokio::spawn(driver);
        client
    }

    /// Alice, who opened the room, Bob, and Mallory.
    async fn set(&self) -> (Room, Room, Mallory) {
        let mut alice = self.client().create(&NewRoom::default()).unwrap();
        until(&mut alice, |event| matches!(event, RoomEvent::Entered)).await;
        let invite = alice.view().invite.unwrap();
        let mut bob = self.client().join(&invite, "Bob".parse().unwrap()).unwrap();
        until(&mut bob, |event| matches!(event, RoomEvent::Entered)).await;
        let mallory = Mallory::joins(&self.reach, &alice).await;
        for room in [&mut alice, &mut bob] {
            while room.view().members.len() < 3 {
                until(room, |event| matches!(event, RoomEvent::Joined { .. })).await;
            }
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        (alice, bob, mallory)
    }
}

async fn until(room: &mut Room, mut expected: impl FnMut(&RoomEvent) -> bool) -> Vec<RoomEvent> {
    let mut seen = Vec::new();
    let waiting = async {
        while let Some(event) = room.next_event().await {
            let found = expected(&event);
            seen.push(event);
            if found {
                return;
            }
        }
        panic!("the room ended");
    };
    tokio::time::timeout(Duration::from_secs(600), waiting).await.expect("an event that came");
    seen
}

async fn hears(room: &mut Room, text: &str) {
    let said = |message: &Message| message.text.as_str() == text;
    until(room, |event| matches!(event, RoomEvent::Message(message) if said(message))).await;
}

async fn breaks_and_recovers(room: &mut Room, who: Option<crate::MemberId>) {
    let events = until(room, |event| matches!(event, RoomEvent::Recovered)).await;
    let broken = |event: &RoomEvent| matches!(event, RoomEvent::Trouble(Trouble::Broken { by }) if *by == who);
    assert!(events.iter().any(broken), "{events:#?}");
}

async fn they_talk(alice: &mut Room, bob: &mut Room) {
    alice.send("still here?").unwrap();
    hears(bob, "still here?").await;
    bob.send("still here").unwrap();
    hears(alice, "still here").await;
    assert_eq!(alice.view().members, bob.view().members);
    assert_eq!(alice.view().safety, bob.view().safety);
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_the_rules_forbid_is_taken_back_and_its_author_removed() {
    let stage = Stage::new();
    let (mut alice, mut bob, mut mallory) = stage.set().await;
    let by = Some(mallory.session.me());
    let entry = hostile::removal(&mut mallory.session, bob.view().me.unwrap());
    mallory.publishes(entry).await;
    for room in [&mut alice, &mut bob] {
        breaks_and_recovers(room, by).await;
    }
    let gone = |event: &RoomEvent| matches!(event, RoomEvent::Departed { member, .. } if Some(member.id) == by);
    for room in [&mut alice, &mut bob] {
        until(room, gone).await;
    }
    they_talk(&mut alice, &mut bob).await;
    assert_eq!(bob.view().members.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_built_on_a_forbidden_commit_goes_with_it() {
    let stage = Stage::new();
    let (mut alice, mut bob, mut mallory) = stage.set().await;
    let by = Some(mallory.session.me());
    let entry = hostile::removal(&mut mallory.session, bob.view().me.unwrap());
    let (address, epoch) = (*mallory.session.address(), entry.epoch.next());
    let again = Entry { epoch, ..entry.clone() };
    // Before the owner receives the first commit, there is a second one on top of it.
    let member = Token::new(Secret::new([6; 32]));
    let requests = [
        mallory.publication(entry),
        Request::Enter { address, epoch, member },
        mallory.publication(again),
    ];
    let frames = requests.map(|request| encode(&ClientFrame { id: 1, request }));
    mallory.link.send(&frames).await.unwrap();
    for room in [&mut alice, &mut bob] {
        breaks_and_recovers(room, by).await;
    }
    they_talk(&mut alice, &mut bob).await;
}

#[tokio::test(start_paused = true)]
async fn a_join_without_the_psk_is_taken_back() {
    let stage = Stage::new();
    let (mut alice, mut bob, mut mallory) = stage.set().await;
    let entry = hostile::join_without_psk(&mallory.session);
    let address = *mallory.session.address();
    let door = mallory.session.door_token().clone();
    let next = NextEpoch {
        member: Token::new(Secret::new([6; 32])).hash(),
        door: door.hash(),
        group_info: Payload::from(vec![6; 1_000]),
    };
    ask(&*mallory.link, Request::Join { address, door, entry, next }).await;
    for room in [&mut alice, &mut bob] {
        breaks_and_recovers(room, None).await;
    }
    they_talk(&mut alice, &mut bob).await;
    // Mallory has not moved to another epoch either, and may do what a member may.
    let valid = mallory.session.propose(Change::Refresh, &mut mallory.rng).unwrap();
    let CommitBundle { entry, next } = valid;
    mallory.session.discard();
    ask(&*mallory.link, Request::Publish { address, entry, next: Some(next) }).await;
    let epoch = Epoch::new(mallory.session.epoch().value() + 1);
    for room in [&mut alice, &mut bob] {
        while room.view().epoch < epoch {
            until(room, |event| matches!(event, RoomEvent::EpochBegan { .. })).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn content_of_a_later_version_is_skipped_and_counted() {
    let stage = Stage::new();
    let (mut alice, mut bob, mut mallory) = stage.set().await;
    for counter in 0..2 {
        let entry = hostile::of_unknown_kind(&mut mallory.session, counter);
        mallory.publishes(entry).await;
    }
    alice.send("marker").unwrap();
    let events = until(&mut bob, |event| matches!(event, RoomEvent::Message(_))).await;
    assert!(!events.iter().any(|event| matches!(event, RoomEvent::Trouble(_))), "{events:#?}");
    they_talk(&mut alice, &mut bob).await;
}

#[tokio::test(start_paused = true)]
async fn a_join_that_one_member_alone_cannot_follow_sends_that_member_to_the_door() {
    let stage = Stage::new();
    let mut alice = stage.client().create(&NewRoom::default()).unwrap();
    until(&mut alice, |event| matches!(event, RoomEvent::Entered)).await;
    let invite = alice.view().invite.unwrap();
    let mut others = Vec::new();
    for name in ["Bob", "Carol"] {
        let mut guest = stage.client().join(&invite, name.parse().unwrap()).unwrap();
        until(&mut guest, |event| matches!(event, RoomEvent::Entered)).await;
        others.push(guest);
    }
    let [mut bob, mut carol] = <[Room; 2]>::try_from(others).unwrap();
    // The leaf beside Alice is free, so that a path is encrypted to her alone.
    bob.command(crate::room::Command::Leave).unwrap();
    for room in [&mut alice, &mut carol] {
        until(room, |event| matches!(event, RoomEvent::Departed { .. })).await;
    }
    until(&mut bob, |event| matches!(event, RoomEvent::Ended(_))).await;
    tokio::time::sleep(Duration::from_secs(5)).await;

    let link = stage.reach.connect().await.unwrap();
    link.send(&[ClientHello::default().to_frame()]).await.unwrap();
    link.recv().await.unwrap();
    let (address, secret) = (*invite.address(), invite.secret());
    let door = crate::session::door_token(&address, secret).unwrap();
    let look = Request::Look { address, door: door.clone() };
    let Reply::Door(shown) = ask(&*link, look).await else { panic!("no door") };
    let CommitBundle { entry, next } = hostile::garbled_join(&shown, secret);
    ask(&*link, Request::Join { address, door, entry, next }).await;

    let joined = |event: &RoomEvent| matches!(event, RoomEvent::Joined { again: false, .. });
    until(&mut carol, joined).await;
    let rejoined = |event: &RoomEvent| matches!(event, RoomEvent::Trouble(Trouble::Rejoined));
    let events = until(&mut alice, rejoined).await;
    let broken =
        |event: &RoomEvent| matches!(event, RoomEvent::Trouble(Trouble::Broken { by: None }));
    assert!(events.iter().any(broken), "{events:#?}");
    let again = |event: &RoomEvent| matches!(event, RoomEvent::Joined { again: true, .. });
    until(&mut carol, again).await;
    they_talk(&mut alice, &mut carol).await;
    assert_eq!(carol.view().members.len(), 3);
}
