//! A malicious member, for the tests of other modules.

use super::{forge::*, gatecrashing, unusable::Meddling, *};
use crate::{MemberId, wire::EntryKind};

fn outside(by: &Session) -> Room {
    let nobody = TokenHash::new([0; 32]);
    let door = Door {
        address: *by.address(),
        epoch: by.epoch(),
        group_info: crate::Payload::from(Vec::new()),
        policy: by.settings().policy,
    };
    Room { rng: ChaCha20Rng::seed_from_u64(3), door, member: nobody, door_token: nobody }
}

/// Opens a room under the address and behind the link of another one.
pub(crate) fn room_of_another(
    door: &Door,
    secret: &Secret<32>,
    rng: &mut dyn rand_core::CryptoRng,
) -> Session {
    let (address, policy) = (door.address, door.policy);
    let mallory = Identity::owner(rng).unwrap();
    let (retention, owner) = (RoomRetention::default(), mallory.key());
    let settings = Settings { policy, retention, owner, moderators: Vec::new() };
    let keys = keys::DoorKeys::derive(&address, secret).unwrap();
    let provider = provider::Provider::default();
    create::store_psk(&provider, &keys).unwrap();
    let group =
        create::create_group(&provider, &mallory, address, &settings, &name("Alice")).unwrap();
    let group = create::NewGroup::read(group, provider, keys, &address).unwrap();
    group.into_session(address, mallory, secret.clone())
}

/// Makes a commit in which an ordinary member removes another.
pub(crate) fn removal(by: &mut Session, of: MemberId) -> Entry {
    let target = by.roster.by_id(of).unwrap().1.index;
    let notice = notice(vec![], true);
    commit(&mut outside(by), by, &notice, handshakes(), |builder| {
        builder.propose_removals([target])
    })
}

/// Makes a join without the door's PSK, by a guest that was given the keys of the epoch.
pub(crate) fn join_without_psk(by: &Session) -> Entry {
    let mut room = outside(by);
    let stranger = Identity::new(&mut room.rng);
    let card = gatecrashing::card(&stranger);
    gatecrashing::join_with(&mut room, by, &stranger, None, b"", card)
}

/// Makes a message of a kind that this version does not know.
pub(crate) fn of_unknown_kind(by: &mut Session, counter: u64) -> Entry {
    let frame = (counter, MessageId::new([9; 16]), 0x4001_u16, b"of a later version".as_slice());
    let content = crate::wire::encode(&frame);
    let live = by.live.as_mut().unwrap();
    live.group.set_aad(messages::aad(kept(60)));
    let message = live.group.create_message(&by.provider, &by.identity, &content).unwrap();
    envelop(&mut outside(by), by, EntryKind::Message, kept(60), &message)
}

/// Makes a valid join whose path does not decrypt for the members under the first of the nodes that
/// it is encrypted to.
pub(crate) fn garbled_join(door: &Door, secret: &Secret<32>) -> CommitBundle {
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let identity = Identity::new(&mut rng);
    let crypto = Meddling::with_ciphertext(0);
    let who = (&identity, &name("Mallory"));
    let (_, outgoing) = join::enter(door, secret, who, &crypto, &mut rng).unwrap();
    outgoing
}

/// Makes a join, valid once `id` is free, by a guest that chooses the id of a member that is gone.
pub(crate) fn impostor_join(door: &Door, secret: &Secret<32>, id: MemberId) -> CommitBundle {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let mut identity = Identity::new(&mut rng);
    identity.take_id(id);
    let newcomer = Joiner::Returning(identity, name("Bob"));
    let (_, outgoing) = Session::join(door, secret, newcomer, &mut rng).unwrap();
    outgoing
}
