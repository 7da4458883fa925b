//! The provider for OpenMLS: its cryptography, and an in-memory store that wipes its values.

use std::sync::{Mutex, MutexGuard, PoisonError};

use openmls_rust_crypto::RustCrypto;
use openmls_traits::{
    OpenMlsProvider,
    storage::{CURRENT_VERSION as V, StorageProvider, traits},
};
use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

use crate::secret_tap;

/// The cryptography and storage of one group. Never shared between groups, so that dropping the
/// group also wipes its storage.
#[derive(Default)]
pub(super) struct Provider {
    crypto: RustCrypto,
    storage: Storage,
}

impl OpenMlsProvider for Provider {
    type CryptoProvider = RustCrypto;
    type RandProvider = RustCrypto;
    type StorageProvider = Storage;

    fn storage(&self) -> &Storage {
        &self.storage
    }

    fn crypto(&self) -> &RustCrypto {
        &self.crypto
    }

    fn rand(&self) -> &RustCrypto {
        &self.crypto
    }
}

/// A value that cannot be encoded for storage or decoded from it.
#[derive(Debug, thiserror::Error)]
#[error("a value cannot be encoded or decoded")]
pub(super) struct StorageError;

/// The keys that OpenMLS reads back. Values that it only writes are not stored, since the group
/// object holds them itself.
///
/// Encoded values are in buffers of exactly their size, so that none is ever moved. They are wiped
/// when replaced, deleted or dropped.
#[derive(Default)]
pub(super) struct Storage(Mutex<Vec<Slot>>);

struct Slot {
    kind: Kind,
    name: Zeroizing<Vec<u8>>,
    value: Zeroizing<Vec<u8>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    KeyPair,
    EpochKeyPairs,
    Psk,
    KeyPackage,
}

impl Storage {
    /// Wipes everything.
    pub(super) fn clear(&self) {
        self.slots().clear();
    }

    /// Returns the number of stored values.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots().len()
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        // Every change is a single push or retain: a panic elsewhere leaves the list consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put<T: Serialize + ?Sized>(
        &self,
        kind: Kind,
        name: &impl Serialize,
        value: &T,
    ) -> Result<(), StorageError> {
        let (name, value) = (pack(name)?, pack(value)?);
        secret_tap::report("stored key of MLS", &value);
        let mut slots = self.slots();
        slots.retain(|slot| slot.kind != kind || slot.name != name);
        slots.push(Slot { kind, name, value });
        Ok(())
    }

    fn get<T: DeserializeOwned>(
        &self,
        kind: Kind,
        name: &impl Serialize,
    ) -> Result<Option<T>, StorageError> {
        let name = pack(name)?;
        self.slots()
            .iter()
            .find(|slot| slot.kind == kind && slot.name == name)
            .map(|slot| postcard::from_bytes(&slot.value).map_err(|_| StorageError))
            .transpose()
    }

    fn delete(&self, kind: Kind, name: &impl Serialize) -> Result<(), StorageError> {
        let name = pack(name)?;
        self.slots().retain(|slot| slot.kind != kind || slot.name != name);
        Ok(())
    }
}

fn pack<T: Serialize + ?Sized>(value: &T) -> Result<Zeroizing<Vec<u8>>, StorageError> {
    let size = postcard::experimental::serialized_size(value).map_err(|_| StorageError)?;
    let mut buffer = Zeroizing::new(vec![0; size]);
    postcard::to_slice(value, &mut buffer).map_err(|_| StorageError)?;
    Ok(buffer)
}

/// Methods that store nothing and return empty values.
macro_rules! not_kept {
    ($($name:ident[$($generic:ident: $bound:ident),+]($($arg:ty),+) -> $out:ty;)+) => {$(
        fn $name<$($generic: traits::$bound<V>),+>(
            &self, $(_: $arg),+
        ) -> Result<$out, StorageError> {
            Ok(<$out>::default())
        }
    )+};
}

/// Methods that store nothing, but report the secrets to the secret tap of the tests.
macro_rules! not_kept_but_told {
    ($($name:ident[$group:ident: $group_bound:ident, $secrets:ident: $bound:ident] $what:literal;)+) => {$(
        fn $name<$group: traits::$group_bound<V>, $secrets: traits::$bound<V>>(
            &self, _: &$group, secrets: &$secrets
        ) -> Result<(), StorageError> {
            secret_tap::report_all_of($what, secrets);
            Ok(())
        }
    )+};
}

impl StorageProvider<V> for Storage {
    type Error = StorageError;

    fn write_encryption_key_pair<K: traits::EncryptionKey<V>, P: traits::HpkeKeyPair<V>>(
        &self,
        key: &K,
        pair: &P,
    ) -> Result<(), StorageError> {
        self.put(Kind::KeyPair, key, pair)
    }

    fn encryption_key_pair<P: traits::HpkeKeyPair<V>, K: traits::EncryptionKey<V>>(
        &self,
        key: &K,
    ) -> Result<Option<P>, StorageError> {
        self.get(Kind::KeyPair, key)
    }

    fn delete_encryption_key_pair<K: traits::EncryptionKey<V>>(
        &self,
        key: &K,
    ) -> Result<(), StorageError> {
        self.delete(Kind::KeyPair, key)
    }

    fn write_encryption_epoch_key_pairs<
        G: traits::GroupId<V>,
        E: traits::EpochKey<V>,
        P: traits::HpkeKeyPair<V>,
    >(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
        pairs: &[P],
    ) -> Result<(), StorageError> {
        self.put(Kind::EpochKeyPairs, &(group, epoch, leaf), pairs)
    }

