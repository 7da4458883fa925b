//! Messages: counters, ids, kinds and bodies, authenticated data, claimed senders, whispers, leave
//! statements.

use std::time::Duration;

use anocm_core::{
    Retention,
    wire::{self, EntryKind},
};

use crate::{
    common::seconds,
    forge::{
        Forger,
        liar::Lies,
        who::{Who, random},
    },
    rows::entries::{message, publish},
    trial::{By::Member, Row, row},
};

/// Points of small order on Curve25519, as encoded and with the bit that is ignored.
pub const SMALL: [[u8; 32]; 4] = [[0; 32], ONE, POINT, UNUSED_BIT];
const ONE: [u8; 32] = {
    let mut one = [0; 32];
    one[0] = 1;
    one
};
const UNUSED_BIT: [u8; 32] = {
    let mut zero = [0; 32];
    zero[31] = 0x80;
    zero
};
const POINT: [u8; 32] = [
    0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
    0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
];

const PUSHES: &str = "what could not be read is lost";

/// Counter and id of each message of a sequence.
fn counters() -> Vec<Row> {
    let sequences: [(&str, &[(u64, u8)]); 9] = [
        ("the same counter under another id", &[(0, 1), (0, 2), (0, 3)]),
        ("the same message three times", &[(0, 1), (0, 1), (0, 1)]),
        ("the same id under other counters", &[(0, 1), (1, 1), (2, 1)]),
        ("a counter that skips one", &[(0, 1), (2, 2)]),
        ("counters that go back", &[(7, 1), (3, 2), (0, 3)]),
        ("the largest counter but one", &[(u64::MAX - 1, 1), (u64::MAX, 2)]),
        ("the largest counter again and again", &[(u64::MAX, 1), (u64::MAX, 2), (u64::MAX, 1)]),
        ("an id of zeros", &[(0, 0), (1, 0)]),
        ("forty messages under one counter", &[(5, 9); 40]),
    ];
    sequences
        .map(|(name, sequence)| {
            row!(Member, name, |attack| {
                for &(counter, id) in sequence {
                    let entry = attack.mallory().message(counter, [id; 16], 1, b"psst");
                    publish(attack.mallory(), entry).await;
                }
            })
        })
        .into()
}

/// The id of another guest's message, with another retention.
fn names_of_others() -> Vec<Row> {
    [("Alice's", 0), ("Bob's", 1), ("Carol's", 2)]
        .map(|(whose, which)| {
            let name = format!("a message for a second under the id of {whose} message");
            row!(Member, name, |attack| {
                let mallory = attack.mallory();
                let (_, id, ..) = said(mallory, which);
                let second = seconds(1);
                let envelope = wire::encode(&(0_u64, id, 1_u16, b"gone".to_vec()));
                let message = mallory.wraps(&second.as_millis().to_be_bytes(), &envelope);
                let entry = mallory.seals_for(EntryKind::Message, second, &message);
                publish(mallory, entry).await;
                tokio::time::sleep(Duration::from_secs(2)).await;
            })
        })
        .into()
}

/// Returns the message of the honest guest with that number in Mallory's epoch.
fn said(mallory: &mut Forger, which: usize) -> (u64, [u8; 16], u16, Vec<u8>) {
    let epoch = mallory.epoch();
    let seen: Vec<_> = mallory.seen.iter().map(|item| item.entry.clone()).collect();
    let of_hers =
        seen.into_iter().filter(|entry| entry.kind == EntryKind::Message && entry.epoch == epoch);
    let names = ["Alice says", "Bob says", "Carol says"];
    let mut read = of_hers.filter_map(|entry| mallory.reads(&entry));
    read.find(|(.., body)| body.starts_with(names[which].as_bytes())).unwrap()
}

/// Every kind of content with bodies of every form.
fn kinds() -> Vec<Row> {
    let kinds = [0, 1, 2, 3, 4, 5, 6, 7, 0x7fff, 0x8000, 0x8001, 0xffff];
    kinds
        .map(|kind| {
            row!(Member, format!("content of kind {kind:#06x} with bodies of any form"), |attack| {
                let long = random::<15_777>();
                let bodies: [&[u8]; 9] = [
                    &[],
                    &[0],
                    &[0xff; 3],
                    &[0; 80],
                    &[0xff; 80],
                    &long[..777],
                    &long[..3_777],
                    &long,
                    &[b'\n'; 15_000],
                ];
                for body in bodies {
                    let entry = attack.mallory().says(kind, body);
                    publish(attack.mallory(), entry).await;
                }
                let longest = vec![b'x'; 63_772];
                let entry = attack.mallory().says(kind, &longest);
                publish(attack.mallory(), entry).await;
            })
        })
        .into()
}

/// Invalid envelopes.
fn envelopes() -> Vec<Row> {
    let bad: [(&str, &[u8]); 4] = [
        ("an empty envelope", &[]),
        ("an envelope with bytes left over", &[0; 40]),
        (
            "an envelope with a length beyond its end",
            &[0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0xff, 0xff, 3],
        ),
        (
            "an envelope with an overlong counter",
            &[0x80, 0x80, 0x80, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0],
        ),
    ];
    bad.map(|(name, envelope)| {
        row!(Member, name, |attack| {
            let mallory = attack.mallory();
            let message = mallory.wraps(&crate::hour().as_millis().to_be_bytes(), envelope);
            let entry = mallory.seals(EntryKind::Message, &message);
            publish(mallory, entry).await;
        })
    })
    .into()
}

