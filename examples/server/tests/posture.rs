//! How the program protects its memory, and what it reports of that.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs::read_to_string;

use anocm_core::{
    RelayUrl,
    transport::Transport,
    wire::{ClientHello, Hello, Posture, RelayHello},
};
use anocm_ws::client::{WsOptions, WsTransport};
use common::{Server, program};

/// Returns the findings of `doctor`, and its exit code.
fn doctor() -> (Vec<(Posture, String)>, Option<i32>) {
    // It ignores options in the environment.
    let output = program(&["doctor"]).env("ANOCM_LISTEN", "192.0.2.1:1").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let findings = text.lines().filter(|line| !line.starts_with(' ')).map(|line| {
        let (state, says) = line.split_once(' ').unwrap();
        let state = match state {
            "kept" => Posture::Kept,
            "unknown" => Posture::Unknown,
            "broken" => Posture::Broken,
            other => panic!("{other:?}"),
        };
        (state, says.trim().to_owned())
    });
    (findings.collect(), output.status.code())
}

#[test]
fn the_doctor_looks_at_everything_and_ends_as_it_found_it() {
    let (findings, code) = doctor();
    for about in ["freed memory", "core dumps", "hibernate"] {
        assert!(findings.iter().any(|(_, says)| says.contains(about)), "{findings:#?}");
    }
    assert!(findings.iter().any(|(_, says)| says.contains("swap")), "{findings:#?}");
    let well = findings.iter().all(|(state, _)| *state == Posture::Kept);
    assert_eq!(code, Some(i32::from(!well)));
}

/// Returns the output of `doctor` for a certificate that is valid in these years.
#[expect(clippy::disallowed_methods, reason = "a certificate to be read")]
fn doctor_of_certificate(from: i32, until: i32) -> String {
    let mut params = rcgen::CertificateParams::new(["relay.example".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    let made = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), made.pem()).unwrap();
    let output = program(&["doctor", "--tls-cert"]).arg(file.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.contains("the certificate")).unwrap();
    let (state, _) = line.split_once(' ').unwrap();
    assert!(state == "kept" || output.status.code() == Some(1));
    state.to_owned()
}

#[test]
fn the_doctor_knows_a_certificate_that_guests_refuse() {
    assert_eq!(doctor_of_certificate(2000, 2020), "broken");
    assert_eq!(doctor_of_certificate(2200, 2220), "broken");
    assert_eq!(doctor_of_certificate(2000, 2220), "kept");
}

#[tokio::test]
async fn guests_are_told_what_the_doctor_says() {
    let worst = doctor().0.into_iter().map(|(state, _)| state).max().unwrap();
    let server = Server::start(&["--log", "off"]);
    let url = RelayUrl::parse(&server.url).unwrap();
    let transport = WsTransport::new(&url, WsOptions::default()).unwrap();
    let link = transport.connect().await.unwrap();
    link.send(&[ClientHello::default().to_frame()]).await.unwrap();
    let hello = link.recv().await.unwrap().unwrap();
    let Ok(RelayHello::Welcome { posture, .. }) = RelayHello::from_frame(&hello) else {
        panic!("not welcome")
    };
    assert_eq!(posture, worst);
}

#[test]
fn nothing_of_the_process_is_dumped_and_its_memory_is_locked_if_it_says_so() {
    let server = Server::start(&[]);
    let of = |what: &str| read_to_string(format!("/proc/{}/{what}", server.pid())).unwrap();
    let limits = of("limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let numbers: Vec<_> = core.split_whitespace().skip(4).take(2).collect();
    assert_eq!(numbers, ["0", "0"]);
    let locked = of("status")
        .lines()
        .any(|line| line.strip_prefix("VmLck:").is_some_and(|kib| !kib.trim().starts_with("0 ")));
    let says_so = doctor().0.iter().any(|(_, says)| says.contains("memory is locked"));
    assert_eq!(locked, says_so);
}
