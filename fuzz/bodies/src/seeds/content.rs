use anocm_core::{
    MessageId, NewRoom, Payload, RoomRetention, fuzz,
    session::{Content, Envelope, MAX_MODERATORS, MemberKey},
    wire::{Policy, encode},
};

use super::Named;
use crate::world::{After, World, text, with_scene};

pub(super) fn files() -> Vec<Named> {
    let mut files = Vec::new();
    with_scene(false, |world| {
        for (name, part, bytes) in made(world).into_iter().chain(plain()) {
            files.push((name.to_owned(), [&[part], bytes.as_slice()].concat()));
        }
        After::Keep
    });
    files
}

type Part = (&'static str, u8, Vec<u8>);

/// The parts that require keys.
fn made(world: &mut World) -> Vec<Part> {
    let World { bob, rng, alice, message, commit, join, door, .. } = world;
    let statement = bob.leave_statement().expect("Bob is in the room");
    let whisper = bob.whisper(*alice, &text("psst"), rng).expect("to Alice");
    let behind = |kind: u8, entry| {
        let bytes = fuzz::unsealed(bob, entry).expect("of this epoch");
        [&[kind], bytes.as_slice()].concat()
    };
    let info = fuzz::unsealed_door(bob, &door.group_info).expect("of this epoch").to_vec();
    let notice = [[1].as_slice(), &encode(&statement), &[1]].concat();
    let settings = encode(bob.settings()).to_vec();
    vec![
        ("envelope_whisper", 0, envelope(whisper)),
        ("envelope_leaving", 0, envelope(Content::Leaving(statement.clone()))),
        ("settings", 3, settings),
        ("notice_of_a_leave", 5, notice),
        ("leave_statement", 6, encode(&statement).to_vec()),
        ("entry_message", 8, behind(0, message)),
        ("entry_commit", 8, behind(1, commit)),
        ("entry_join", 8, behind(2, join)),
        ("entry_commit_as_message", 8, [&[0], &behind(1, commit)[1..]].concat()),
        ("entry_join_as_commit", 8, [&[1], &behind(2, join)[1..]].concat()),
        ("door_of_another_group", 9, info),
    ]
}

fn plain() -> Vec<Part> {
    let custom = Content::Custom { kind: 12, body: Payload::from(vec![1, 2, 3]) };
    let cards = |name: &str| card(&[&[name.len() as u8], name.as_bytes()].concat(), &[0, 0]);
    let long_name = [&[0x80, 2], [b'x'; 256].as_slice()].concat();
    let (key, signature) = ([9; 32], [8; 64]);
    let padded =
        |content: &[u8]| [&(content.len() as u32).to_be_bytes(), content, &[0; 8]].concat();
    vec![
        ("envelope_text", 0, envelope(text("hello"))),
        (
            "envelope_hard_text",
            0,
            envelope(text("\u{1b}[31m\u{202e}e\u{301}\u{1f469}\u{200d}\u{1f680}\r\n")),
        ),
        ("envelope_typing", 0, envelope(Content::Typing)),
        ("envelope_here", 0, envelope(Content::Here)),
        ("envelope_away", 0, envelope(Content::Away)),
        ("envelope_custom", 0, envelope(custom)),
        (
            "envelope_of_a_later_version",
            0,
            [[1].as_slice(), &[2; 16], &[0x81, 0x80, 1, 1, 7]].concat(),
        ),
        ("whispered_text", 1, padded(b"\x00\x01psst")),
        ("whispered_custom", 1, padded(b"\x80\x0cabc")),
        ("whispered_whisper", 1, padded(b"\x00\x05abc")),
        ("padded", 2, padded(b"content")),
        ("padded_with_ones", 2, [padded(b"content").as_slice(), &[1]].concat()),
        ("settings_with_moderators", 3, moderators(MAX_MODERATORS as u8)),
        ("settings_with_too_many", 3, moderators(MAX_MODERATORS as u8 + 1)),
        ("card", 4, cards("Alice")),
        ("card_of_a_long_name", 4, card(&long_name, &[0, 0])),
        ("card_in_another_encoding", 4, card(&[0x81, 0, b'x'], &[0, 0])),
        ("card_with_a_pass", 4, card(b"\x01x", &[&[1], &key[..], &signature, &[0]].concat())),
        ("card_with_a_ticket", 4, card(b"\x01x", &[&[2], &key[..], &signature, &[0]].concat())),
        ("card_of_another_admission", 4, card(b"\x01x", &[3, 0])),
        ("card_with_more", 4, card(b"\x01x", &[0, 2, 1, 0, 0x80, 0x80, 2, 1, 7])),
        ("card_with_more_out_of_order", 4, card(b"\x01x", &[0, 2, 2, 0, 1, 0])),
        ("notice", 5, vec![0, 0]),
        ("notice_of_a_new_door", 5, vec![0, 1]),
        ("name", 7, "Zoë \u{1f600} \u{202e}x".as_bytes().to_vec()),
        ("name_of_marks", 7, "a\u{301}\u{302}\u{303}\u{304}\u{305}".as_bytes().to_vec()),
        ("name_of_spaces", 7, " \t\u{3000}\u{200b} ".as_bytes().to_vec()),
        ("entry_of_nothing", 8, vec![0]),
        ("entry_of_zeros", 8, vec![0; 64]),
        ("door_of_nothing", 9, Vec::new()),
    ]
}

/// A card: the name with its length, and what follows the stay.
fn card(name: &[u8], rest: &[u8]) -> Vec<u8> {
    [name, &[9; 32], &[5; 16], rest].concat()
}

fn envelope(content: Content) -> Vec<u8> {
    let envelope = Envelope { id: MessageId::new([0xd1; 16]), counter: 300, content };
    fuzz::envelope_bytes(&envelope).expect("it can be sent").to_vec()
}

/// The settings of a room with `count` moderators.
fn moderators(count: u8) -> Vec<u8> {
    let keys: Vec<_> = (0..count).map(|number| MemberKey::new([number; 32])).collect();
    let policy: Policy = NewRoom::default().policy();
    let (none, owners) = (Vec::<u8>::new(), (MemberKey::new([0xff; 32]), Vec::<u8>::new()));
    let first = (policy, RoomRetention::default(), "", owners, keys, true);
    let (heir, door, counter) = (None::<u8>, 3_u32, 300_u64);
    let rest = (none.clone(), heir, door, counter, none, ([8_u8; 32], [8_u8; 32]));
    encode(&(first, rest)).to_vec()
}
