//! Test vectors for other implementations of the protocol, in `tests/vectors/` of this crate.
//!
//! They are derived again and compared. `ANOCM_BLESS=1 cargo test vectors` writes them anew, which
//! is correct only after a change of the protocol.

use std::path::PathBuf;

use data_encoding::HEXLOWER;
use openmls_rust_crypto::RustCrypto;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use x25519_dalek::{PublicKey, StaticSecret};

use super::{
    super::{
        card::{Admission, Card, Stay},
        keys::{DoorKeys, owner_token},
        leaf, leave,
        more::More,
        seal::{SealContext, SealKind},
        signature::{self, Label, Signature},
        whisper::{self, WhisperContext},
    },
    *,
};
use crate::{MemberId, wire};

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// Returns `N` bytes that count up from `first`.
fn counting<const N: usize>(first: u8) -> [u8; N] {
    std::array::from_fn(|n| first.wrapping_add(u8::try_from(n % 256).unwrap()))
}

fn address() -> RoomAddress {
    RoomAddress::new(counting(0))
}

/// Compares with the file, or writes the file first if `ANOCM_BLESS` is set.
#[expect(clippy::disallowed_methods, reason = "vectors are made by hand, on request")]
fn check(file: &str, derived: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(file);
    if std::env::var_os("ANOCM_BLESS").is_some() {
        let text = serde_json::to_string_pretty(derived).unwrap();
        std::fs::write(&path, text + "\n").unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap();
    let known: Value = serde_json::from_str(&known).unwrap();
    assert_eq!(*derived, known, "{file} does not hold");
}

#[test]
fn derivations_are_the_known_ones() {
    let invite = Secret::new(counting(0x20));
    let owner = Secret::new(counting(0x70));
    let door = DoorKeys::derive(&address(), &invite).unwrap();
    let owner_token = owner_token(&address(), &owner).unwrap();
    let member = MemberId::new(counting(0x60));
    let key = MemberKey::new(counting(0x40));
    let stay = Stay::new(counting(0xc0));
    let codes: Vec<Value> = [[0; 32], counting(0x80), [0xff; 32]]
        .iter()
        .map(|exported| {
            let code = SafetyCode::new(exported);
            json!({
                "exported": hex(exported),
                "words": code.words(),
                "emoji": code.emoji(),
            })
        })
        .collect();
    let derived = json!({
        "address": hex(address().as_bytes()),
        "door": {
            "invite_secret": hex(invite.expose()),
            "key": hex(door.key.expose()),
            "token": hex(door.token.expose()),
            "token_hash": hex(door.token.hash().as_bytes()),
            "psk": hex(door.psk.expose()),
            "psk_id": hex(door.psk_id.expose()),
        },
        "owner": {
            "secret": hex(owner.expose()),
            "token": hex(owner_token.expose()),
            "token_hash": hex(owner_token.hash().as_bytes()),
        },
        "leave_statement": {
            "member_id": hex(member.as_bytes()),
            "member_key": hex(key.as_bytes()),
            "stay": hex(stay.as_bytes()),
            "signed": hex(&signature::signed_bytes(
                Label::Leave,
                &address(),
                &leave::parts(&member, &key, &stay),
            )),
        },
        "room": {
            "owner_key": hex(key.as_bytes()),
            "address": hex(RoomAddress::of(&key).as_bytes()),
        },
        "safety_codes": codes,
    });
    check("derivations.json", &derived);
}

#[test]
fn cards_are_the_known_ones() {
    let signature: Signature = postcard::from_bytes(&counting::<64>(0x80)).unwrap();
    let (pass, moderator) = (counting(0x40), counting(0x60));
    let (pass, by) = (MemberKey::new(pass), MemberKey::new(moderator));
    let some = More(vec![(7, vec![1, 2]), (0x8001, vec![])]);
    let cases = [
        ("Alice", Admission::None, More::default()),
        ("", Admission::Pass { key: pass, signature }, More::default()),
        ("Zoë", Admission::Ticket { by, signature }, some),
    ];
    let (whisper, stay) = (counting(0x20), Stay::new(counting(0xc0)));
    let cards: Vec<Value> = cases
        .into_iter()
        .map(|(nickname, admission, more)| {
            let by = match &admission {
                Admission::None => Value::Null,
                Admission::Pass { key, .. } => json!({ "pass": hex(key.as_bytes()) }),
                Admission::Ticket { by, .. } => json!({ "ticket": hex(by.as_bytes()) }),
            };
            let numbered: Vec<_> = more.0.iter().map(|(n, bytes)| json!([n, hex(bytes)])).collect();
            let card = Card { nickname, whisper, stay, admission, more };
            let bytes = wire::encode(&card);
            let extensions = leaf::leaf_extensions(&card).unwrap();
            assert!(leaf::read_card(&extensions).is_some());
            json!({
                "nickname": nickname,
                "admission": by,
                "more": numbered,
                "bytes": hex(&bytes),
            })
        })
        .collect();
    let derived = json!({
        "whisper": hex(&whisper),
        "stay": hex(stay.as_bytes()),
        "signature": hex(&counting::<64>(0x80)),
        "cards": cards,
    });
    check("card.json", &derived);
}

#[test]
fn settings_are_the_known_ones() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let owner = Identity::new(&mut rng);
    let address = RoomAddress::of(&owner.key());
    let retention = RoomRetention::new(Retention::Live, kept(60), kept(3_600)).unwrap();
    let first = Settings::first(policy(), retention, &owner).unwrap();
    let mut later = first.clone();
    later.set_title("Zoë & friends");
    later.set_more(More(vec![(7, vec![1, 2]), (0x8001, vec![])]));
    later.moderators = [0x20, 0x40].map(|first| MemberKey::new(counting(first))).to_vec();
    (later.door, later.counter) = (2, 300);
    later.sign(&address, &owner).unwrap();
    let crypto = RustCrypto::default();
    let cases: Vec<Value> = [first, later]
        .iter()
        .map(|settings| {
            assert!(settings.are_valid() && settings.are_signed(&address, &crypto));
            let bytes = wire::encode(settings);
            let (unsigned, _) = bytes.split_last_chunk::<64>().unwrap();
            let hash = Sha256::digest(unsigned);
            let signed = signature::signed_bytes(Label::Settings, &address, &[&hash]);
            json!({ "bytes": hex(&bytes), "hash": hex(&hash), "signed": hex(&signed) })
        })
        .collect();
    let derived = json!({
        "owner_key": hex(owner.key().as_bytes()),
        "address": hex(address.as_bytes()),
        "settings": cases,
    });
    check("settings.json", &derived);
}