/// The signed retention differs from that of the entry.
fn signed_retentions() -> Vec<Row> {
    let aads: [(&str, Vec<u8>); 5] = [
        ("no signed retention", vec![]),
        ("live as the signed retention", vec![0; 4]),
        ("thirty days as the signed retention", 2_592_000_000_u32.to_be_bytes().to_vec()),
        ("a signed retention of five bytes", vec![0; 5]),
        ("sixty thousand signed bytes", vec![7; 60_000]),
    ];
    aads.map(|(name, aad)| {
        row!(
            Member,
            format!("a message with {name}"),
            [aad] | attack | {
                let mallory = attack.mallory();
                let message =
                    mallory.wraps(&aad, &wire::encode(&(0_u64, [7_u8; 16], 1_u16, vec![b'x'])));
                let entry = mallory.seals(EntryKind::Message, &message);
                publish(mallory, entry).await;
            }
        )
    })
    .into()
}

/// Another sender, or another generation of the sender's ratchet, than those of the signer.
fn senders() -> Vec<Row> {
    let leaves = [
        ("Alice's leaf", 0),
        ("Bob's leaf", 1),
        ("Carol's leaf", 2),
        ("her own leaf", 3),
        ("an empty leaf", 4),
        ("leaf 70,000", 70_000),
        ("the last leaf", u32::MAX),
    ];
    leaves
        .map(|(whose, leaf)| {
            row!(Member, format!("messages that claim {whose} and any generation"), |attack| {
                for generation in [0, 1, 40, 70, 4_095, 4_097, u32::MAX] {
                    let mallory = attack.mallory();
                    let sender = Some((leaf, generation));
                    mallory.provider.lies(Lies { sender, ..Lies::default() });
                    let entry = mallory.message(0, random(), 1, b"not mine");
                    mallory.provider.lies(Lies::default());
                    publish(mallory, entry).await;
                }
            })
            .loses(PUSHES)
        })
        .into()
}

/// Whispers that no member can open, or that are meant to do harm when opened.
fn whispers() -> Row {
    row!(Member, "whispers under ephemeral keys of small order and of every size", |attack| {
        for size in [777, 3_777, 15_777, 63_772] {
            for key in SMALL.iter().chain([&random()]) {
                let body = [key.as_slice(), &vec![0x66; size - 32]].concat();
                let entry = attack.mallory().says(5, &body);
                publish(attack.mallory(), entry).await;
            }
        }
    })
}

/// Leave statements.
fn statements() -> Vec<Row> {
    let told =
        |name: &str, statement: fn(&Who, &[u8; 16], &anocm_core::session::Member) -> Vec<u8>| {
            row!(Member, name, |attack| {
                let honest = attack.honest.clone();
                let mallory = attack.mallory();
                let address = *mallory.address().as_bytes();
                for other in &honest {
                    let body = statement(&mallory.who, &address, other);
                    let entry = mallory.says(6, &body);
                    publish(mallory, entry).await;
                }
            })
        };
    vec![
        told("a statement that another leaves, signed by Mallory", |who, address, other| {
            who.leaves(address, other.id.as_bytes(), other.key.as_bytes())
        }),
        told("a statement under another's id and Mallory's key", |who, address, other| {
            who.leaves(address, other.id.as_bytes(), &who.key())
        }),
        told("a statement that Mallory leaves another room", |who, _, _| {
            who.leaves(&[7; 16], &who.id, &who.key())
        }),
        told("a statement of zeros", |_, _, _| vec![0; 80]),
        told(
            "a word of Mallory's own that she leaves, said thrice while she stays",
            |who, address, _| who.leaves(address, &who.id, &who.key()),
        ),
    ]
}

/// Retentions at the bounds of what the relay accepts.
fn retentions() -> Row {
    row!(Member, "messages of every valid retention", |attack| {
        for kept in [Retention::Live, seconds(1), seconds(86_400)] {
            let mallory = attack.mallory();
            let counter = mallory.counter;
            mallory.counter += 1;
            let envelope = wire::encode(&(counter, random::<16>(), 1_u16, b"psst".to_vec()));
            let message = mallory.wraps(&kept.as_millis().to_be_bytes(), &envelope);
            let entry = mallory.seals_for(EntryKind::Message, kept, &message);
            publish(mallory, entry).await;
        }
    })
}

/// Another member's message of this epoch, sealed again and with another retention.
fn said_again() -> Vec<Row> {
    [("live", Retention::Live), ("for a second", seconds(1)), ("for a day", seconds(86_400))]
        .map(|(how_long, kept)| {
            row!(Member, format!("the last message sealed again {how_long}"), |attack| {
                let mallory = attack.mallory();
                let bytes = mallory.unseals(&message(mallory, usize::MAX)).unwrap();
                let entry = mallory.seals_for(EntryKind::Message, kept, &bytes);
                publish(mallory, entry).await;
            })
        })
        .into()
}

pub fn rows() -> Vec<Row> {
    let some = [
        counters(),
        names_of_others(),
        kinds(),
        envelopes(),
        signed_retentions(),
        senders(),
        statements(),
        said_again(),
        vec![whispers(), retentions()],
    ];
    some.into_iter().flatten().collect()
}
