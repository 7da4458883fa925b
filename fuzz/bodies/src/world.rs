//! Alice, Bob and Carol in a room, with an entry of each kind in transit.

use std::{cell::RefCell, time::Duration};

use anocm_core::{
    MemberId, MessageId, NewRoom, Nickname, Retention, RoomAddress, RoomRetention, Secret,
    room::MessageText,
    session::{Change, Content, Envelope, Joiner, Session},
    wire::{Door, Entry, Genesis},
};
use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;

pub(crate) const ADDRESS: RoomAddress = RoomAddress::new([5; 16]);

/// Bob's session, and the entries that he is about to open in its epoch.
pub(crate) struct World {
    pub(crate) rng: ChaCha20Rng,
    pub(crate) bob: Session,
    pub(crate) alice: MemberId,
    /// Sent by Alice.
    pub(crate) message: Entry,
    /// Sent by Alice.
    pub(crate) commit: Entry,
    /// Sent by Carol.
    pub(crate) join: Entry,
    /// As the relay shows it to Carol.
    pub(crate) door: Door,
    /// The secret of the invite that opens the door.
    pub(crate) secret: Secret<32>,
    /// A member sent an invalid entry: keys may be used up.
    pub(crate) is_spoilt: bool,
}

thread_local! {
    static SCENE: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// What happens to a world afterwards.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// Bob's state is unchanged: the world is reused.
    Keep,
    /// Bob's state has changed: the world is dropped.
    Drop,
}

/// Runs `act` in a world. A world is expensive to create, so the last one is reused if its state
/// did not change. One whose keys may be used up is reused only if that does not matter.
pub(crate) fn with_scene(must_be_unspoilt: bool, act: impl FnOnce(&mut World) -> After) {
    let last = SCENE.take().filter(|world| !(must_be_unspoilt && world.is_spoilt));
    let mut world = last.unwrap_or_else(World::new);
    let epoch = world.bob.epoch();
    if act(&mut world) == After::Keep {
        assert_eq!(world.bob.epoch(), epoch, "nothing that failed moves the epoch");
        SCENE.set(Some(world));
    }
}

pub(crate) fn kept() -> Retention {
    Retention::keep(Duration::from_secs(60)).expect("a minute")
}

pub(crate) fn text(text: &str) -> Content {
    Content::Text(MessageText::new(text.to_owned()))
}

impl World {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut secret = [7; 32];
        // The number of a first door.
        secret[28..].fill(0);
        let secret = Secret::new(secret);
        let name = |name: &str| name.parse::<Nickname>().expect("a name");
        let policy = NewRoom::default().policy();
        let (mut alice, Genesis { first, .. }) =
            Session::create(&secret, policy, RoomRetention::default(), &name("Alice"), &mut rng)
                .expect("a room");
        let address = *alice.address();
        let mut door = Door { address, epoch: alice.epoch(), group_info: first.group_info, policy };
        let mut join = |door: &Door, who| {
            let newcomer = Joiner::New(name(who));
            Session::join(door, &secret, newcomer, &mut rng).expect("a valid door")
        };
        let (bob, joined) = join(&door, "Bob");
        alice.open(&joined.entry).expect("a valid join");
        door.epoch = bob.epoch();
        door.group_info = joined.next.group_info;
        let (_, joining) = join(&door, "Carol");

        let envelope = Envelope { id: MessageId::new([1; 16]), counter: 0, content: text("hello") };
        let message = alice.seal(&envelope, kept(), &mut rng).expect("a message");
        let commit = alice.propose(Change::Refresh, &mut rng).expect("a commit");
        Self {
            rng,
            alice: alice.me(),
            bob,
            message,
            commit: commit.entry,
            join: joining.entry,
            door,
            secret,
            is_spoilt: false,
        }
    }
}
