//! Commits of every shape, and the values that the relay is given with them.

use anocm_core::{
    Epoch, Payload, Retention,
    wire::{Entry, EntryKind, NextEpoch, Request},
};
use openmls::{
    group::{CommitBuilder, Initial},
    prelude::{LeafNodeParameters, MlsGroup, OpenMlsProvider},
};
use openmls_traits::signatures::Signer as _;
use tls_codec::{Serialize as _, VLBytes};

use super::{
    Forger,
    keys::{self, Place},
    liar::Lies,
    who::{leaf_extensions, random},
};

pub type Builder<'a> = CommitBuilder<'a, Initial, &'a mut MlsGroup>;

/// A commit that was made and not merged.
pub struct Commit {
    pub bytes: Vec<u8>,
    pub next: NextEpoch,
}

impl Forger {
    /// Makes a commit of any shape, with the values that a valid one would give the relay.
    pub fn commit(
        &mut self,
        notice: &[u8],
        shape: impl FnOnce(Builder<'_>) -> Builder<'_>,
    ) -> Commit {
        self.commit_by(notice, true, shape)
    }

    pub fn commit_by(
        &mut self,
        notice: &[u8],
        path: bool,
        shape: impl FnOnce(Builder<'_>) -> Builder<'_>,
    ) -> Commit {
        self.group.set_aad(notice.to_vec());
        let builder =
            self.group.commit_builder().consume_proposal_store(true).force_self_update(path);
        let bundle = shape(builder)
            .load_psks(self.provider.storage())
            .unwrap()
            .create_group_info(true)
            .build(self.provider.rand(), self.provider.crypto(), &self.who, |_| true)
            .unwrap()
            .stage_commit(&self.provider)
            .unwrap();
        let (commit, _, info) = bundle.into_messages();
        let next = self.lawful_next(&info.unwrap().tls_serialize_detached().unwrap());
        self.group.clear_pending_commit(self.provider.storage()).unwrap();
        self.provider.lies(Lies::default());
        Commit { bytes: commit.tls_serialize_detached().unwrap(), next }
    }

    pub fn seals_info(&self, epoch: Epoch, info: &[u8]) -> Payload {
        let (address, retention) = (self.address(), Retention::Live);
        keys::seal(&self.door.key, random(), &Place { address, epoch, kind: 3, retention }, info)
    }

    /// Opens the group information that she sealed for the next epoch.
    pub fn opens_info(&self, next: &NextEpoch) -> Vec<u8> {
        let (address, epoch, retention) = (self.address(), self.epoch().next(), Retention::Live);
        let place = Place { address, epoch, kind: 3, retention };
        keys::open(&self.door.key, &place, &next.group_info).unwrap()
    }

    /// Signs group information again (RFC 9420, sections 5.1.2 and 12.4.3): the head of the message
    /// and the signature are not signed.
    pub fn signs_info(&self, mut info: Vec<u8>) -> Vec<u8> {
        let end = info.len() - 64;
        let content = VLBytes::new(info[4..end - 2].to_vec());
        let label = VLBytes::new(b"MLS 1.0 GroupInfoTBS".to_vec());
        let signed = [label, content].map(|part| part.tls_serialize_detached().unwrap()).concat();
        info[end..].copy_from_slice(&self.who.sign(&signed).unwrap());
        info
    }

    /// A valid commit that only refreshes her keys, ready to be sent.
    pub fn refresh(&mut self) -> (Entry, NextEpoch) {
        let Commit { bytes, next } = self.commit(crate::NO_NOTICE, |builder| builder);
        (self.seals(EntryKind::Commit, &bytes), next)
    }

    /// Publishes a valid commit, and enters the epoch that it begins. Returns whether it was
    /// accepted.
    pub async fn advances(&mut self, name: &str) -> bool {
        let taken = self.advances_telling(name, |_| ()).await;
        if taken {
            self.enters().await;
        }
        taken
    }

    /// The same, but `lie` changes the values that the relay is given for the next epoch. Does not
    /// enter.
    pub async fn advances_telling(&mut self, name: &str, lie: impl FnOnce(&mut NextEpoch)) -> bool {
        let (entry, next) = self.renames(name, lie);
        if !matches!(self.publishes(entry, Some(next)).await, Some(Ok(_))) {
            self.group.clear_pending_commit(self.provider.storage()).unwrap();
            return false;
        }
        self.group.merge_pending_commit(&self.provider).unwrap();
        true
    }

    /// The same, to be sent later: merges the commit as if it had been accepted.
    pub fn advances_unsent(&mut self, name: &str, lie: impl FnOnce(&mut NextEpoch)) -> Request {
        let (entry, next) = self.renames(name, lie);
        self.group.merge_pending_commit(&self.provider).unwrap();
        Request::Publish { address: self.address(), entry, next: Some(next) }
    }

    /// Makes a valid commit that changes her name, left pending, with the values that `lie` changed
    /// for the relay.
    fn renames(&mut self, name: &str, lie: impl FnOnce(&mut NextEpoch)) -> (Entry, NextEpoch) {
        self.group.set_aad(crate::NO_NOTICE.to_vec());
        let leaf = LeafNodeParameters::builder()
            .with_extensions(leaf_extensions(self.who.card(name)))
            .build();
        let builder = self.group.commit_builder().leaf_node_parameters(leaf);
        let bundle = builder
            .force_self_update(true)
            .load_psks(self.provider.storage())
            .unwrap()
            .create_group_info(true)
            .build(self.provider.rand(), self.provider.crypto(), &self.who, |_| true)
            .unwrap()
            .stage_commit(&self.provider)
            .unwrap();
        let (commit, _, info) = bundle.into_messages();
        let info = info.unwrap().tls_serialize_detached().unwrap();
        let commit = commit.tls_serialize_detached().unwrap();
        let entry = self.seals(EntryKind::Commit, &commit);
        let mut next = self.lawful_next(&info);
        lie(&mut next);
        (entry, next)
    }

    /// The values that a valid client gives the relay for the pending commit.
    fn lawful_next(&self, info: &[u8]) -> NextEpoch {
        let (staged, address) = (self.group.pending_commit().unwrap(), self.address());
        let member = staged
            .export_secret(self.provider.crypto(), "anocm/1 member token", address.as_bytes(), 32)
            .unwrap();
        NextEpoch {
            member: keys::token(member.try_into().unwrap()).hash(),
            door: keys::token(self.door.token).hash(),
            group_info: self.seals_info(self.epoch().next(), info),
        }
    }

    /// Returns the group information of her epoch, unsealed.
    pub fn group_info(&self) -> Vec<u8> {
        let info = self.group.export_group_info(self.provider.crypto(), &self.who, true);
        info.unwrap().tls_serialize_detached().unwrap()
    }
}
