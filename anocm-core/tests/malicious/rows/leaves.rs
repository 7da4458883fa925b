//! The contents of a leaf and of a path, in a member's commit and in a join.

use std::sync::Arc;

use anocm_core::wire::{self, EntryKind};
use openmls::prelude::{
    BasicCredential, Capabilities, CredentialWithKey, ExtensionType, Extensions, LeafNode,
    LeafNodeParameters,
};

use super::{entries::OWNER_VOIDS, joins::join, messages::SMALL};
use crate::{
    forge::{
        join::Shape,
        liar::Lies,
        who::{LEAF, SETTINGS, Who, capabilities, card, card_with, leaf_extensions, random},
    },
    trial::{
        By::{LinkHolder, Member},
        Row,
        Then::AwaitsOwner,
        row,
    },
};

/// A leaf that is invalid, or at the limit of validity.
struct Leaf {
    extensions: Extensions<LeafNode>,
    capabilities: Capabilities,
    who: Who,
    lies: Lies,
}

impl Leaf {
    fn of(who: &Who) -> Self {
        Self {
            extensions: leaf_extensions(who.card("Mallory")),
            capabilities: capabilities(),
            who: who.clone(),
            lies: Lies::default(),
        }
    }

    fn carded(who: &Who, card: Vec<u8>) -> Self {
        Self { extensions: leaf_extensions(card), ..Self::of(who) }
    }
}

type Make = Arc<dyn Fn(&Who) -> Leaf>;

fn case(name: &str, make: impl Fn(&Who) -> Leaf + 'static) -> (String, Make) {
    (name.to_owned(), Arc::new(make))
}

/// Names that every member accepts.
fn valid() -> Vec<(String, Make)> {
    ["", "Alice", "\u{202e}\u{1b}[2J<Alice #7K2Q>\n", &"x".repeat(64)]
        .map(|name| {
            let name_of = name.to_owned();
            case(&format!("the name {name:?}"), move |who| Leaf::carded(who, who.card(&name_of)))
        })
        .into()
}

fn cards() -> Vec<(String, Make)> {
    let with = |name: &'static str, make: fn(Vec<u8>) -> Vec<u8>| {
        case(name, move |who| Leaf::carded(who, make(who.card("Mallory"))))
    };
    let long = |bytes: usize| {
        case(&format!("a name of {bytes} bytes"), move |who| {
            Leaf::carded(who, who.card(&"x".repeat(bytes)))
        })
    };
    vec![
        long(65),
        long(256),
        long(257),
        long(20_000),
        with("an empty card", |_| Vec::new()),
        with("a card with a byte left over", |card| [card, vec![0]].concat()),
        with("a card cut off", |card| card[..card.len() - 1].to_vec()),
        with("a card of no meaning", |_| vec![0xff; 40]),
        with("a card with an overlong length", |card| [&[0x87, 0], &card[1..]].concat()),
        with("a name that is no UTF-8", |mut card| {
            card[1] = 0xff;
            card
        }),
        case("no card", |who| Leaf { extensions: Extensions::empty(), ..Leaf::of(who) }),
    ]
}

/// What stands after the stay: admission and numbered fields.
fn rests() -> Vec<(String, Make)> {
    let rest = |name: &str, rest: Vec<u8>| {
        case(&format!("a card with {name}"), move |who| {
            Leaf::carded(who, card_with("Mallory", who.whisper, who.stay, &rest))
        })
    };
    let by_key = |kind: u8| [&[kind], [9; 32].as_slice(), &[8; 64], &[0]].concat();
    vec![
        case("a card without a stay", |who| {
            Leaf::carded(who, wire::encode(&("Mallory", who.whisper)).to_vec())
        }),
        rest("no admission and no more", vec![]),
        rest("an admission of a later version", vec![3, 0]),
        rest("a pass that does not exist", by_key(1)),
        rest("a ticket that is not signed", by_key(2)),
        rest("33 bytes of more", [&[0, 1, 7, 30], [0; 30].as_slice()].concat()),
        rest("more in descending order", vec![0, 2, 2, 0, 1, 0]),
        rest("more of one number twice", vec![0, 2, 1, 0, 1, 0]),
        rest("an overlong number in more", vec![0, 1, 0x81, 0, 0]),
    ]
}

/// Cards that differ in what may differ.
fn grown() -> Vec<(String, Make)> {
    vec![
        case("a card with numbered fields of a later version", |who| {
            let rest = [0, 2, 1, 1, 7, 0x80, 0x80, 2, 0];
            Leaf::carded(who, card_with("Mallory", who.whisper, who.stay, &rest))
        }),
        case("a card with 32 bytes of more", |who| {
            let rest = [&[0, 1, 7, 29], [0; 29].as_slice()].concat();
            Leaf::carded(who, card_with("Mallory", who.whisper, who.stay, &rest))
        }),
        case("a card with another stay", |who| {
            Leaf::carded(who, card("Mallory", who.whisper, random()))
        }),
    ]
}

