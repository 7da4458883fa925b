//! `wss://`: whom the client trusts, and what it shows.
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
    transport::{Link, Transport, TransportError},
};
use anocm_ws::{
    client::{WsError, WsOptions, WsTransport},
    server::{WsServerOptions, router},
};
use common::{frame, soon};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

/// An echo behind TLS. Gives its port and its certificate.
async fn relay(names: &[&str]) -> (SocketAddr, CertificateDer<'static>) {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    // As a reverse proxy would have it.
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
    let echo = |link: Box<dyn Link>| async move {
        while let Ok(Some(frame)) = link.recv().await {
            link.send(&[frame]).await.unwrap();
        }
    };
    let Ok(tls) = acceptor.accept(tcp).await else {
        return;
    };
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let service =
        hyper_util::service::TowerToHyperService::new(router(echo, WsServerOptions::default()));
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
    assert_eq!(failure(&url, vec![]).await, TransportError::Untrusted);
}

#[tokio::test]
async fn the_certificate_of_another_host_is_not_trusted() {
    let (address, root) = relay(&["elsewhere.example"]).await;
    let url = format!("https://localhost:{}/", address.port());
    assert_eq!(failure(&url, vec![root]).await, TransportError::Untrusted);
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
