//! TLS to a relay.

use std::{io, sync::Arc};

use anocm_core::transport::TransportError;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        self, ClientConfig, RootCertStore,
        client::Resumption,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

/// A TLS connector for one host.
pub(super) struct Tls {
    connector: TlsConnector,
    host: String,
}

impl Tls {
    pub(super) fn new(config: Arc<ClientConfig>, host: &str) -> Self {
        Self { connector: TlsConnector::from(config), host: host.to_owned() }
    }

    pub(super) async fn wrap(
        &self,
        tcp: TcpStream,
    ) -> Result<TlsStream<TcpStream>, TransportError> {
        // The host of a relay's URL is normally a valid server name. One that is not cannot have a
        // certificate.
        let name = ServerName::try_from(self.host.clone());
        let name = name.map_err(|_| TransportError::Untrusted)?;
        let stream = self.connector.connect(name, tcp).await;
        stream.map_err(|error| classify(&error))
    }
}

/// Builds a configuration that trusts the public authorities and `extra`. Returns `None` when one
/// of `extra` is not a valid certificate.
pub(super) fn config(extra: Vec<CertificateDer<'static>>) -> Option<Arc<ClientConfig>> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for root in extra {
        roots.add(root).ok()?;
    }
    // An explicit provider, so that the one the program has installed does not matter.
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // A session ticket would let the relay link two connections to the same guest.
    config.resumption = Resumption::disabled();
    // Without ALPN, a server that offers HTTP/2 would be free to choose it.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Some(Arc::new(config))
}

/// Returns the certificates in a PEM file. `None` when it holds none or an invalid one.
pub(super) fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    (!certificates.is_empty()).then_some(certificates)
}

fn classify(error: &io::Error) -> TransportError {
    use rustls::CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext,
        NotValidYet, NotValidYetContext, UnknownIssuer,
    };
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(why)) => match why {
            Expired | ExpiredContext { .. } => TransportError::CertificateExpired,
            NotValidYet | NotValidYetContext { .. } => TransportError::CertificateNotYetValid,
            NotValidForName | NotValidForNameContext { .. } => TransportError::CertificateOtherName,
            // A bad signature means an authority of the same name with another key, which is a
            // different authority.
            UnknownIssuer | BadSignature => TransportError::CertificateUnknownAuthority,
            _ => TransportError::Untrusted,
        },
        Some(_) => TransportError::Refused,
        None => TransportError::Unreachable,
    }
}
