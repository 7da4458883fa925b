//! What the running program serves, what it tolerates, and how it ends.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    process::Command,
};

use anocm_core::{
    RelayUrl,
    transport::{Link, Transport, TransportError},
};
use anocm_ws::client::{WsOptions, WsTransport};
use common::{LONG, Server};
use rustix::process::Signal;

#[test]
fn health_is_told_without_details() {
    let server = Server::start(&[]);
    let (head, body) = server.get("/health");
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert_eq!(body, "ok");
}

#[test]
fn the_page_says_what_this_is() {
    let server = Server::start(&[]);
    let (head, body) = server.get("/");
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert!(head.contains("content-type: text/html"));
    assert!(body.contains("anocm relay"));
}

#[tokio::test]
async fn pages_are_kept_out_when_that_is_wanted() {
    let mut page = WsOptions::default();
    page.headers.insert("Origin", "https://page.example").unwrap();
    for (words, refused) in [(&[][..], None), (&["--refuse-origin"], Some(TransportError::Refused))]
    {
        let server = Server::start(words);
        assert_eq!(connect(&server, page.clone()).await.err(), refused, "{words:?}");
        assert!(connect(&server, WsOptions::default()).await.is_ok(), "{words:?}");
    }
}

#[test]
fn everything_comes_with_security_headers() {
    let server = Server::start(&[]);
    for path in ["/", "/health", "/nowhere", "/ws"] {
        let (head, _) = server.get(path);
        for header in [
            "\r\ncontent-security-policy: default-src 'none'",
            "\r\nreferrer-policy: no-referrer",
            "\r\nx-content-type-options: nosniff",
            "\r\ncache-control: no-store",
        ] {
            assert!(head.contains(header), "{path}: {head}");
        }
        assert!(!head.contains("\r\nserver:"), "{head}");
    }
}

#[test]
fn other_methods_and_paths_are_refused() {
    let server = Server::start(&[]);
    assert!(server.get("/nowhere").0.starts_with("http/1.1 404 "));
    assert!(server.get("/ws").0.starts_with("http/1.1 426 "));
    let post = "POST /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    assert!(server.ask(post).0.starts_with("http/1.1 405 "));
}

#[test]
fn nonsense_does_not_hurt() {
    let server = Server::start(&[]);
    for nonsense in
        [&b"\x00\xff\x16\x03\x01"[..], b"GET", b"GET / HTTP/7\r\n\r\n", &[b'A'; 100_000]]
    {
        let mut tcp = server.connect();
        // The server may hang up before everything is written.
        let _ = tcp.write_all(nonsense);
    }
    assert_eq!(server.get("/health").1, "ok");
}

#[test]
fn a_request_that_never_ends_is_cut_off() {
    let server = Server::start(&["--header-within", "50ms"]);
    let mut tcp = server.connect();
    tcp.write_all(b"GET / HTTP/1.1\r\nHost").unwrap();
    assert_ended(&mut tcp);
}

