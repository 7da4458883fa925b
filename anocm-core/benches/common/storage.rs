//! The environment of the bare library: its cryptography, and the minimal storage that it needs.
//! The storage wipes nothing and keeps only what the library reads back.

use std::{cell::RefCell, collections::HashMap};

use openmls_rust_crypto::RustCrypto;
use openmls_traits::{
    OpenMlsProvider,
    storage::{CURRENT_VERSION as V, StorageProvider, traits},
};
use serde::{Serialize, de::DeserializeOwned};

/// Cryptography and storage of one group.
#[derive(Default)]
pub struct Provider {
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

/// Encoded values by kind and encoded name.
#[derive(Default)]
pub struct Storage(RefCell<Values>);

type Values = HashMap<(Kind, Vec<u8>), Vec<u8>>;

#[derive(PartialEq, Eq, Hash)]
enum Kind {
    KeyPair,
    EpochKeyPairs,
    Psk,
    KeyPackage,
}

impl Storage {
    fn put<T: Serialize + ?Sized>(
        &self,
        kind: Kind,
        name: &impl Serialize,
        value: &T,
    ) -> Result<(), StorageError> {
        self.0.borrow_mut().insert((kind, pack(name)?), pack(value)?);
        Ok(())
    }

    fn get<T: DeserializeOwned>(
        &self,
        kind: Kind,
        name: &impl Serialize,
    ) -> Result<Option<T>, StorageError> {
        let values = self.0.borrow();
        values.get(&(kind, pack(name)?)).map(|value| postcard::from_bytes(value)).transpose()
    }

    fn delete(&self, kind: Kind, name: &impl Serialize) -> Result<(), StorageError> {
        self.0.borrow_mut().remove(&(kind, pack(name)?));
        Ok(())
    }
}

type StorageError = postcard::Error;

fn pack<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, StorageError> {
    postcard::to_allocvec(value)
}

/// Methods that store nothing and find nothing.
macro_rules! not_kept {
    ($($name:ident[$($generic:ident: $bound:ident),+]($($arg:ty),+) -> $out:ty;)+) => {$(
        fn $name<$($generic: traits::$bound<V>),+>(
            &self, $(_: $arg),+
        ) -> Result<$out, StorageError> {
            Ok(<$out>::default())
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

    not_kept! {
        write_mls_join_config[G: GroupId, C: MlsGroupJoinConfig](&G, &C) -> ();
        append_own_leaf_node[G: GroupId, L: LeafNode](&G, &L) -> ();
        queue_proposal[G: GroupId, R: ProposalRef, P: QueuedProposal](&G, &R, &P) -> ();
        write_tree[G: GroupId, T: TreeSync](&G, &T) -> ();
        write_interim_transcript_hash[G: GroupId, H: InterimTranscriptHash](&G, &H) -> ();
        write_context[G: GroupId, C: GroupContext](&G, &C) -> ();
        write_confirmation_tag[G: GroupId, C: ConfirmationTag](&G, &C) -> ();
        write_group_state[S: GroupState, G: GroupId](&G, &S) -> ();
        write_message_secrets[G: GroupId, M: MessageSecrets](&G, &M) -> ();
        write_resumption_psk_store[G: GroupId, S: ResumptionPskStore](&G, &S) -> ();
        write_own_leaf_index[G: GroupId, I: LeafNodeIndex](&G, &I) -> ();
        write_group_epoch_secrets[G: GroupId, S: GroupEpochSecrets](&G, &S) -> ();
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