    fn encryption_epoch_key_pairs<
        G: traits::GroupId<V>,
        E: traits::EpochKey<V>,
        P: traits::HpkeKeyPair<V>,
    >(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
    ) -> Result<Vec<P>, StorageError> {
        Ok(self.get(Kind::EpochKeyPairs, &(group, epoch, leaf))?.unwrap_or_default())
    }

    fn delete_encryption_epoch_key_pairs<G: traits::GroupId<V>, E: traits::EpochKey<V>>(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
    ) -> Result<(), StorageError> {
        self.delete(Kind::EpochKeyPairs, &(group, epoch, leaf))
    }

    fn write_psk<I: traits::PskId<V>, B: traits::PskBundle<V>>(
        &self,
        id: &I,
        psk: &B,
    ) -> Result<(), StorageError> {
        self.put(Kind::Psk, id, psk)
    }

    fn psk<B: traits::PskBundle<V>, I: traits::PskId<V>>(
        &self,
        id: &I,
    ) -> Result<Option<B>, StorageError> {
        self.get(Kind::Psk, id)
    }

    fn delete_psk<I: traits::PskId<V>>(&self, id: &I) -> Result<(), StorageError> {
        self.delete(Kind::Psk, id)
    }

    fn write_key_package<H: traits::HashReference<V>, P: traits::KeyPackage<V>>(
        &self,
        reference: &H,
        package: &P,
    ) -> Result<(), StorageError> {
        self.put(Kind::KeyPackage, reference, package)
    }

    fn key_package<H: traits::HashReference<V>, P: traits::KeyPackage<V>>(
        &self,
        reference: &H,
    ) -> Result<Option<P>, StorageError> {
        self.get(Kind::KeyPackage, reference)
    }

    fn delete_key_package<H: traits::HashReference<V>>(
        &self,
        reference: &H,
    ) -> Result<(), StorageError> {
        self.delete(Kind::KeyPackage, reference)
    }

    not_kept_but_told! {
        write_message_secrets[G: GroupId, S: MessageSecrets] "message secrets of MLS";
        write_resumption_psk_store[G: GroupId, S: ResumptionPskStore] "resumption secret of MLS";
        write_group_epoch_secrets[G: GroupId, S: GroupEpochSecrets] "epoch secrets of MLS";
        write_context[G: GroupId, S: GroupContext] "public";
    }

    not_kept! {
        write_mls_join_config[G: GroupId, C: MlsGroupJoinConfig](&G, &C) -> ();
        append_own_leaf_node[G: GroupId, L: LeafNode](&G, &L) -> ();
        queue_proposal[G: GroupId, R: ProposalRef, P: QueuedProposal](&G, &R, &P) -> ();
        write_tree[G: GroupId, T: TreeSync](&G, &T) -> ();
        write_interim_transcript_hash[G: GroupId, H: InterimTranscriptHash](&G, &H) -> ();
        write_confirmation_tag[G: GroupId, C: ConfirmationTag](&G, &C) -> ();
        write_group_state[S: GroupState, G: GroupId](&G, &S) -> ();
        write_own_leaf_index[G: GroupId, I: LeafNodeIndex](&G, &I) -> ();
        write_signature_key_pair[K: SignaturePublicKey, P: SignatureKeyPair](&K, &P) -> ();
        mls_group_join_config[G: GroupId, C: MlsGroupJoinConfig](&G) -> Option<C>;
        own_leaf_nodes[G: GroupId, L: LeafNode](&G) -> Vec<L>;
        queued_proposal_refs[G: GroupId, R: ProposalRef](&G) -> Vec<R>;
        queued_proposals[G: GroupId, R: ProposalRef, P: QueuedProposal](&G) -> Vec<(R, P)>;
        tree[G: GroupId, T: TreeSync](&G) -> Option<T>;
        group_context[G: GroupId, C: GroupContext](&G) -> Option<C>;
        interim_transcript_hash[G: GroupId, H: InterimTranscriptHash](&G) -> Option<H>;
        confirmation_tag[G: GroupId, C: ConfirmationTag](&G) -> Option<C>;
        group_state[S: GroupState, G: GroupId](&G) -> Option<S>;
        message_secrets[G: GroupId, M: MessageSecrets](&G) -> Option<M>;
        resumption_psk_store[G: GroupId, S: ResumptionPskStore](&G) -> Option<S>;
        own_leaf_index[G: GroupId, I: LeafNodeIndex](&G) -> Option<I>;
        group_epoch_secrets[G: GroupId, S: GroupEpochSecrets](&G) -> Option<S>;
        signature_key_pair[K: SignaturePublicKey, P: SignatureKeyPair](&K) -> Option<P>;
        remove_proposal[G: GroupId, R: ProposalRef](&G, &R) -> ();
        delete_own_leaf_nodes[G: GroupId](&G) -> ();
        delete_group_config[G: GroupId](&G) -> ();
        delete_tree[G: GroupId](&G) -> ();
        delete_confirmation_tag[G: GroupId](&G) -> ();
        delete_group_state[G: GroupId](&G) -> ();
        delete_context[G: GroupId](&G) -> ();
        delete_interim_transcript_hash[G: GroupId](&G) -> ();
        delete_message_secrets[G: GroupId](&G) -> ();
        delete_all_resumption_psk_secrets[G: GroupId](&G) -> ();
        delete_own_leaf_index[G: GroupId](&G) -> ();
        delete_group_epoch_secrets[G: GroupId](&G) -> ();
        clear_proposal_queue[G: GroupId, R: ProposalRef](&G) -> ();
        delete_signature_key_pair[K: SignaturePublicKey](&K) -> ();
    }
}