#[test]
fn a_peer_that_requests_without_reading_is_disconnected() {
    let server = Server::start(&[]);
    let mut tcp = server.connect();
    tcp.set_write_timeout(Some(LONG)).unwrap();
    let requests = "GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1_000);
    // Blocks forever once neither side reads any more.
    let error = loop {
        if let Err(error) = tcp.write_all(requests.as_bytes()) {
            break error.kind();
        }
    };
    assert!(matches!(error, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
}

#[test]
fn running_out_of_files_passes() {
    let program = env!("CARGO_BIN_EXE_anocm-server");
    let script = format!("ulimit -n 32; exec {program} --listen 127.0.0.1:0 --header-within 20s");
    let mut server = Server::start_by(Command::new("sh").args(["-c", &script]).env_clear());
    let many: Vec<_> = (0..64).map(|_| server.connect()).collect();
    let errors = server.errors_until("EMFILE");
    assert!(errors.contains("the limit of open files is 32"), "{errors}");
    drop(many);
    assert_eq!(server.get("/health").1, "ok");
    server.signal(Signal::TERM);
    let (code, errors) = server.wait();
    assert_eq!(code, Some(0));
    // It was logged once, though it happened several times a second.
    assert!(!errors.contains("EMFILE"), "{errors}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_relay_whose_log_cannot_be_written_goes_on() {
    let program = env!("CARGO_BIN_EXE_anocm-server");
    let script = format!(
        "ulimit -n 32; exec {program} --listen 127.0.0.1:0 --header-within 20s 2>/dev/full"
    );
    let server = Server::start_by(Command::new("sh").args(["-c", &script]).env_clear());
    // Enough connections that there is something to log.
    let many: Vec<_> = (0..64).map(|_| server.connect()).collect();
    while server.files() < 32 {
        std::thread::yield_now();
    }
    drop(many);
    assert_eq!(server.get("/health").1, "ok");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().0, Some(0));
}

#[test]
fn the_start_and_the_end_are_told_in_a_line_each() {
    let server = Server::start(&["--log", "info"]);
    assert_eq!(server.get("/ready").1, "ready");
    server.signal(Signal::TERM);
    let (code, errors) = server.wait();
    assert_eq!(code, Some(0));
    let lines: Vec<_> = errors.lines().filter(|line| line.contains(" INFO ")).collect();
    for said in ["started: rooms are kept in this process", "told to end", " ended"] {
        assert_eq!(lines.iter().filter(|line| line.contains(said)).count(), 1, "{errors}");
    }
    assert_eq!(lines.len(), 3, "{errors}");
}

#[test]
fn an_idle_server_ends_cleanly_on_each_signal() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = Server::start(&[]);
        server.signal(signal);
        assert_eq!(server.wait(), (Some(0), String::new()));
    }
}

#[test]
fn a_connection_that_does_not_end_is_not_waited_for_long() {
    let server = Server::start(&["--shutdown-within", "100ms", "--header-within", "20s"]);
    let mut tcp = server.connect();
    tcp.write_all(b"GET / HTTP/1.1\r\nHost").unwrap();
    // This request is served after the connection above was accepted.
    assert_eq!(server.get("/health").1, "ok");
    server.signal(Signal::TERM);
    let (code, errors) = server.wait();
    assert_eq!(code, Some(0));
    assert!(errors.contains("some connections did not end in time"), "{errors}");
}

#[test]
fn a_relay_under_nohup_outlives_its_terminal() {
    // As started by `nohup`.
    let program = env!("CARGO_BIN_EXE_anocm-server");
    let script = format!(
        "trap '' HUP; exec {program} --listen 127.0.0.1:0 --header-within 20s --shutdown-within 2s"
    );
    let server = Server::start_by(Command::new("sh").args(["-c", &script]).env_clear());
    let mut tcp = server.connect();
    tcp.write_all(b"GET / HTTP/1.1\r\nHost").unwrap();
    assert_eq!(server.get("/health").1, "ok");
    server.signal(Signal::HUP);
    server.signal(Signal::TERM);
    // If SIGHUP had told it to end, SIGTERM would have been the second such signal.
    let (code, errors) = server.wait();
    assert_eq!(code, Some(0));
    assert!(errors.contains("did not end in time") && !errors.contains("twice"), "{errors}");
}

#[tokio::test]
async fn open_links_are_told_when_the_server_ends() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = Server::start(&[]);
        let link = connect(&server, WsOptions::default()).await.unwrap();
        server.signal(signal);
        // Whatever else the relay sends, it closes cleanly.
        let end = tokio::time::timeout(LONG, async {
            loop {
                match link.recv().await {
                    Ok(Some(_)) => {}
                    end => break end,
                }
            }
        });
        assert_eq!(end.await.unwrap(), Ok(None), "{signal:?}");
        assert_eq!(server.wait().0, Some(0));
    }
}

async fn connect(server: &Server, options: WsOptions) -> Result<Box<dyn Link>, TransportError> {
    let url = RelayUrl::parse(&server.url).unwrap();
    let transport = WsTransport::new(&url, options).unwrap();
    tokio::time::timeout(LONG, transport.connect()).await.unwrap()
}

fn assert_ended(tcp: &mut TcpStream) {
    let mut rest = Vec::new();
    match tcp.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}
