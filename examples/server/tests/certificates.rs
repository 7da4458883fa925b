//! TLS of the running program, and renewal of its certificate.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::PathBuf;

use anocm_core::{
    RelayUrl,
    transport::{Link, Transport, TransportError},
    wire::{ClientHello, Hello, RelayHello},
};
use anocm_ws::client::{WsOptions, WsTransport};
use common::{LONG, Server};
use rustix::process::Signal;
use tempfile::TempDir;

/// The files of a certificate.
struct Files {
    _at: TempDir,
    chain: PathBuf,
    key: PathBuf,
}

impl Files {
    fn new() -> Self {
        let at = tempfile::tempdir().unwrap();
        let (chain, key) = (at.path().join("chain.pem"), at.path().join("key.pem"));
        Self { _at: at, chain, key }
    }

    /// Replaces the certificate. Returns options that trust the new one.
    fn renew(&self) -> WsOptions {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        write(&self.chain, &made.cert.pem());
        write(&self.key, &made.signing_key.serialize_pem());
        WsOptions { extra_roots: vec![made.cert.der().clone()], ..WsOptions::default() }
    }

    fn server(&self) -> Server {
        let (chain, key) = (self.chain.to_str().unwrap(), self.key.to_str().unwrap());
        let words = ["--tls-cert", chain, "--tls-key", key, "--log", "info"];
        Server::start(&words)
    }
}

#[expect(clippy::disallowed_methods, reason = "a certificate for the server to read")]
fn write(path: &std::path::Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

async fn connect(server: &Server, options: &WsOptions) -> Result<Box<dyn Link>, TransportError> {
    let url = RelayUrl::parse(&server.url).unwrap();
    let transport = WsTransport::new(&url, options.clone()).unwrap();
    tokio::time::timeout(LONG, transport.connect()).await.unwrap()
}

/// Returns whether the relay replies to a hello on this connection.
async fn greets(link: &dyn Link) -> bool {
    link.send(&[ClientHello::default().to_frame()]).await.unwrap();
    let answer = tokio::time::timeout(LONG, link.recv()).await.unwrap().unwrap().unwrap();
    matches!(RelayHello::from_frame(&answer), Ok(RelayHello::Welcome { .. }))
}

/// Connects until the server presents the certificate that `trusting` trusts.
async fn shows(server: &Server, trusting: &WsOptions) {
    let shown = async { while connect(server, trusting).await.is_err() {} };
    tokio::time::timeout(LONG, shown).await.unwrap();
}

#[tokio::test]
async fn the_server_does_tls_itself() {
    let files = Files::new();
    let trusting = files.renew();
    let server = files.server();
    assert!(server.url.starts_with("https://"), "{}", server.url);
    assert!(connect(&server, &trusting).await.is_ok());
    let stranger = connect(&server, &WsOptions::default()).await;
    assert_eq!(stranger.err(), Some(TransportError::CertificateUnknownAuthority));
}

#[tokio::test]
async fn a_certificate_is_renewed_and_no_connection_ends() {
    let files = Files::new();
    let first = files.renew();
    let server = files.server();
    let alice = connect(&server, &first).await.unwrap();
    let second = files.renew();
    server.signal(Signal::HUP);
    shows(&server, &second).await;
    assert_eq!(
        connect(&server, &first).await.err(),
        Some(TransportError::CertificateUnknownAuthority)
    );
    assert!(greets(&*alice).await);

    // An unusable file leaves everything as it was.
    write(&files.key, "no key");
    server.signal(Signal::HUP);
    assert!(connect(&server, &second).await.is_ok());
    let third = files.renew();
    server.signal(Signal::HUP);
    shows(&server, &third).await;
    server.signal(Signal::TERM);
    let (code, errors) = server.wait();
    assert_eq!(code, Some(0));
    assert!(
        errors.contains("WARN") && errors.contains("the certificate stays as it was"),
        "{errors}"
    );
    drop(alice);
}

#[tokio::test]
async fn a_relay_without_certificates_ends_nothing_either() {
    let server = Server::start(&["--log", "info"]);
    let alice = connect(&server, &WsOptions::default()).await.unwrap();
    server.signal(Signal::HUP);
    assert!(greets(&*alice).await);
    assert_eq!(server.get("/health").1, "ok");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().0, Some(0));
}