fn able() -> Vec<(String, Make)> {
    let able = |name: &'static str, make: fn() -> Capabilities| {
        case(name, move |who| Leaf { capabilities: make(), ..Leaf::of(who) })
    };
    vec![
        able("capabilities that say more", || {
            let types = [LEAF, SETTINGS, 0xf0ff].map(ExtensionType::Unknown);
            Capabilities::new(None, None, Some(&types), Some(&[]), None)
        }),
        able("capabilities in another order", || {
            let types = [SETTINGS, LEAF].map(ExtensionType::Unknown);
            Capabilities::new(None, None, Some(&types), Some(&[]), None)
        }),
    ]
}

fn identities() -> Vec<(String, Make)> {
    [0, 15, 17, 200]
        .map(|bytes| {
            case(&format!("a member id of {bytes} bytes"), move |who| {
                let who = Who { id: vec![7; bytes], ..who.clone() };
                Leaf { who, ..Leaf::of(&Who::random()) }
            })
        })
        .into()
}

/// Public keys that nothing can be encrypted to, as each key of the path: the MLS library generates
/// the leaf's key last.
fn path_keys() -> Vec<(String, Make)> {
    let mut cases = Vec::new();
    for (nth, whose) in [(0, "parent"), (1, "root"), (2, "leaf")] {
        for (n, key) in SMALL.into_iter().enumerate() {
            let name = format!("a {whose} key of small order (number {n})");
            cases.push(case(&name, move |who| {
                let public_key = Some((nth, key.to_vec()));
                Leaf { lies: Lies { public_key, ..Lies::default() }, ..Leaf::of(who) }
            }));
        }
        for bytes in [0, 31, 33] {
            let name = format!("a {whose} key of {bytes} bytes");
            cases.push(case(&name, move |who| {
                let public_key = Some((nth, vec![9; bytes]));
                Leaf { lies: Lies { public_key, ..Lies::default() }, ..Leaf::of(who) }
            }));
        }
    }
    cases
}

fn whispers() -> Vec<(String, Make)> {
    let whispers = SMALL.into_iter().enumerate().map(|(n, key)| {
        case(&format!("a whisper key of small order (number {n})"), move |who| {
            Leaf::carded(who, card("Mallory", key, who.stay))
        })
    });
    whispers.collect()
}

fn by_join((name, make): (String, Make)) -> Row {
    row!(
        LinkHolder,
        format!("a join with {name}"),
        [make] | attack | {
            let Leaf { extensions, capabilities, who, lies } = make(&Who::random());
            let shape = Shape { extensions, capabilities, lies, ..Shape::of(who) };
            join(attack, shape).await;
        }
    )
}

fn by_commit((name, make): (String, Make)) -> Row {
    row!(
        Member,
        format!("a commit with {name}"),
        [make] | attack | {
            let mallory = attack.mallory();
            let Leaf { extensions, capabilities, who, lies } = make(&mallory.who);
            let mut leaf = LeafNodeParameters::builder()
                .with_extensions(extensions)
                .with_capabilities(capabilities);
            if who.id != mallory.who.id {
                leaf = leaf.with_credential_with_key(CredentialWithKey {
                    credential: BasicCredential::new(who.id).into(),
                    signature_key: mallory.who.key().to_vec().into(),
                });
            }
            mallory.provider.lies(lies);
            let leaf = leaf.build();
            let commit = mallory.commit(crate::NO_NOTICE, |b| b.leaf_node_parameters(leaf));
            let entry = mallory.seals(EntryKind::Commit, &commit.bytes);
            mallory.publishes(entry, Some(commit.next)).await.unwrap().unwrap();
        }
    )
}

fn unlawful() -> Vec<(String, Make)> {
    let kinds = [cards(), rests(), able(), identities(), path_keys(), whispers()];
    kinds.into_iter().flatten().collect()
}

pub fn rows() -> Vec<Row> {
    let commits = unlawful().into_iter().map(by_commit);
    let commits = commits.map(|row| row.then(AwaitsOwner(OWNER_VOIDS)));
    let joins = unlawful().into_iter().map(by_join);
    let lawful = || valid().into_iter().chain(grown());
    let (lawful_joins, lawful_commits) = (lawful().map(by_join), lawful().map(by_commit));
    commits.chain(joins).chain(lawful_joins).chain(lawful_commits).collect()
}
