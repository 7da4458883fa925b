//! Changes of the settings that members refuse.

use super::{super::more::More, forge::*, *};
use openmls::prelude::{Extension, Extensions, GroupContext, UnknownExtension};

fn settings_commit(
    room: &mut Room,
    by: &mut Session,
    extensions: Extensions<GroupContext>,
) -> Entry {
    let valid = notice(vec![], false);
    commit(room, by, &valid, handshakes(), |builder| {
        builder.propose_group_context_extensions(extensions).unwrap()
    })
}

/// Commits the settings after `change`, with the numbers that are due before it, signed by `signer`.
fn set(
    room: &mut Room,
    by: &mut Session,
    signer: &Identity,
    change: impl FnOnce(&mut Settings),
) -> Entry {
    let mut settings = by.settings().clone();
    settings.counter += 1;
    settings.door = by.door_number();
    change(&mut settings);
    settings.sign(&by.address, signer).unwrap();
    settings_commit(room, by, leaf::group_extensions(&settings).unwrap())
}

#[test]
fn only_the_owner_changes_settings() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    let key = bob.key();
    // Also with settings of the owner, who signed them in a commit that was refused.
    for signer in [bob.identity.copy(), alice.identity.copy()] {
        let entry = set(&mut room, &mut bob, &signer, |next| next.moderators = vec![key]);
        forbidden(&mut room, &entry, &mut bob, &mut [&mut alice, &mut carol]);
    }
}

#[test]
fn not_even_the_owner_changes_policy_or_order_or_goes_beyond_it() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let signer = alice.identity.copy();
    let changes: [fn(&mut Settings); 8] = [
        |next| next.policy.max_age += 1,
        |next| next.retention = RoomRetention::new(Retention::Live, kept(1), kept(90_000)).unwrap(),
        |next| next.moderators = vec![MemberKey::new([2; 32]), MemberKey::new([1; 32])],
        |next| next.moderators = (0..=64).map(|n| MemberKey::new([n; 32])).collect(),
        |next| next.counter -= 1,
        |next| next.counter += 1,
        |next| next.door += 1,
        |next| next.set_title(&"x".repeat(65)),
    ];
    for change in changes {
        let entry = set(&mut room, &mut alice, &signer, change);
        assert_eq!(bob.open(&entry), Err(OpenError::Rejected { by: Some(alice.me()) }));
    }
    // The same with nothing wrong.
    let entry = set(&mut room, &mut alice, &signer, |next| {
        next.set_title("Friends");
        next.set_more(More(vec![(7, vec![1])]));
    });
    assert!(applied(bob.open(&entry).unwrap()).settings_changed);
}

#[test]
fn settings_are_signed_by_the_owner_for_this_room() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let (mallory, owner) = (Identity::new(&mut room.rng), alice.identity.copy());
    let refused = Err(OpenError::Rejected { by: Some(alice.me()) });
    let entry = set(&mut room, &mut alice, &mallory, |_| {});
    assert_eq!(bob.open(&entry), refused);
    let mut elsewhere = alice.settings().clone();
    elsewhere.counter += 1;
    elsewhere.sign(&RoomAddress::new([6; 16]), &owner).unwrap();
    let entry = settings_commit(&mut room, &mut alice, leaf::group_extensions(&elsewhere).unwrap());
    assert_eq!(bob.open(&entry), refused);
    // One that was valid for what was signed.
    let mut changed = alice.settings().clone();
    changed.counter += 1;
    changed.sign(&alice.address, &owner).unwrap();
    changed.retention = RoomRetention::new(Retention::Live, kept(10), kept(60)).unwrap();
    let entry = settings_commit(&mut room, &mut alice, leaf::group_extensions(&changed).unwrap());
    assert_eq!(bob.open(&entry), refused);
    room.heard(&mut alice, &mut bob);
}

#[test]
fn a_role_is_not_taken_away_without_a_new_door() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    let (moderator, signer) = (bob.key(), alice.identity.copy());
    let named = Change::SetRole(moderator, Role::Moderator);
    room.change(&mut alice, named, &mut [&mut bob, &mut carol]);
    let entry = set(&mut room, &mut alice, &signer, |next| next.moderators.clear());
    forbidden(&mut room, &entry, &mut alice, &mut [&mut bob, &mut carol]);
    let dismissed = Change::SetRole(moderator, Role::Member);
    let applied = room.change(&mut alice, dismissed, &mut [&mut bob, &mut carol]);
    assert!(applied.invite_replaced && carol.settings().moderators.is_empty());
    assert_eq!((carol.settings().door, carol.door_number()), (1, 1));
}

