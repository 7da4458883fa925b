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

/// TLS to one host.
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
        // Every host of a relay's URL can have a certificate; one that cannot has none.
        let name = ServerName::try_from(self.host.clone());
        let name = name.map_err(|_| TransportError::Untrusted)?;
        let stream = self.connector.connect(name, tcp).await;
        stream.map_err(|error| classify(&error))
    }
}

/// The public authorities and `extra`. `None` when one of those is no certificate.
pub(super) fn config(extra: Vec<CertificateDer<'static>>) -> Option<Arc<ClientConfig>> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for root in extra {
        roots.add(root).ok()?;
    }
    // Named, so that nothing depends on which provider a program has installed.
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // A ticket would tell the relay that two connections are of the same guest.
    config.resumption = Resumption::disabled();
    // A server that offers HTTP/2 would otherwise be free to choose it.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Some(Arc::new(config))
}

/// The certificates in a PEM file, of which there must be one.
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
            // An authority of the same name with another key is another authority.
            UnknownIssuer | BadSignature => TransportError::CertificateUnknownAuthority,
            _ => TransportError::Untrusted,
        },
        Some(_) => TransportError::Refused,
        None => TransportError::Unreachable,
    }
}
