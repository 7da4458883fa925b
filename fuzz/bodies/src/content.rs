//! Any bytes as the plaintext of a seal: only members can make it, and not all of them are honest.

use anocm_core::{
    Nickname, Payload, fuzz,
    name::{clean_line, clean_text},
    session::{Content, JoinError, Joiner, LeaveStatement, MAX_CONTENT, OpenError, Session},
    wire::{Door, EntryKind, decode},
};

use crate::{
    marks::reached,
    world::{After, World, kept, with_scene},
};

/// Decodes bytes as the part of the protocol that the first byte selects. Where all members must
/// reach the same decision, a decoded value has exactly one encoding.
pub fn content(bytes: &[u8]) {
    let Some((&part, bytes)) = bytes.split_first() else { return };
    match part % PARTS {
        0 => envelope(bytes),
        1 => whispered(bytes),
        2 => unpadded(bytes),
        3 => one_encoding(bytes, "settings", fuzz::settings),
        4 => one_encoding(bytes, "card", fuzz::card),
        5 => one_encoding(bytes, "notice", fuzz::notice),
        6 => leave(bytes),
        7 => name(bytes),
        8 => entry(bytes),
        _ => door(bytes),
    }
}

/// The number of parts.
const PARTS: u8 = 10;

fn envelope(bytes: &[u8]) {
    let Some(envelope) = fuzz::envelope(bytes) else { return };
    check_content(&envelope.content);
    let Some(again) = fuzz::envelope_bytes(&envelope) else {
        reached("of a later version");
        assert!(matches!(envelope.content, Content::Unknown { .. }));
        return;
    };
    reached("envelope");
    assert!(again.len() <= bytes.len(), "encoders write the shortest");
    assert_eq!(fuzz::envelope(&again), Some(envelope));
}

fn whispered(bytes: &[u8]) {
    let Some(content) = fuzz::whispered(bytes) else { return };
    reached("whispered");
    assert!(!matches!(content, Content::Whisper(_) | Content::Leaving(_)));
    check_content(&content);
}

/// Does what a guest does with content.
fn check_content(content: &Content) {
    match content {
        Content::Text(text) => {
            reached("text");
            assert!(text.as_str().len() <= MAX_CONTENT);
            for clean in [clean_text, clean_line] {
                let shown = clean(text.as_str());
                assert_eq!(clean(&shown), shown, "cleaning what is clean changes nothing");
                assert!(!shown.contains('\u{1b}'));
            }
        }
        Content::Whisper(whisper) => with_scene(false, |world| {
            reached("whisper");
            assert_eq!(world.bob.read_whisper(world.alice, whisper), None);
            After::Keep
        }),
        Content::Leaving(statement) => check_leave(statement),
        Content::Custom { kind, body } => {
            reached("custom");
            assert!(*kind < 0x8000 && body.len() <= MAX_CONTENT);
        }
        _ => {}
    }
}

fn unpadded(bytes: &[u8]) {
    let Some(content) = fuzz::unpadded(bytes) else { return };
    reached("unpadded");
    let (length, rest) = bytes.split_at(4);
    assert_eq!(length, u32::try_from(content.len()).expect("short").to_be_bytes());
    assert_eq!(rest.split_at(content.len()).0, content);
}

fn one_encoding(bytes: &[u8], what: &'static str, read: fn(&[u8]) -> Option<Payload>) {
    let Some(again) = read(bytes) else { return };
    reached(what);
    assert_eq!(*again, *bytes, "members read one encoding only");
}

fn leave(bytes: &[u8]) {
    if let Ok(statement) = decode::<LeaveStatement>(bytes, MAX_CONTENT) {
        check_leave(&statement);
    }
}

fn check_leave(statement: &LeaveStatement) {
    reached("leave statement");
    with_scene(false, |world| {
        // Of all statements, only Bob's own is accepted as a member's.
        let bobs = world.bob.leave_statement().expect("Bob is in the room");
        assert_eq!(fuzz::is_by_a_member(&world.bob, statement), *statement == bobs);
        After::Keep
    });
}

fn name(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    reached("name");
    let name = Nickname::received(text);
    assert_eq!(Nickname::received(name.as_str()), name);
    assert_eq!(Nickname::new(name.as_str()).as_ref(), Ok(&name));
    if let Ok(typed) = Nickname::new(text) {
        assert_eq!(Nickname::received(typed.as_str()), typed, "a valid name is shown as it is");
    }
}

/// A member seals arbitrary bytes as an entry.
fn entry(bytes: &[u8]) {
    let Some((&kind, bytes)) = bytes.split_first() else { return };
    with_scene(false, |world| {
        let World { bob, rng, .. } = world;
        let (kind, retention) = match kind % 3 {
            0 => (EntryKind::Message, kept()),
            1 => (EntryKind::Commit, bob.settings().policy.handshakes),
            _ => (EntryKind::Join, bob.settings().policy.handshakes),
        };
        let Some(entry) = fuzz::sealed(bob, kind, retention, bytes, rng) else {
            return After::Keep;
        };
        let opened = bob.open(&entry);
        let said = match kind {
            EntryKind::Message => opened == Err(OpenError::RatchetSkipped),
            EntryKind::Commit | EntryKind::Join => {
                matches!(opened, Err(OpenError::Rejected { .. }))
            }
        };
        assert!(said, "{kind:?}: {opened:?}");
        reached("entry of a member");
        world.is_spoilt = true;
        After::Keep
    });
}

/// A member seals arbitrary bytes as the door.
fn door(bytes: &[u8]) {
    with_scene(false, |world| {
        let World { bob, rng, door, secret, .. } = world;
        let Some(group_info) = fuzz::sealed_door(bob, bytes, rng) else { return After::Keep };
        let door = Door { group_info, ..door.clone() };
        match Session::join(&door, secret, Joiner::New(Nickname::default()), rng) {
            // The door of a whole other room, which is valid for a guest who does not know this
            // one.
            Ok(_) => reached("door of another group"),
            Err(error) => {
                reached("bad door");
                let why = error.why;
                assert!(matches!(why, JoinError::BadDoor | JoinError::PolicyMismatch), "{why:?}");
            }
        }
        assert!(!bob.vouches_for(&door, rng), "this is another group");
        After::Keep
    });
}
