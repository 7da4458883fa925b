//! Taking back: how a member can misuse the right to take back a join that members reject.

use std::time::Duration;

use anocm_core::{
    Payload, Seq, TokenHash,
    wire::{EntryKind, NextEpoch, Request},
};

use super::joins;
use crate::{
    forge::{
        Forger,
        join::Shape,
        keys,
        who::{Who, random},
    },
    trial::{By::Member, Row, Then::AwaitsOwner, row},
};

/// Restored hashes and group information, none of which the relay may trust.
fn restored(mallory: &Forger) -> Vec<NextEpoch> {
    let info = mallory.group_info();
    let sealed = mallory.seals_info(mallory.epoch(), &info);
    let with = |member, door, group_info| NextEpoch { member, door, group_info };
    let (member, door) =
        (keys::token(mallory.member_token()).hash(), keys::token(mallory.door.token).hash());
    vec![
        with(member, door, sealed.clone()),
        with(TokenHash::new([0; 32]), door, sealed.clone()),
        with(member, TokenHash::new(random()), sealed),
        with(member, door, Payload::from(random::<1_000>().to_vec())),
    ]
}

/// Sends a void with each of her member tokens for each sequence number.
async fn takes_back(mallory: &mut Forger, seqs: impl IntoIterator<Item = u64>) {
    let address = mallory.address();
    let tokens: Vec<_> = mallory.tokens.iter().map(|(_, token)| *token).collect();
    for seq in seqs {
        for &token in &tokens {
            for restored in restored(mallory) {
                let (token, seq) = (keys::token(token), Seq::new(seq));
                let void = Request::Void { address, token, seq, restored };
                let _ = mallory.line.ask(void).await;
            }
        }
    }
}

pub fn rows() -> Vec<Row> {
    let mut rows = own();
    rows.extend([0, 2, 4, 20].into_iter().flat_map(after));
    rows
}

/// What Mallory takes back, or keeps, of her own.
fn own() -> Vec<Row> {
    let mut rows = vec![
        row!(Member, "every place taken back by member tokens", |attack| {
            let mallory = attack.mallory();
            let head = mallory.cursor.value();
            takes_back(mallory, (0..=head + 2).chain([u64::MAX])).await;
        }),
        row!(Member, "a valid commit of Mallory's own taken back by member tokens", |attack| {
            let mallory = attack.mallory();
            mallory.advances("Malice").await;
            let head = mallory.cursor.value();
            for wait in [0, 4] {
                tokio::time::sleep(Duration::from_secs(wait)).await;
                takes_back(attack.mallory(), head..=head + 2).await;
            }
        }),
    ];
    rows.push(
        row!(
            Member,
            "a junk join that a member keeps by proving what it told the relay",
            |attack| {
                let own: [u8; 32] = random();
                let next = NextEpoch { member: keys::token(own).hash(), ..joins::nowhere(attack) };
                let mallory = attack.mallory();
                let entry = mallory.seals(EntryKind::Join, &random::<300>());
                let (address, epoch) = (mallory.address(), mallory.epoch().next());
                let door = keys::token(mallory.door.token);
                let joined = mallory.line.ask(Request::Join { address, door, entry, next }).await;
                assert!(matches!(joined, Some(Ok(_))), "{joined:?}");
                let member = keys::token(own);
                let entered = mallory.line.ask(Request::Enter { address, epoch, member }).await;
                assert!(matches!(entered, Some(Ok(_))), "{entered:?}");
            }
        )
        .then(AwaitsOwner("then the room is broken until the owner is there")),
    );
    rows
}

/// Joins taken back so many seconds later.
fn after(wait: u64) -> Vec<Row> {
    let mut rows = Vec::new();
    let name = format!("a newcomer's join taken back by a member {wait} s later");
    rows.push(row!(Member, name, |attack| {
        let eve = Forger::joins(attack.relay, &attack.invite).await;
        tokio::time::sleep(Duration::from_secs(wait)).await;
        let head = eve.cursor.value();
        takes_back(attack.mallory(), head..=head).await;
    }));
    let name = format!("the join of one who never enters taken back by a member {wait} s later");
    rows.push(row!(Member, name, |attack| {
        let head = attack.mallory().cursor.value();
        joins::join(attack, Shape::of(Who::random())).await;
        tokio::time::sleep(Duration::from_secs(wait)).await;
        takes_back(attack.mallory(), head + 1..=head + 1).await;
    }));
    let name = format!("a junk join taken back by a member with false hashes {wait} s later");
    rows.push(row!(Member, name, |attack| {
        let head = attack.mallory().cursor.value();
        joins::junk(attack, &random::<300>()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(wait)).await;
        takes_back(attack.mallory(), head + 1..=head + 1).await;
    }));
    rows
}
