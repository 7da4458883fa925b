//! Alice, Bob and Carol in a room, with a simulated relay.

mod addresses;
mod cost;
mod forge;
mod forgery;
mod full_tree;
mod gatecrashing;
pub(crate) mod hostile;
mod invites;
mod leaving;
mod meddling;
mod roles;
mod talk;
mod tampering;
mod unusable;
mod vectors;

use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::*;
use crate::{
    id::{Epoch, MessageId, RoomAddress},
    name::Nickname,
    retention::{Retention, RoomRetention},
    room::{MessageText, NewRoom},
    secret::{Secret, Token, TokenHash},
    wire::{Door, Entry, Policy},
};

/// The relay's state of a room: its door and token hashes only.
struct Room {
    rng: ChaCha20Rng,
    door: Door,
    member: TokenHash,
    door_token: TokenHash,
}

fn policy() -> Policy {
    NewRoom::default().policy()
}

fn name(name: &str) -> Nickname {
    name.parse().unwrap()
}

fn secret() -> Secret<32> {
    first_door(7)
}

/// Returns an invite secret of a first door.
fn first_door(fill: u8) -> Secret<32> {
    let mut secret = [fill; 32];
    secret[28..].fill(0);
    Secret::new(secret)
}

fn text(text: &str) -> Content {
    Content::Text(MessageText::new(text.to_owned()))
}

fn kept(seconds: u64) -> Retention {
    Retention::keep(std::time::Duration::from_secs(seconds)).unwrap()
}

impl Room {
    /// Alice opens a room.
    fn open() -> (Self, Session) {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let (alice, genesis) = Session::create(
            &secret(),
            policy(),
            RoomRetention::default(),
            &name("Alice"),
            &mut rng,
        )
        .unwrap();
        let room = Self {
            rng,
            member: genesis.first.member,
            door_token: genesis.first.door,
            door: Door {
                address: *alice.address(),
                epoch: Epoch::FIRST,
                group_info: genesis.first.group_info,
                policy: genesis.policy,
            },
        };
        room.admits(&alice);
        (room, alice)
    }

    /// Opens a room with Alice, and Bob, who has just joined.
    fn of_two() -> (Self, Session, Session) {
        let (mut room, mut alice) = Self::open();
        let bob = room.join("Bob", &mut [&mut alice]);
        (room, alice, bob)
    }

    /// Opens a room with Alice, who opened it, Bob and Carol.
    fn of_three() -> (Self, Session, Session, Session) {
        let (mut room, mut alice, mut bob) = Self::of_two();
        let carol = room.join("Carol", &mut [&mut alice, &mut bob]);
        (room, alice, bob, carol)
    }

    /// A new guest joins with the invite of the first of `others`, all of which open the join.
    fn join(&mut self, who: &str, others: &mut [&mut Session]) -> Session {
        let secret = others[0].invite_secret().clone();
        let newcomer = Joiner::New(name(who));
        let (session, outgoing) =
            Session::join(&self.door, &secret, newcomer, &mut self.rng).unwrap();
        self.append(outgoing, others);
        self.admits(&session);
        session
    }

    /// The same for a member that comes back.
    fn rejoin(&mut self, who: Session, others: &mut [&mut Session]) -> Session {
        let secret = others[0].invite_secret().clone();
        let nickname = who.roster.by_key(who.key()).unwrap().0.nickname.clone();
        let returning = Joiner::Returning(who.into_identity(), nickname);
        let (session, bundle) =
            Session::join(&self.door, &secret, returning, &mut self.rng).unwrap();
        self.append(bundle, others);
        self.admits(&session);
        session
    }

    /// Appends a commit or join to the log, and lets `others` open it.
    fn append(&mut self, outgoing: CommitBundle, others: &mut [&mut Session]) -> Vec<EpochChange> {
        assert!(outgoing.entry.has_valid_size());
        assert!(crate::wire::DOOR_SIZES.contains(&outgoing.next.group_info.len()));
        assert_eq!(outgoing.entry.epoch, self.door.epoch);
        self.door.epoch = self.door.epoch.next();
        self.door.group_info = outgoing.next.group_info;
        self.member = outgoing.next.member;
        self.door_token = outgoing.next.door;
        let applied = others
            .iter_mut()
            .map(|session| applied(session.open(&outgoing.entry).unwrap()))
            .collect();
        for session in others.iter().filter(|session| !session.is_removed()) {
            self.admits(session);
        }
        applied
    }

    /// Lets `by` commit a change and `others` open the commit. Returns the change as `by` sees it.
    fn change(
        &mut self,
        by: &mut Session,
        change: Change,
        others: &mut [&mut Session],
    ) -> EpochChange {
        let outgoing = by.propose(change, &mut self.rng).unwrap();
        let seen = self.append(outgoing, others);
        let own = by.accept().unwrap();
        self.admits(by);
        for (applied, session) in seen.into_iter().zip(others) {
            if !session.is_removed() {
                assert_eq!(applied, own);
                agree(by, session);
            }
        }
        own
    }

    fn seal(&mut self, by: &mut Session, content: Content) -> Entry {
        let envelope = self.envelope(content);
        by.seal(&envelope, kept(60), &mut self.rng).unwrap()
    }

    fn envelope(&mut self, content: Content) -> Envelope {
        let mut id = [0; 16];
        self.rng.fill_bytes(&mut id);
        Envelope { id: MessageId::new(id), counter: 0, content }
    }

    /// Sends a message by `from` that `to` opens.
    fn heard(&mut self, from: &mut Session, to: &mut Session) {
        let entry = self.seal(from, text("still here"));
        let (sender, content) = message(to.open(&entry).unwrap());
        assert_eq!((sender, content), (from.me(), text("still here")));
    }

    /// Asserts that the relay holds the hashes of this session's tokens.
    fn admits(&self, session: &Session) {
        assert_eq!(session.epoch(), self.door.epoch);
        assert!(self.member.admits(session.member_token().unwrap()));
        assert!(self.door_token.admits(session.door_token()));
    }
}

/// Asserts that two members of one epoch have the same state.
fn agree(one: &Session, other: &Session) {
    assert_eq!(one.epoch(), other.epoch());
    assert_eq!(one.members(), other.members());
    assert_eq!(one.settings(), other.settings());
    assert_eq!(one.safety_code(), other.safety_code());
    assert_eq!(one.invite_secret(), other.invite_secret());
    assert_eq!(one.door_number(), other.door_number());
    assert_eq!(one.member_token(), other.member_token());
}

fn message(opened: Opened) -> (crate::MemberId, Content) {
    match opened {
        Opened::Message { sender, envelope } => (sender, envelope.content),
        Opened::Epoch(_) => panic!("a message was expected"),
    }
}

fn applied(opened: Opened) -> EpochChange {
    match opened {
        Opened::Epoch(applied) => applied,
        Opened::Message { .. } => panic!("a commit was expected"),
    }
}

fn names(session: &Session) -> Vec<&str> {
    let members = session.members().iter();
    members.map(|member| member.nickname.as_str()).collect()
}

fn wrong_token() -> Token {
    Token::new(Secret::new([0xee; 32]))
}
