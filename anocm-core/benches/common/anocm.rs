//! A room of this library.

use std::time::Duration;

use anocm_core::{
    Epoch, MessageId, NewRoom, Nickname, Retention, RoomRetention, Secret,
    room::MessageText,
    session::{Change, CommitBundle, Content, Envelope, Joiner, Opened, Session},
    wire::{Door, Entry},
};
use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;

use super::Room;

/// Alice's session, and the door as the relay stores it.
pub struct Anocm {
    rng: ChaCha20Rng,
    alice: Session,
    door: Door,
    newcomers: u32,
    said: u64,
}

impl Room for Anocm {
    const NAME: &'static str = "anocm";
    type Member = Session;
    type Commit = CommitBundle;
    type Said = Entry;

    fn open() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let (alice, genesis) = Session::create(
            &Secret::new([0; 32]),
            NewRoom::default().policy(),
            RoomRetention::default(),
            &name("Alice"),
            &mut rng,
        )
        .unwrap();
        let door = Door {
            address: *alice.address(),
            epoch: Epoch::FIRST,
            group_info: genesis.first.group_info,
            policy: genesis.policy,
        };
        Self { rng, alice, door, newcomers: 0, said: 0 }
    }

    fn join(&mut self) -> (Session, CommitBundle) {
        self.newcomers += 1;
        let newcomer = Joiner::New(name(&format!("guest {}", self.newcomers)));
        Session::join(&self.door, self.alice.invite_secret(), newcomer, &mut self.rng).unwrap()
    }

    fn admit(&mut self, join: &CommitBundle) {
        Self::follow(&mut self.alice, join);
    }

    fn replace_door(&mut self, commit: CommitBundle) {
        self.door.epoch = commit.entry.epoch.next();
        self.door.group_info = commit.next.group_info;
    }

    fn remove(&mut self, member: &Session) -> CommitBundle {
        let removal = self.alice.propose(Change::Remove(member.key()), &mut self.rng).unwrap();
        self.alice.accept().unwrap();
        removal
    }

    fn say(&mut self, text: &str) -> Entry {
        let envelope = Envelope {
            id: MessageId::new([3; 16]),
            counter: self.said,
            content: Content::Text(MessageText::new(text.to_owned())),
        };
        self.said += 1;
        self.alice.seal(&envelope, kept(), &mut self.rng).unwrap()
    }

    fn follow(member: &mut Session, commit: &CommitBundle) {
        assert!(matches!(member.open(&commit.entry), Ok(Opened::Epoch(_))));
    }

    fn hear(member: &mut Session, said: &Entry) {
        assert!(matches!(member.open(said), Ok(Opened::Message { .. })));
    }
}

impl Anocm {
    /// Alice's session.
    pub fn alice(&self) -> &Session {
        &self.alice
    }
}

fn name(name: &str) -> Nickname {
    name.parse().unwrap()
}

/// The retention of messages.
pub fn kept() -> Retention {
    Retention::keep(Duration::from_secs(60)).unwrap()
}
