//! Commits of a member: notices, proposals, settings, paths. Those that the rules forbid stay until
//! the owner voids them.

use std::time::Duration;

use anocm_core::{
    RoomAddress,
    session::{MemberKey, Settings},
    wire::{self, EntryKind, Policy},
};
use openmls::prelude::{
    CredentialType, Extension, ExtensionType, Extensions, GroupContext, KeyPackage, LeafNodeIndex,
    OpenMlsProvider, PreSharedKeyProposal, Proposal, RequiredCapabilitiesExtension,
    UnknownExtension,
};
use openmls::schedule::PreSharedKeyId;

use super::{entries::OWNER_VOIDS, joins};
use crate::{
    NO_NOTICE,
    forge::{
        Builder, Forger,
        join::Shape,
        liar::{Lies, Provider},
        who::{LEAF, SETTINGS, SUITE, Who, capabilities, leaf_extensions, random},
    },
    trial::{
        By::{LinkHolder, Member},
        Row,
        Then::{AwaitsOwner, MayEnd},
        row,
    },
};

/// Publishes a commit of this shape.
pub async fn commits(
    mallory: &mut Forger,
    notice: &[u8],
    shape: impl FnOnce(Builder<'_>) -> Builder<'_>,
) {
    let commit = mallory.commit(notice, shape);
    let entry = mallory.seals(EntryKind::Commit, &commit.bytes);
    let answer = mallory.publishes(entry, Some(commit.next)).await;
    assert!(matches!(answer, Some(Ok(_))), "{answer:?}");
}

/// A notice of these statements.
fn notice(statements: &[Vec<u8>], new_door: bool) -> Vec<u8> {
    let count = u8::try_from(statements.len()).unwrap();
    [vec![count], statements.concat(), vec![u8::from(new_door)]].concat()
}

fn notices() -> Vec<Row> {
    let notices: [(&str, Vec<u8>); 9] = [
        ("an empty notice", vec![]),
        ("a notice with a door of 2", vec![0, 2]),
        ("a notice with bytes left over", vec![0, 0, 0]),
        ("an overlong notice", vec![0x80, 0, 0]),
        ("a notice of no meaning", vec![0xff; 40]),
        ("a notice of 9,000 bytes", vec![0; 9_000]),
        ("a new door that a member may not set", vec![0, 1]),
        ("a statement of zeros", notice(&[vec![0; 80]], false)),
        ("65 statements", notice(&vec![vec![0; 80]; 65], false)),
    ];
    notices
        .map(|(name, notice)| {
            row!(
                Member,
                format!("a commit with {name}"),
                [notice] | attack | {
                    commits(attack.mallory(), &notice, |builder| builder).await;
                }
            )
            .then(AwaitsOwner(OWNER_VOIDS))
        })
        .into()
}

fn removals() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, index) in [("Alice", 0), ("Bob", 1), ("Carol", 2)] {
        let leaf = LeafNodeIndex::new(index);
        rows.push(row!(Member, format!("a commit that removes {name}"), |attack| {
            commits(attack.mallory(), NO_NOTICE, |builder| builder.propose_removals([leaf])).await;
        }));
        rows.push(row!(
            Member,
            format!("a commit that removes {name} with a new door"),
            |attack| {
                let notice = notice(&[], true);
                commits(attack.mallory(), &notice, |builder| builder.propose_removals([leaf]))
                    .await;
            }
        ));
        let forged = format!("a commit that removes {name} by a statement that Mallory signed");
        rows.push(row!(Member, forged, |attack| {
            let other = attack.honest[index as usize].clone();
            let mallory = attack.mallory();
            let (address, id) = (*mallory.address().as_bytes(), other.id);
            let statement = mallory.who.leaves(&address, id.as_bytes(), other.key.as_bytes());
            let notice = notice(&[statement], false);
            commits(mallory, &notice, |builder| builder.propose_removals([leaf])).await;
        }));
        let own = format!("a commit that removes {name} by Mallory's own statement");
        rows.push(row!(Member, own, |attack| {
            let mallory = attack.mallory();
            let address = *mallory.address().as_bytes();
            let statement = mallory.who.leaves(&address, &mallory.who.id, &mallory.who.key());
            let notice = notice(&[statement], false);
            commits(mallory, &notice, |builder| builder.propose_removals([leaf])).await;
        }));
    }
    rows.push(row!(Member, "a commit that removes all others", |attack| {
        let all = [0, 1, 2].map(LeafNodeIndex::new);
        commits(attack.mallory(), NO_NOTICE, |builder| builder.propose_removals(all)).await;
    }));
    rows.into_iter().map(|row| row.then(AwaitsOwner(OWNER_VOIDS))).collect()
}

