//! Cryptography that falsifies chosen results, so that the MLS library produces messages that it
//! never would otherwise.

use std::sync::{Mutex, MutexGuard};

use openmls::prelude::{OpenMlsCrypto, OpenMlsProvider};
use openmls_rust_crypto::{MemoryStorage, RustCrypto};
use openmls_traits::types::{
    AeadType, Ciphersuite, CryptoError, ExporterSecret, HashType, HpkeCiphertext, HpkeConfig,
    HpkeKeyPair, KemOutput, SignatureScheme,
};
use tls_codec::SecretVLBytes;

/// Bytes of the sender data of a message (RFC 9420, section 6.3.2): leaf, generation, guard.
const SENDER_DATA: usize = 12;

/// The results to falsify.
#[derive(Default)]
pub struct Lies {
    /// Number and replaced public key of one of the HPKE keys generated from here on.
    pub public_key: Option<(usize, Vec<u8>)>,
    /// The leaf and the generation that the next messages claim.
    pub sender: Option<(u32, u32)>,
    /// HPKE public keys to which a different plaintext is encrypted.
    pub cheated: Vec<Vec<u8>>,
    /// A different plaintext is encrypted to every HPKE key.
    pub cheats_all: bool,
    /// How many HPKE keys were generated since.
    pub made: usize,
}

/// The cryptography and storage of one forger.
#[derive(Default)]
pub struct Provider {
    crypto: Liar,
    storage: MemoryStorage,
}

impl Provider {
    pub fn lies(&self, lies: Lies) {
        *self.crypto.lies() = lies;
    }
}

impl OpenMlsProvider for Provider {
    type CryptoProvider = Liar;
    type RandProvider = RustCrypto;
    type StorageProvider = MemoryStorage;

    fn storage(&self) -> &MemoryStorage {
        &self.storage
    }

    fn crypto(&self) -> &Liar {
        &self.crypto
    }

    fn rand(&self) -> &RustCrypto {
        &self.crypto.honest
    }
}

/// Honest cryptography except for the configured lies.
#[derive(Default)]
pub struct Liar {
    honest: RustCrypto,
    lies: Mutex<Lies>,
}

impl Liar {
    fn lies(&self) -> MutexGuard<'_, Lies> {
        self.lies.lock().unwrap()
    }
}

/// Delegates a call unchanged.
macro_rules! honest {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)+) => {$(
        fn $name(&self, $($arg: $ty),*) -> Result<$out, CryptoError> {
            self.honest.$name($($arg),*)
        }
    )+};
}

impl OpenMlsCrypto for Liar {
    fn supported_ciphersuites(&self) -> Vec<Ciphersuite> {
        self.honest.supported_ciphersuites()
    }

    fn aead_encrypt(
        &self,
        alg: AeadType,
        key: &[u8],
        data: &[u8],
        nonce: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let mut data = data.to_vec();
        if let (SENDER_DATA, Some((leaf, generation))) = (data.len(), self.lies().sender) {
            data[..4].copy_from_slice(&leaf.to_be_bytes());
            data[4..8].copy_from_slice(&generation.to_be_bytes());
        }
        self.honest.aead_encrypt(alg, key, &data, nonce, aad)
    }

    fn hpke_seal(
        &self,
        config: HpkeConfig,
        pk_r: &[u8],
        info: &[u8],
        aad: &[u8],
        ptxt: &[u8],
    ) -> Result<HpkeCiphertext, CryptoError> {
        let lies = self.lies();
        let cheated = lies.cheats_all || lies.cheated.iter().any(|key| key == pk_r);
        let ptxt = if cheated { &[0x66; 32] } else { ptxt };
        self.honest.hpke_seal(config, pk_r, info, aad, ptxt)
    }

    fn derive_hpke_keypair(
        &self,
        config: HpkeConfig,
        ikm: &[u8],
    ) -> Result<HpkeKeyPair, CryptoError> {
        let mut pair = self.honest.derive_hpke_keypair(config, ikm)?;
        let mut lies = self.lies();
        let number = lies.made;
        lies.made += 1;
        if let Some((_, public)) = lies.public_key.as_ref().filter(|(nth, _)| *nth == number) {
            pair.public.clone_from(public);
        }
        Ok(pair)
    }

    honest! {
        supports(suite: Ciphersuite) -> ();
        hkdf_extract(hash: HashType, salt: &[u8], ikm: &[u8]) -> SecretVLBytes;
        hmac(hash: HashType, key: &[u8], message: &[u8]) -> SecretVLBytes;
        hkdf_expand(hash: HashType, prk: &[u8], info: &[u8], len: usize) -> SecretVLBytes;
        hash(hash: HashType, data: &[u8]) -> Vec<u8>;
        aead_decrypt(alg: AeadType, key: &[u8], text: &[u8], nonce: &[u8], aad: &[u8]) -> Vec<u8>;
        signature_key_gen(alg: SignatureScheme) -> (Vec<u8>, Vec<u8>);
        verify_signature(alg: SignatureScheme, data: &[u8], key: &[u8], signature: &[u8]) -> ();
        sign(alg: SignatureScheme, data: &[u8], key: &[u8]) -> Vec<u8>;
        hpke_open(
            config: HpkeConfig, input: &HpkeCiphertext, key: &[u8], info: &[u8], aad: &[u8]
        ) -> Vec<u8>;
        hpke_setup_sender_and_export(
            config: HpkeConfig, key: &[u8], info: &[u8], context: &[u8], length: usize
        ) -> (KemOutput, ExporterSecret);
        hpke_setup_receiver_and_export(
            config: HpkeConfig, enc: &[u8], key: &[u8], info: &[u8], context: &[u8], length: usize
        ) -> ExporterSecret;
    }
}