#[test]
fn sealing_is_the_known_one() {
    let key = Secret::new(counting(0x30));
    let nonce = counting(0xa0);
    let cases = [
        ("message", SealKind::Message, 60_000, 5),
        ("message", SealKind::Message, 0, 956),
        ("message", SealKind::Message, 300_000, 957),
        ("message", SealKind::Message, 300_000, 3_957),
        ("message", SealKind::Message, 86_400_000, 15_957),
        ("commit", SealKind::Commit, 86_400_000, 700),
        ("join", SealKind::Join, 86_400_000, 2_000),
        ("group information", SealKind::GroupInfo, 0, 800),
        ("group information", SealKind::GroupInfo, 0, 63_957),
        ("group information", SealKind::GroupInfo, 0, 255_957),
    ];
    let sealed: Vec<Value> = cases
        .into_iter()
        .map(|(kind, of, millis, length)| {
            let retention = std::time::Duration::from_millis(millis);
            let place = SealContext {
                address: address(),
                epoch: Epoch::new(0x0102_0304_0506_0708),
                kind: of,
                retention: Retention::keep(retention).unwrap(),
            };
            let content: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let sealed = seal::seal_with(&key, &nonce, &place, &content).unwrap();
            assert_eq!(seal::open(&key, &place, &sealed).unwrap().to_vec(), content);
            json!({
                "kind": kind,
                "retention_millis": millis,
                "content_length": length,
                "sealed_length": sealed.len(),
                "aad": hex(&place.aad()),
                "sealed_begins": hex(&sealed[..64]),
                "sealed_sha256": hex(&Sha256::digest(&sealed)),
            })
        })
        .collect();
    let derived = json!({
        "address": hex(address().as_bytes()),
        "epoch": "0102030405060708",
        "key": hex(key.expose()),
        "nonce": hex(&nonce),
        "content": "byte n is n mod 251",
        "cases": sealed,
    });
    check("sealing.json", &derived);
}

#[test]
fn whispers_are_the_known_ones() {
    let recipient = StaticSecret::from(counting(0x50));
    let ephemeral = StaticSecret::from(counting(0x90));
    let context = WhisperContext {
        address: address(),
        epoch: Epoch::new(7),
        sender: MemberId::new(counting(0xb0)),
        recipient: MemberId::new(counting(0xc0)),
        key: PublicKey::from(&recipient).to_bytes(),
    };
    let cases: Vec<Value> = ["psst", &"x".repeat(1_000)]
        .into_iter()
        .map(|words| {
            let content = text(words);
            let whisper = whisper::seal_with(&context, &content, &ephemeral).unwrap();
            assert_eq!(whisper::open(&context, &whisper, &recipient), Some(content));
            json!({
                "text": words,
                "whisper_length": whisper.0.len(),
                "whisper_begins": hex(&whisper.0[..80]),
                "whisper_sha256": hex(&Sha256::digest(&whisper.0)),
            })
        })
        .collect();
    let derived = json!({
        "address": hex(address().as_bytes()),
        "epoch": 7,
        "sender": hex(context.sender.as_bytes()),
        "recipient": hex(context.recipient.as_bytes()),
        "recipient_secret": hex(recipient.as_bytes()),
        "recipient_key": hex(&context.key),
        "ephemeral_secret": hex(ephemeral.as_bytes()),
        "cases": cases,
    });
    check("whisper.json", &derived);
}

#[test]
fn envelopes_are_the_known_ones() {
    let id = MessageId::new(counting(0xd0));
    let custom = Content::Custom { kind: 12, body: counting::<4>(1).to_vec().into() };
    let contents = [
        ("text", text("hello")),
        ("typing", Content::Typing),
        ("here", Content::Here),
        ("away", Content::Away),
        ("custom 12", custom),
    ];
    let cases: Vec<Value> = contents
        .into_iter()
        .map(|(kind, content)| {
            let envelope = Envelope { id, counter: 300, content };
            json!({ "kind": kind, "encoded": hex(&envelope.encode().unwrap()) })
        })
        .collect();
    let derived = json!({ "id": hex(id.as_bytes()), "counter": 300, "cases": cases });
    check("envelopes.json", &derived);
}