fn proposals() -> Vec<Row> {
    let rows = vec![
        row!(Member, "a commit with the door's PSK", |attack| {
            let mallory = attack.mallory();
            let psk = PreSharedKeyId::external(mallory.door.psk_id.to_vec(), vec![1; 32]);
            psk.store(&mallory.provider, &mallory.door.psk).unwrap();
            let psk = Proposal::PreSharedKey(Box::new(PreSharedKeyProposal::new(psk)));
            commits(mallory, NO_NOTICE, |builder| builder.add_proposal(psk)).await;
        }),
        row!(Member, "a commit with a PSK that nobody has", |attack| {
            let mallory = attack.mallory();
            let psk = PreSharedKeyId::external(vec![7; 16], vec![1; 32]);
            psk.store(&mallory.provider, &[7; 32]).unwrap();
            let psk = Proposal::PreSharedKey(Box::new(PreSharedKeyProposal::new(psk)));
            commits(mallory, NO_NOTICE, |builder| builder.add_proposal(psk)).await;
        }),
        row!(Member, "a commit of a PSK alone and no path", |attack| {
            let mallory = attack.mallory();
            let psk = PreSharedKeyId::external(mallory.door.psk_id.to_vec(), vec![1; 32]);
            psk.store(&mallory.provider, &mallory.door.psk).unwrap();
            let psk = Proposal::PreSharedKey(Box::new(PreSharedKeyProposal::new(psk)));
            let commit = mallory.commit_by(NO_NOTICE, false, |builder| builder.add_proposal(psk));
            let entry = mallory.seals(EntryKind::Commit, &commit.bytes);
            mallory.publishes(entry, Some(commit.next)).await.unwrap().unwrap();
        }),
        row!(Member, "a commit that adds somebody", |attack| {
            let (who, provider) = (Who::random(), Provider::default());
            let package = KeyPackage::builder()
                .leaf_node_capabilities(capabilities())
                .leaf_node_extensions(leaf_extensions(Who::random().card("Eve")))
                .build(SUITE, &provider, &who, who.credential())
                .unwrap();
            let package = package.key_package().clone();
            commits(attack.mallory(), NO_NOTICE, |builder| builder.propose_adds([package])).await;
        }),
        row!(Member, "a commit that refers to a removal nobody has seen", |attack| {
            let mallory = attack.mallory();
            let Forger { group, provider, who, .. } = &mut *mallory;
            group.propose_remove_member(provider, who, LeafNodeIndex::new(1)).unwrap();
            commits(mallory, NO_NOTICE, |builder| builder).await;
        }),
        row!(Member, "a proposal that stands by itself", |attack| {
            let mallory = attack.mallory();
            let Forger { group, provider, who, .. } = &mut *mallory;
            let proposed = group.propose_remove_member(provider, who, LeafNodeIndex::new(1));
            let (proposal, _) = proposed.unwrap();
            let bytes = tls_codec::Serialize::tls_serialize_detached(&proposal).unwrap();
            group.clear_pending_proposals(provider.storage()).unwrap();
            let entry = mallory.seals(EntryKind::Commit, &bytes);
            mallory.publishes_commit(entry).await.unwrap().unwrap();
        }),
    ];
    rows.into_iter().map(|row| row.then(AwaitsOwner(OWNER_VOIDS))).collect()
}

/// The group context's extensions with these bytes as settings.
fn extensions(settings: Vec<u8>) -> Extensions<GroupContext> {
    let required = RequiredCapabilitiesExtension::new(
        &[ExtensionType::Unknown(LEAF), ExtensionType::Unknown(SETTINGS)],
        &[],
        &[CredentialType::Basic],
    );
    Extensions::from_vec(vec![
        Extension::RequiredCapabilities(required),
        Extension::Unknown(SETTINGS, UnknownExtension(settings)),
    ])
    .unwrap()
}

fn settings() -> Vec<Row> {
    type Change = fn(&mut Settings, MemberKey);
    let changes: [(&str, Change); 4] = [
        ("the settings as they are", |_, _| {}),
        ("herself as a moderator", |settings, me| settings.moderators = vec![me]),
        ("another policy", |settings, _| {
            settings.policy = Policy { max_age: 1, ..settings.policy };
        }),
        ("65 moderators", |settings, _| {
            settings.moderators = (0..65).map(|n| MemberKey::new([n; 32])).collect();
        }),
    ];
    let mut rows: Vec<_> = changes
        .map(|(name, change)| {
            row!(Member, format!("a commit that sets {name}"), |attack| {
                let mallory = attack.mallory();
                let me = MemberKey::new(mallory.who.key());
                let mut settings = mallory.settings();
                change(&mut settings, me);
                let extensions = extensions(wire::encode(&settings).to_vec());
                commits(mallory, NO_NOTICE, |builder| {
                    builder.propose_group_context_extensions(extensions).unwrap()
                })
                .await;
            })
        })
        .into();
    rows.push(row!(Member, "a commit that sets herself as the owner", |attack| {
        let mallory = attack.mallory();
        let (me, owner) = (mallory.who.key(), mallory.settings().owner().as_bytes().to_vec());
        let mut settings = mallory.group.extensions().unknown(SETTINGS).unwrap().0.clone();
        let at = settings.windows(32).position(|bytes| bytes == owner).unwrap();
        settings[at..at + 32].copy_from_slice(&me);
        let extensions = extensions(settings);
        commits(mallory, NO_NOTICE, |builder| {
            builder.propose_group_context_extensions(extensions).unwrap()
        })
        .await;
    }));
    for (name, bytes) in [("no bytes", vec![]), ("bytes of no meaning", vec![0xff; 200])] {
        rows.push(row!(
            Member,
            format!("a commit that sets {name} as the settings"),
            [bytes] | attack | {
                let extensions = extensions(bytes);
                commits(attack.mallory(), NO_NOTICE, |builder| {
                    builder.propose_group_context_extensions(extensions).unwrap()
                })
                .await;
            }
        ));
    }
    rows.push(row!(Member, "a commit that sets no settings at all", |attack| {
        commits(attack.mallory(), NO_NOTICE, |builder| {
            builder.propose_group_context_extensions(Extensions::empty()).unwrap()
        })
        .await;
    }));
    rows.into_iter().map(|row| row.then(AwaitsOwner(OWNER_VOIDS))).collect()
}

