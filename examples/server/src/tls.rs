//! TLS from certificate files, which can be reloaded at run time.

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

/// The files of a certificate chain and its key, both PEM, and their contents as last read.
#[derive(Debug)]
pub(crate) struct Certificates {
    chain: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: Arc<Current>,
}

/// The certificate presented to new connections.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl Certificates {
    /// Reads a certificate chain and its key.
    pub(crate) fn read(chain: &Path, key: &Path) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let current = Arc::new(Current(RwLock::new(read(chain, key, &provider)?)));
        Ok(Self { chain: chain.to_owned(), key: key.to_owned(), provider, current })
    }

    /// Reads the files again, for new connections. After an error these get the previous
    /// certificate.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        let fresh = read(&self.chain, &self.key, &self.provider)?;
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Returns the file of the chain.
    pub(crate) fn chain(&self) -> &Path {
        &self.chain
    }

    /// Returns an acceptor that uses the certificate as last read.
    pub(crate) fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Current>::clone(&self.current));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A session ticket would let an observer link two connections of the same guest.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // It is replaced as a whole, so that it is intact even in a poisoned lock.
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Reads a chain and the key of its first certificate.
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
