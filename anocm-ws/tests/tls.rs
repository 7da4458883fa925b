//! `wss://`: which certificates the client trusts, and what it reveals.
#![cfg(all(feature = "client", feature = "server"))]
#![expect(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use std::{net::SocketAddr, sync::Arc};

use anocm_core::{
    RelayUrl,
    transport::{Transport, TransportError},
};
use anocm_ws::client::{WsError, WsOptions, WsTransport};
use common::{frame, soon};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

/// An echo server behind TLS. Returns its port and its certificate.
async fn relay(names: &[&str]) -> (SocketAddr, CertificateDer<'static>) {
    relay_valid(names, 2000, 2200).await
}

/// The same with a certificate that is valid from the beginning of one year to that of another.
async fn relay_valid(
    names: &[&str],
    from: i32,
    until: i32,
) -> (SocketAddr, CertificateDer<'static>) {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    let signing_key = KeyPair::generate().unwrap();
    let cert = params.self_signed(&signing_key).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    // As in the configuration of a reverse proxy.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(serve(acceptor.clone(), tcp));
        }
    });
    (address, cert.der().clone())
}

async fn serve(acceptor: TlsAcceptor, tcp: TcpStream) {
    let Ok(tls) = acceptor.accept(tcp).await else {
        return;
    };
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let service = hyper_util::service::TowerToHyperService::new(common::echo());
    let io = hyper_util::rt::TokioIo::new(tls);
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(io, service)
        .with_upgrades()
        .await;
}

fn transport(url: &str, extra_roots: Vec<CertificateDer<'static>>) -> Result<WsTransport, WsError> {
    let options = WsOptions { extra_roots, ..WsOptions::default() };
    WsTransport::new(&RelayUrl::parse(url).unwrap(), options)
}

#[tokio::test]
async fn a_trusted_certificate_carries_frames() {
    let (address, root) = relay(&["localhost", "127.0.0.1"]).await;
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{}/", address.port());
        let alice = soon(transport(&url, vec![root.clone()]).unwrap().connect()).await.unwrap();
        for length in [0, 125, 65_536, 500_000] {
            let sent = [frame(length)];
            let both = async { tokio::join!(alice.send(&sent), alice.recv()) };
            assert_eq!(soon(both).await.1, Ok(Some(frame(length))));
        }
    }
}

#[tokio::test]
async fn an_unknown_certificate_is_not_trusted() {
    let (address, _) = relay(&["localhost"]).await;
    let url = format!("https://localhost:{}/", address.port());
    assert_eq!(failure(&url, vec![]).await, TransportError::CertificateUnknownAuthority);
}

#[tokio::test]
async fn the_certificate_of_another_host_is_not_trusted() {
    let (address, root) = relay(&["elsewhere.example"]).await;
    let url = format!("https://localhost:{}/", address.port());
    assert_eq!(failure(&url, vec![root]).await, TransportError::CertificateOtherName);
}

#[tokio::test]
async fn a_certificate_is_good_for_its_time_only() {
    for (from, until, why) in [
        (2000, 2020, TransportError::CertificateExpired),
        (2200, 2220, TransportError::CertificateNotYetValid),
    ] {
        let (address, root) = relay_valid(&["localhost"], from, until).await;
        let url = format!("https://localhost:{}/", address.port());
        assert_eq!(failure(&url, vec![root]).await, why);
    }
}

#[tokio::test]
async fn authorities_come_from_pem_files_too() {
    let (address, root) = relay(&["localhost"]).await;
    let pem = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        data_encoding::BASE64.encode(&root)
    );
    let mut options = WsOptions::default();
    options.trust_pem(pem.as_bytes()).unwrap();
    let url = RelayUrl::parse(&format!("https://localhost:{}/", address.port())).unwrap();
    assert!(soon(WsTransport::new(&url, options).unwrap().connect()).await.is_ok());
    for bad in ["", "no certificate", "-----BEGIN CERTIFICATE-----\n!\n"] {
        assert_eq!(WsOptions::default().trust_pem(bad.as_bytes()), Err(WsError::BadRoot), "{bad}");
    }
}

#[tokio::test]
async fn a_relay_without_tls_is_refused() {
    let server = common::Server::start().await;
    let url = format!("https://{}/", server.address);
    assert_eq!(failure(&url, vec![]).await, TransportError::Refused);
}

#[test]
fn roots_that_are_no_certificates_are_refused() {
    let made = transport("https://localhost/", vec![CertificateDer::from(vec![1, 2, 3])]);
    assert_eq!(made.err(), Some(WsError::BadRoot));
}

async fn failure(url: &str, roots: Vec<CertificateDer<'static>>) -> TransportError {
    let transport = transport(url, roots).unwrap();
    soon(transport.connect()).await.err().expect("connected")
}
