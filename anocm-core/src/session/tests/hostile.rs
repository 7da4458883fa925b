//! A malicious member, for the tests of other modules.

use super::{super::more::More, forge::*, gatecrashing, unusable::Meddling, *};
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
    let mallory = Identity::owner(rng).unwrap();
    let settings = Settings::first(door.policy, RoomRetention::default(), &mallory).unwrap();
    group_behind(door, secret, &settings, mallory)
}

/// Opens a group under the address and behind the link of another room, with these settings. Its
/// only member takes the owner's name.
pub(crate) fn group_behind(
    door: &Door,
    secret: &Secret<32>,
    settings: &Settings,
    mallory: Identity,
) -> Session {
    let address = door.address;
    let keys = keys::DoorKeys::derive(&address, secret).unwrap();
    let provider = provider::Provider::default();
    create::store_psk(&provider, &keys).unwrap();
    let card = card_of("Alice", mallory.whisper_key(), 1);
    let group = create::create_group(&provider, &mallory, address, settings, &card).unwrap();
    let group = create::NewGroup::read(group, provider, keys, &address).unwrap();
    group.into_session(address, mallory, secret.clone())
}

/// An identity with an owner secret, so that a relay can be told of its group.
pub(crate) fn mallory(rng: &mut dyn rand_core::CryptoRng) -> Identity {
    Identity::owner(rng).unwrap()
}

/// Has this member's group take newcomers behind another link of the room, as a member with a
/// modified client can that helps a dishonest relay. The next commit shows the door.
pub(crate) fn moves_behind(session: &mut Session, link: &Secret<32>) {
    let door = keys::DoorKeys::derive(session.address(), link).unwrap();
    create::store_psk(&session.provider, &door).unwrap();
    (session.invite, session.door) = (link.clone(), door);
}

/// Returns settings, those after them, and others with the same counter as these.
pub(crate) fn settings_in_order() -> [Settings; 3] {
    let first = Settings::unsigned(MemberKey::new([9; 32]));
    let mut second = first.clone();
    second.counter += 1;
    let mut other = second.clone();
    other.moderators = vec![MemberKey::new([1; 32])];
    [first, second, other]
}

/// A rule of a later version, which no member may pass over.
fn later_rules(settings: &mut Settings) {
    settings.set_more(More(vec![(0x8000, vec![1])]));
}

/// Makes a commit in which `by` sets rules of a later version.
pub(crate) fn sets_later_rules(by: &mut Session) -> Entry {
    let signer = by.identity.copy();
    let mut settings = by.settings().clone();
    settings.counter += 1;
    later_rules(&mut settings);
    settings.sign(&by.address, &signer).unwrap();
    let extensions = leaf::group_extensions(&settings).unwrap();
    commit(&mut outside(by), by, &notice(vec![], false), handshakes(), |builder| {
        builder.propose_group_context_extensions(extensions).unwrap()
    })
}

/// Opens a room with rules of a later version, and returns its door.
pub(crate) fn door_of_later_rules(secret: &Secret<32>) -> Door {
    let mut rng = ChaCha20Rng::seed_from_u64(6);
    let owner = Identity::owner(&mut rng).unwrap();
    let mut settings = Settings::first(policy(), RoomRetention::default(), &owner).unwrap();
    later_rules(&mut settings);
    let address = RoomAddress::of(&owner.key());
    settings.sign(&address, &owner).unwrap();
    let (epoch, group_info) = (Epoch::FIRST, crate::Payload::from(Vec::new()));
    let door = Door { address, epoch, group_info, policy: policy() };
    let session = group_behind(&door, secret, &settings, owner);
    Door { group_info: session.restored(&mut rng).unwrap().group_info, ..door }
}

/// Returns an invite secret for the door of that number.
pub(crate) fn link_of_door(number: u32) -> Secret<32> {
    let mut secret = [7; 32];
    secret[28..].copy_from_slice(&number.to_be_bytes());
    Secret::new(secret)
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
