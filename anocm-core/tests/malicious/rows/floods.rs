//! Large numbers of requests that are valid individually.

use std::time::Duration;

use anocm_core::{
    Payload, Retention, Seq,
    wire::{EntryKind, Refusal, Request},
};

use super::entries;
use crate::{
    forge::{Forger, keys, line::Line, who::random},
    trial::{
        By::{LinkHolder, Member},
        Row,
        Then::AwaitsOwner,
        row,
    },
};

const FULL: &str = "until then only live messages get through";

/// Messages of every size and many kinds, as fast as the relay accepts them.
fn messages() -> Vec<Row> {
    let kinds = [("texts", 1), ("signs of typing", 2), ("signs of life", 3), ("absences", 4)];
    let mut rows: Vec<_> = kinds
        .map(|(name, kind)| {
            row!(Member, format!("three hundred {name}"), |attack| {
                let body: &[u8] = if kind == 1 { b"psst" } else { b"" };
                for _ in 0..300 {
                    let mallory = attack.mallory();
                    let entry = mallory.says(kind, body);
                    let _ = mallory.publishes(entry, None).await;
                }
            })
        })
        .into();
    rows.push(row!(Member, "five hundred messages of random bytes", |attack| {
        for _ in 0..500 {
            let mallory = attack.mallory();
            let entry = mallory.bare(EntryKind::Message, random::<1_000>().to_vec());
            let _ = mallory.publishes(entry, None).await;
        }
    }));
    rows.push(
        row!(Member, "a room filled to its bounds for a day", |attack| {
            // The room is granted 32 MB, a tenth of which is reserved for commits and joins.
            let mut entry = attack.mallory().bare(EntryKind::Message, vec![7; 64_000]);
            entry.retention = crate::common::seconds(86_400);
            let mut full = false;
            while !full {
                match attack.mallory().publishes(entry.clone(), None).await {
                    Some(Err(Refusal::Busy { retry_after })) => {
                        tokio::time::sleep(Duration::from_millis(u64::from(retry_after))).await;
                    }
                    answer => full = answer == Some(Err(Refusal::Full)),
                }
            }
        })
        .loses(FULL)
        .live(),
    );
    rows
}

fn commits() -> Vec<Row> {
    vec![
        row!(Member, "thirty valid commits at once", |attack| {
            for n in 0..30 {
                attack.mallory().advances(&format!("Mallory {n}")).await;
            }
        }),
        row!(Member, "ten valid commits, one a second", |attack| {
            for n in 0..10 {
                let mallory = attack.mallory();
                if !mallory.advances(&format!("Mallory {n}")).await {
                    mallory.catches_up().await;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }),
        row!(Member, "five junk commits, one after the other", |attack| {
            for _ in 0..5 {
                let mallory = attack.mallory();
                let entry = mallory.bare(EntryKind::Commit, random::<1_000>().to_vec());
                let next = mallory.next_epoch();
                let _ = mallory.publishes(entry, Some(next)).await;
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        })
        .then(AwaitsOwner(entries::OWNER_VOIDS)),
    ]
}

fn requests() -> Vec<Row> {
    vec![
        row!(Member, "proofs, reads and departures, two hundred times", |attack| {
            for _ in 0..200 {
                let mallory = attack.mallory();
                let (address, epoch) = (mallory.address(), mallory.epoch());
                let member = keys::token(mallory.member_token());
                mallory.line.sends(Request::Enter { address, epoch, member }).await;
                mallory.line.sends(Request::Read { address, after: Seq::new(0) }).await;
                mallory.line.sends(Request::Detach { address }).await;
            }
        }),
        row!(LinkHolder, "two hundred looks at the door", |attack| {
            let (address, token) = (*attack.invite.address(), super::joins::door(attack).token);
            for _ in 0..200 {
                attack.line.sends(Request::Look { address, door: keys::token(token) }).await;
            }
        }),
        row!(LinkHolder, "a hundred connections that say nothing", |attack| {
            for _ in 0..100 {
                attack.lines.push(Line::reach(attack.relay).await);
            }
        }),
        row!(LinkHolder, "six members more, all of whom talk and none of whom listens", |attack| {
            for _ in 0..6 {
                let mut eve = Forger::joins(attack.relay, &attack.invite).await;
                let entry = eve.says(1, b"psst");
                let _ = eve.publishes(entry, None).await;
                attack.lines.push(eve.line);
            }
        }),
        row!(Member, "a member on twenty connections, each of which says something", |attack| {
            for _ in 0..20 {
                let mut line = Line::reach(attack.relay).await;
                let mallory = attack.mallory.as_mut().unwrap();
                let (address, epoch) = (mallory.address(), mallory.epoch());
                let member = keys::token(mallory.member_token());
                let _ = line.ask(Request::Enter { address, epoch, member }).await;
                let entry = mallory.says(1, b"psst");
                let _ = line.ask(Request::Publish { address, entry, next: None }).await;
                attack.lines.push(line);
            }
        }),
        row!(Member, "live messages of the largest size, two hundred of them", |attack| {
            for _ in 0..200 {
                let mallory = attack.mallory();
                let mut entry = mallory.bare(EntryKind::Message, vec![7; 64_000]);
                entry.retention = Retention::Live;
                entry.sealed =
                    Payload::from([random::<64>().as_slice(), &entry.sealed[64..]].concat());
                let _ = mallory.publishes(entry, None).await;
            }
        }),
    ]
}

pub fn rows() -> Vec<Row> {
    [messages(), commits(), requests()].into_iter().flatten().collect()
}
