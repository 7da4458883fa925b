//! TLS from certificate files, which can be read again while it runs.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::{CryptoProvider, ring},
        pki_types::{
            CertificateDer, PrivateKeyDer,
            pem::{self, PemObject},
        },
        server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
        sign::CertifiedKey,
    },
};

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("cannot read the certificate")]
    Certificate(#[source] pem::Error),
    #[error("there is no certificate in the file")]
    NoCertificate,
    #[error("cannot read the private key")]
    Key(#[source] pem::Error),
    #[error("certificate and private key cannot be used")]
    Unusable(#[from] rustls::Error),
}

/// A certificate chain and its key, both PEM, and what was last read of them.
#[derive(Debug)]
pub(crate) struct Certificates {
    chain: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: Arc<Current>,
}

/// What new connections are shown.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl Certificates {
    /// Reads a certificate chain and its key.
    pub(crate) fn read(chain: &Path, key: &Path) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let current = Arc::new(Current(RwLock::new(read(chain, key, &provider)?)));
        Ok(Self { chain: chain.to_owned(), key: key.to_owned(), provider, current })
    }

    /// Reads the files again, for connections that come from now on. After an error those get what
    /// they got before.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        let fresh = read(&self.chain, &self.key, &self.provider)?;
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// The file of the chain.
    pub(crate) fn chain(&self) -> &Path {
        &self.chain
    }

    /// Does TLS with what was read last.
    pub(crate) fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Current>::clone(&self.current));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A session ticket tells whoever listens that two connections are of the same guest.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // It is replaced as a whole, so that a poisoned lock holds a whole one too.
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// A chain and the key of its first certificate.
fn read(chain: &Path, key: &Path, with: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(TlsError::Certificate)?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(TlsError::Key)?;
    Ok(Arc::new(CertifiedKey::from_der(chain, key, with)?))
}
