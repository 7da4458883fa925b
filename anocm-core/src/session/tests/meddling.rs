//! Changes of the settings that members refuse.

use openmls::prelude::{Extension, Extensions, GroupContext, UnknownExtension};

use super::{forge::*, *};

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

#[test]
fn only_the_owner_changes_settings() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    let mut settings = bob.settings().clone();
    settings.moderators = vec![bob.identity.key()];
    let extensions = leaf::group_extensions(&settings).unwrap();
    let entry = settings_commit(&mut room, &mut bob, extensions);
    forbidden(&mut room, &entry, &mut bob, &mut [&mut alice, &mut carol]);
}

#[test]
fn not_even_the_owner_changes_owner_or_policy_or_goes_beyond_it() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let before = alice.settings().clone();
    let mut handed_over = before.clone();
    handed_over.owner = bob.identity.key();
    let mut lengthened = before.clone();
    lengthened.policy.max_age += 1;
    let mut beyond = before.clone();
    beyond.retention = RoomRetention::new(Retention::Live, kept(1), kept(90_000)).unwrap();
    let mut disordered = before.clone();
    disordered.moderators = vec![MemberKey::new([2; 32]), MemberKey::new([1; 32])];
    let mut crowded = before.clone();
    crowded.moderators = (0..=64).map(|n| MemberKey::new([n; 32])).collect();
    for settings in [handed_over, lengthened, beyond, disordered, crowded] {
        let extensions = leaf::group_extensions(&settings).unwrap();
        let entry = settings_commit(&mut room, &mut alice, extensions);
        assert_eq!(bob.open(&entry), Err(OpenError::Rejected { by: Some(alice.me()) }));
    }
    room.heard(&mut alice, &mut bob);
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
