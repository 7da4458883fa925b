//! Makes entries that no honest session makes.

use openmls::{
    group::{CommitBuilder, Initial},
    prelude::{Extensions, LeafNode, LeafNodeIndex, MlsGroup, MlsMessageOut},
};
use openmls_traits::OpenMlsProvider;
use tls_codec::Serialize as _;

use super::{
    super::{
        card::{Admission, Card, Stay},
        more::More,
        rules::CommitNotice,
        signature::Signature,
    },
    *,
};
use crate::{
    secret::Payload,
    wire::{self, EntryKind},
};

pub(super) type Builder<'a> = CommitBuilder<'a, Initial, &'a mut MlsGroup>;

/// Returns a card without an admission.
pub(super) fn card_of(nickname: &str, whisper: [u8; 32], stay: u8) -> Card<'_> {
    let (stay, admission) = (Stay::new([stay; 16]), Admission::None);
    Card { nickname, whisper, stay, admission, more: More::default() }
}

/// Returns the extensions of a leaf with such a card.
pub(super) fn card_extensions(nickname: &str, whisper: [u8; 32], stay: u8) -> Extensions<LeafNode> {
    leaf::leaf_extensions(&card_of(nickname, whisper, stay)).unwrap()
}

/// Returns a signature that is valid for nothing.
pub(super) fn no_signature() -> Signature {
    postcard::from_bytes(&[0; 64]).unwrap()
}

pub(super) fn handshakes() -> Retention {
    policy().handshakes
}

/// Makes a sealed commit of `by` without checking any rule. `by` stays in its epoch.
pub(super) fn commit(
    room: &mut Room,
    by: &mut Session,
    notice: &[u8],
    retention: Retention,
    shape: impl FnOnce(Builder<'_>) -> Builder<'_>,
) -> Entry {
    let commit = raw_commit(by, notice, shape);
    envelop(room, by, EntryKind::Commit, retention, &commit)
}

/// The same without a seal.
pub(super) fn raw_commit(
    by: &mut Session,
    notice: &[u8],
    shape: impl FnOnce(Builder<'_>) -> Builder<'_>,
) -> MlsMessageOut {
    let live = by.live.as_mut().unwrap();
    live.group.set_aad(notice.to_vec());
    let builder = live.group.commit_builder().consume_proposal_store(false).force_self_update(true);
    let (commit, _, _) = shape(builder)
        .load_psks(by.provider.storage())
        .unwrap()
        .build(by.provider.rand(), by.provider.crypto(), &by.identity, |_| true)
        .unwrap()
        .stage_commit(&by.provider)
        .unwrap()
        .into_messages();
    by.discard();
    commit
}

pub(super) fn envelop(
    room: &mut Room,
    by: &Session,
    kind: EntryKind,
    retention: Retention,
    message: &MlsMessageOut,
) -> Entry {
    let bytes = message.tls_serialize_detached().unwrap();
    let key = match kind {
        EntryKind::Join => &by.door.key,
        _ => &by.live.as_ref().unwrap().keys.envelope,
    };
    let place = by.seal_context(kind.into(), retention);
    Entry {
        kind,
        epoch: by.epoch(),
        retention,
        sealed: seal::seal(key, &place, &bytes, &mut room.rng).unwrap(),
    }
}

pub(super) fn notice(leaves: Vec<LeaveStatement>, new_door: bool) -> Payload {
    wire::encode(&CommitNotice { leaves, new_door })
}

/// Asserts that all `judges` refuse `entry` by `by`, and that all members stay in the epoch and go
/// on.
pub(super) fn forbidden(
    room: &mut Room,
    entry: &Entry,
    by: &mut Session,
    judges: &mut [&mut Session],
) {
    for judge in judges.iter_mut() {
        let error = OpenError::Rejected { by: Some(by.me()) };
        assert_eq!(judge.open(entry), Err(error));
        room.heard(by, judge);
        room.heard(judge, by);
    }
    let (first, others) = judges.split_first_mut().unwrap();
    let mut others: Vec<_> = others.iter_mut().map(|session| &mut **session).collect();
    others.push(by);
    room.change(first, Change::Refresh, &mut others);
}

pub(super) fn seat(of: &Session, member: &Session) -> LeafNodeIndex {
    of.roster.by_id(member.me()).unwrap().1.index
}