#[test]
fn the_owners_new_door_brings_settings_and_a_moderators_does_not() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    let named = Change::SetRole(bob.key(), Role::Moderator);
    room.change(&mut alice, named, &mut [&mut bob, &mut carol]);
    let bare = notice(vec![], true);
    let entry = commit(&mut room, &mut alice, &bare, handshakes(), |builder| builder);
    forbidden(&mut room, &entry, &mut alice, &mut [&mut bob, &mut carol]);

    let numbers = |of: &Session| (of.settings().door, of.door_number(), of.settings().counter);
    assert_eq!(numbers(&carol), (0, 0, 1));
    room.change(&mut alice, Change::ReplaceInvite, &mut [&mut bob, &mut carol]);
    assert_eq!(numbers(&carol), (1, 1, 2));
    let applied = room.change(&mut bob, Change::ReplaceInvite, &mut [&mut alice, &mut carol]);
    assert!(applied.invite_replaced && !applied.settings_changed);
    assert_eq!(numbers(&carol), (1, 2, 2));
    // The owner signs them for the moderator's door; nothing else in them changes.
    let applied = room.change(&mut alice, Change::RenewSettings, &mut [&mut bob, &mut carol]);
    assert!(!applied.invite_replaced && !applied.settings_changed);
    assert_eq!(numbers(&carol), (2, 2, 3));
    let refused = alice.propose(Change::RenewSettings, &mut room.rng);
    assert_eq!(refused.unwrap_err(), SessionError::NoSuchMember);
    room.change(&mut bob, Change::ReplaceInvite, &mut [&mut alice, &mut carol]);
    let refused = bob.propose(Change::RenewSettings, &mut room.rng);
    assert_eq!(refused.unwrap_err(), SessionError::NotAllowed);
    let gone = Change::Remove(carol.key());
    room.change(&mut alice, gone, &mut [&mut bob]);
    assert_eq!(numbers(&bob), (4, 4, 4));
}

#[test]
fn the_group_context_carries_the_settings_and_nothing_else() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let error = Err(OpenError::Rejected { by: Some(alice.me()) });
    let entry = settings_commit(&mut room, &mut alice, Extensions::empty());
    assert_eq!(bob.open(&entry), error);
    let mut more = leaf::group_extensions(alice.settings()).unwrap();
    let required = more.required_capabilities().unwrap().clone();
    let settings = more.unknown(0xf0a2).unwrap().0.clone();
    more = Extensions::from_vec(vec![
        Extension::RequiredCapabilities(required),
        Extension::Unknown(0xf0a2, UnknownExtension([settings, vec![0]].concat())),
    ])
    .unwrap();
    let entry = settings_commit(&mut room, &mut alice, more);
    assert_eq!(bob.open(&entry), error);
    room.heard(&mut alice, &mut bob);
}

#[test]
fn rules_of_a_later_version_are_the_owners_to_set() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    // By a member they are forbidden like other settings of a member.
    let entry = hostile::sets_later_rules(&mut bob);
    forbidden(&mut room, &entry, &mut bob, &mut [&mut alice, &mut carol]);
    let entry = hostile::sets_later_rules(&mut alice);
    for member in [&mut bob, &mut carol] {
        assert_eq!(member.open(&entry), Err(OpenError::NewerProgram));
        // Nothing of it is applied.
        room.heard(&mut alice, member);
    }
    // A lower number is kept, and passed on.
    let signer = alice.identity.copy();
    let entry = set(&mut room, &mut alice, &signer, |next| {
        next.set_more(More(vec![(0x7fff, vec![1])]));
    });
    bob.open(&entry).unwrap();
    assert!(bob.settings().differ(alice.settings()));
}

#[test]
fn a_newcomer_to_rules_of_a_later_version_needs_a_newer_program() {
    let door = hostile::door_of_later_rules(&secret());
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let refused = Session::join(&door, &secret(), Joiner::New(name("Bob")), &mut rng);
    assert_eq!(refused.unwrap_err().why, JoinError::NewerProgram);
}