const SPLITS: &str = "A member can split or end a room in this way";

/// A path that is encrypted incorrectly: in this tree Carol's leaf is a target of its own, and
/// Alice and Bob share the other.
fn paths() -> Vec<Row> {
    vec![
        row!(Member, "a commit whose path opens for nobody", |attack| {
            attack.mallory().provider.lies(Lies { cheats_all: true, ..Lies::default() });
            commits(attack.mallory(), NO_NOTICE, |builder| builder).await;
        })
        .then(AwaitsOwner(OWNER_VOIDS)),
        row!(Member, "a commit whose path opens for all but Carol", |attack| {
            let mallory = attack.mallory();
            let carol = mallory.group.members().find(|member| member.index.u32() == 2).unwrap();
            let cheated = vec![carol.encryption_key];
            mallory.provider.lies(Lies { cheated, ..Lies::default() });
            commits(mallory, NO_NOTICE, |builder| builder).await;
        })
        .then(MayEnd(SPLITS)),
        row!(Member, "a commit with a parent key that Carol does not come to", |attack| {
            let public_key = Some((0, random::<32>().to_vec()));
            attack.mallory().provider.lies(Lies { public_key, ..Lies::default() });
            commits(attack.mallory(), NO_NOTICE, |builder| builder).await;
        })
        .then(MayEnd(SPLITS)),
        row!(LinkHolder, "a join with a parent key that Carol does not come to", |attack| {
            let public_key = Some((0, random::<32>().to_vec()));
            let lies = Lies { public_key, ..Lies::default() };
            joins::join(attack, Shape { lies, ..Shape::of(Who::random()) }).await;
        }),
    ]
}

/// A member leaves by a signed statement, which another member's commit carries out incorrectly.
fn words_of_others() -> Vec<Row> {
    let rows: [(&str, fn(Vec<u8>) -> Vec<u8>); 3] = [
        ("twice", |statement| notice(&[statement.clone(), statement], false)),
        ("as a removal against her will", |_| notice(&[], false)),
        ("with a new door", |statement| notice(&[statement], true)),
    ];
    rows.map(|(name, say)| {
        row!(Member, format!("a commit that carries out Eve's leave {name}"), |attack| {
            let eve = Forger::joins(attack.relay, &attack.invite).await;
            let mallory = attack.mallory();
            mallory.catches_up().await;
            let address: RoomAddress = mallory.address();
            let statement = eve.who.leaves(address.as_bytes(), &eve.who.id, &eve.who.key());
            let leaf = mallory.seat(&eve.who.id);
            let notice = say(statement);
            commits(mallory, &notice, |builder| builder.propose_removals([leaf])).await;
        })
        .then(AwaitsOwner(OWNER_VOIDS))
    })
    .into()
}

/// A member who left by a statement and rejoined cannot be removed by the old statement.
fn old_words() -> Row {
    row!(Member, "a commit that removes Eve by the word of her stay before", |attack| {
        let mut eve = Forger::joins(attack.relay, &attack.invite).await;
        let address: RoomAddress = eve.address();
        let word = eve.who.leaves(address.as_bytes(), &eve.who.id, &eve.who.key());
        let entry = eve.says(6, &word);
        let _ = eve.publishes(entry, None).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        let shape = Shape::of(eve.who.again());
        let eve = Forger::joins_as(attack.relay, &attack.invite, shape).await;
        let mallory = attack.mallory();
        mallory.catches_up().await;
        let leaf = mallory.seat(&eve.who.id);
        let notice = notice(&[word], false);
        commits(mallory, &notice, |builder| builder.propose_removals([leaf])).await;
    })
    .then(AwaitsOwner(OWNER_VOIDS))
}

/// A valid commit, and its consequences.
fn valid() -> Vec<Row> {
    vec![row!(Member, "a valid commit that Mallory takes no part in afterwards", |attack| {
        let (entry, next) = attack.mallory().refresh();
        attack.mallory().publishes(entry, Some(next)).await.unwrap().unwrap();
    })]
}

pub fn rows() -> Vec<Row> {
    let some = [
        notices(),
        removals(),
        proposals(),
        settings(),
        paths(),
        words_of_others(),
        valid(),
        vec![old_words()],
    ];
    some.into_iter().flatten().collect()
}
