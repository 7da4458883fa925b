use proptest::prelude::*;

use super::*;

fn shown(url: &str) -> String {
    RelayUrl::parse(url).unwrap().to_string()
}

#[test]
fn one_relay_has_one_spelling() {
    for url in [
        "https://relay.example",
        "https://relay.example/",
        "HTTPS://Relay.Example:443/",
        "wss://relay.example",
        "  https://relay.example/\n",
    ] {
        assert_eq!(shown(url), "https://relay.example/", "{url}");
    }
    assert_eq!(shown("https://r.example/a/b"), "https://r.example/a/b/");
    assert_eq!(shown("http://localhost:80/"), "http://localhost/");
    assert_eq!(shown("ws://127.0.0.1:8080"), "http://127.0.0.1:8080/");
    assert_eq!(shown("https://[0:0::1]:8443"), "https://[::1]:8443/");
    assert_eq!(shown("https://r.example:80/"), "https://r.example:80/");
}

#[test]
fn the_parts_are_there_for_connectors() {
    let relay = RelayUrl::parse("http://[::1]:8080/chat").unwrap();
    assert!(!relay.scheme_is_secure() && relay.is_loopback() && !relay.is_onion());
    assert_eq!((relay.host(), relay.port()), ("[::1]", 8080));
    assert_eq!(relay.authority(), "[::1]:8080");
    assert_eq!(relay.path(), "/chat/");
    assert_eq!(relay.web_socket(), "ws://[::1]:8080/chat/ws");
    let relay = RelayUrl::parse("https://relay.example").unwrap();
    assert!(relay.scheme_is_secure() && !relay.is_loopback());
    assert_eq!((relay.host(), relay.port()), ("relay.example", 443));
    assert_eq!(relay.authority(), "relay.example");
}

#[test]
fn plain_http_stays_on_this_machine_or_goes_to_an_onion() {
    for url in ["http://localhost/", "ws://127.9.9.9/", "http://[::1]/", "http://a.b.onion/"] {
        assert!(RelayUrl::parse(url).is_ok(), "{url}");
    }
    for url in [
        "http://relay.example/",
        "ws://192.168.0.1/",
        "http://localhost.example/",
        "http://[::ffff:127.0.0.1]/",
        "http://onion/",
    ] {
        assert_eq!(RelayUrl::parse(url), Err(InviteError::PlainHttp), "{url}");
    }
}

#[test]
fn doubtful_urls_are_refused() {
    use InviteError::{
        BadHost, BadPath, BadPort, Fragment, Malformed, NonAsciiHost, Query, UserInfo,
    };
    for (url, error) in [
        ("", Malformed),
        ("relay.example", Malformed),
        ("ftp://relay.example/", Malformed),
        ("anocm://relay.example/", Malformed),
        ("https:/relay.example/", Malformed),
        ("https://", BadHost),
        ("https:///x", BadHost),
        ("https://relay.example\\@evil.example/", UserInfo),
        ("https://relay.example@evil.example/", UserInfo),
        ("https://relay.example/?room=1", Query),
        ("https://relay.example?x", Query),
        ("https://relay.example/#x", Fragment),
        ("https://bücher.example/", NonAsciiHost),
        ("https://relay.example:/", BadPort),
        ("https://relay.example:0/", BadPort),
        ("https://relay.example:0443/", BadPort),
        ("https://relay.example:+443/", BadPort),
        ("https://relay.example:65536/", BadPort),
        ("https://relay.example:1:2/", BadHost),
        ("https://relay.example//", BadPath),
        ("https://relay.example/a//b/", BadPath),
        ("https://relay.example/a/../b/", BadPath),
        ("https://relay.example/./", BadPath),
        ("https://relay.example/%2e%2e/", BadPath),
        ("https://relay.example/a@b/", BadPath),
        ("https://relay.example/a b/", BadPath),
        ("https://relay.example/ä/", BadPath),
    ] {
        assert_eq!(RelayUrl::parse(url), Err(error), "{url}");
    }
    let long = format!("https://relay.example/{}/", "a".repeat(MAX_PATH));
    assert_eq!(RelayUrl::parse(&long), Err(BadPath));
}

#[test]
fn debug_names_no_relay() {
    let relay = RelayUrl::parse("https://relay.example/").unwrap();
    assert_eq!(format!("{relay:?}"), "RelayUrl(..)");
}

proptest! {
    #[test]
    fn canonical_form_is_stable(url in "(https|http|wss|ws)://[a-z0-9.:\\[\\]-]{0,20}(/[a-z.~%/]{0,9})?") {
        if let Ok(relay) = RelayUrl::parse(&url) {
            prop_assert_eq!(RelayUrl::parse(&relay.to_string()), Ok(relay.clone()));
            prop_assert_eq!(RelayUrl::parse(relay.web_socket().strip_suffix("ws").unwrap()), Ok(relay));
        }
    }

    #[test]
    fn arbitrary_text_never_panics(url in "\\PC*", tail in "\\PC*") {
        let _ = RelayUrl::parse(&url);
        let _ = RelayUrl::parse(&format!("https://{tail}"));
    }
}

#[test]
fn localhost_is_what_its_text_says() {
    assert_eq!(RelayUrl::localhost(), RelayUrl::parse("http://localhost/").unwrap());
}
