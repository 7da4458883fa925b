//! Own commits, from the proposal to their place in the log.

use openmls::prelude::{
    Extensions, LeafNode, LeafNodeParameters, MlsGroup, MlsMessageOut, Sender, StagedCommit,
};
use openmls_traits::OpenMlsProvider;
use rand_core::CryptoRng;
use tls_codec::Serialize as _;

use super::{
    commit_builder::{Change, CommitPlan},
    create,
    error::{Fault, SessionError},
    group::Session,
    identity::Identity,
    keys::{self, DoorKeys, EpochKeys},
    leaf,
    open::EpochChange,
    provider::Provider,
    rules::ValidatedCommit,
    seal::{self, SealKind},
};
use crate::{
    id::RoomAddress,
    secret::Secret,
    wire::{self, Entry, EntryKind, MAX_SEALED, NextEpoch},
};

/// A commit or join to be appended, and the epoch data for the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitBundle {
    /// The sealed commit or join.
    pub entry: Entry,
    /// Hashes and group information of the epoch that it begins.
    pub next: NextEpoch,
}

/// An own commit whose place in the log is not known yet.
pub(super) struct Pending {
    validated: ValidatedCommit,
    next: NextKeys,
}

/// The keys of an epoch that has not begun yet.
pub(super) struct NextKeys {
    pub(super) epoch: EpochKeys,
    /// The invite secret and keys of a new door, if there is one.
    pub(super) door: Option<(Secret<32>, DoorKeys)>,
}

impl Session {
    /// Makes a commit for the current epoch. Append it; then call [`accept`](Self::accept) when it
    /// is in the log, or [`discard`](Self::discard) when another commit came first.
    ///
    /// # Errors
    /// `Pending`, `NotAllowed`, `NoSuchMember`, `TooLong`, `Removed`. No commit is pending after an
    /// error other than `Pending`.
    pub fn propose(
        &mut self,
        change: Change,
        rng: &mut dyn CryptoRng,
    ) -> Result<CommitBundle, SessionError> {
        if self.live.is_none() {
            return Err(SessionError::Removed);
        }
        if self.pending.is_some() {
            return Err(SessionError::Pending);
        }
        let plan = self.plan_commit(change)?;
        let bundle = self.stage(&plan, rng);
        if bundle.is_err() {
            self.discard();
        }
        bundle
    }

    /// Accepts the pending own commit, which has its place in the log: the next epoch begins.
    ///
    /// # Errors
    /// `NotPending`, `Removed`.
    pub fn accept(&mut self) -> Result<EpochChange, SessionError> {
        let live = self.live.as_mut().ok_or(SessionError::Removed)?;
        let Pending { validated, next } = self.pending.take().ok_or(SessionError::NotPending)?;
        live.group.merge_pending_commit(&self.provider).map_err(|_| Fault)?;
        Ok(self.begin_epoch(validated, Some(next))?)
    }

    /// Discards the pending own commit, if there is one, after it was not accepted.
    pub fn discard(&mut self) {
        self.pending = None;
        if let Some(live) = &mut self.live {
            live.group.set_aad(Vec::new());
            // The storage keeps no group state and so cannot fail.
            let _ = live.group.clear_pending_commit(self.provider.storage());
        }
    }

    /// Returns whether an own commit is pending.
    #[must_use]
    pub const fn has_pending(&self) -> bool {
        self.pending.is_some()
    }

    fn stage(
        &mut self,
        plan: &CommitPlan,
        rng: &mut dyn CryptoRng,
    ) -> Result<CommitBundle, SessionError> {
        let retention = self.settings.policy.handshakes;
        let place = self.seal_context(SealKind::Commit, retention);
        let notice = wire::encode(&plan.notice);
        let live = self.live.as_mut().ok_or(SessionError::Removed)?;
        live.group.set_aad(notice.to_vec());
        let extensions = match &plan.nickname {
            Some(nickname) => {
                let (_, seat) = self.roster.by_key(self.identity.key()).ok_or(Fault)?;
                Some(leaf::leaf_extensions(&seat.renamed(nickname))?)
            }
            None => None,
        };
        let (commit, info) =
            build(&mut live.group, &self.provider, &self.identity, plan, extensions)?;
        let commit = commit.tls_serialize_detached().map_err(|_| Fault)?;
        let sealed = seal::seal(&live.keys.envelope, &place, &commit, rng)
            .ok_or(SessionError::TooLong { limit: MAX_SEALED })?;

        let live = self.live.as_ref().ok_or(SessionError::Removed)?;
        let staged = live.group.pending_commit().ok_or(Fault)?;
        let sender = Sender::Member(live.group.own_leaf_index());
        // The same rules as for other members' commits: one that they would reject is not sent.
        let validated = self
            .commit_context()
            .validate(staged, &sender, &notice, &commit)
            .map_err(|_| SessionError::NotAllowed)?;
        let number = self.next_door(&validated)?;
        let next = NextKeys::export(staged, &self.provider, &self.address, number)?;
        let door = next.door.as_ref().map_or(&self.door, |(_, door)| door);
        let epoch = self.epoch.next();
        let group_info = create::seal_group_info(&self.address, epoch, door, &info, rng)?;
        let bundle = CommitBundle {
            entry: Entry { kind: EntryKind::Commit, epoch: self.epoch, retention, sealed },
            next: create::next_epoch(&next.epoch, door, group_info),
        };
        if let Some(settings) = &plan.settings {
            self.identity.grants(self.door_number(), settings);
        }
        self.pending = Some(Pending { validated, next });
        Ok(bundle)
    }
}

impl NextKeys {
    /// Derives the keys of the epoch that `staged` would begin, and of the new door of that number.
    pub(super) fn export(
        staged: &StagedCommit,
        provider: &Provider,
        address: &RoomAddress,
        new_door: Option<u32>,
    ) -> Result<Self, Fault> {
        let export = |label: &str, length: usize| {
            staged.export_secret(provider.crypto(), label, address.as_bytes(), length).ok()
        };
        let door = match new_door {
            Some(number) => {
                let invite = keys::exported_invite(&export, number)?;
                let door = DoorKeys::derive(address, &invite)?;
                Some((invite, door))
            }
            None => None,
        };
        Ok(Self { epoch: EpochKeys::export(&export)?, door })
    }
}

/// Builds the MLS commit, always with a path: every commit replaces the committer's keys.
fn build(
    group: &mut MlsGroup,
    provider: &Provider,
    identity: &Identity,
    plan: &CommitPlan,
    card: Option<Extensions<LeafNode>>,
) -> Result<(MlsMessageOut, MlsMessageOut), Fault> {
    let mut parameters = LeafNodeParameters::builder();
    if let Some(extensions) = card {
        parameters = parameters.with_extensions(extensions);
    }
    let mut builder = group
        .commit_builder()
        .consume_proposal_store(false)
        .force_self_update(true)
        .leaf_node_parameters(parameters.build())
        .propose_removals(plan.removals.iter().copied());
    if let Some(settings) = &plan.settings {
        builder = builder
            .propose_group_context_extensions(leaf::group_extensions(settings)?)
            .map_err(|_| Fault)?;
    }
    let bundle = builder
        .load_psks(provider.storage())
        .map_err(|_| Fault)?
        .create_group_info(true)
        .build(provider.rand(), provider.crypto(), identity, |_| true)
        .map_err(|_| Fault)?
        .stage_commit(provider)
        .map_err(|_| Fault)?;
    let (commit, _, info) = bundle.into_messages();
    Ok((commit, info.ok_or(Fault)?))
}
