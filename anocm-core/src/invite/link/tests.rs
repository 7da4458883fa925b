use proptest::prelude::*;

use super::*;

/// Characters that a typing error can produce, and characters that an attacker would try.
const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789\
                        -._~:/?#[]@!$&'()*+,;=%<>\\^`{|}\" \t\nа\u{200b}\u{202e}";

fn invite(relay: &str) -> Invite {
    let relay = RelayUrl::parse(relay).unwrap();
    Invite::new(relay, RoomAddress::new([0xa5; 16]), Secret::new([0x5a; 32]))
}

fn samples() -> [Invite; 4] {
    [
        invite("https://relay.example/"),
        invite("https://relay.example:8443/chat/room-1/"),
        invite("http://[::1]:8080/"),
        invite("http://expyuzz4wqqyqhjn.onion/"),
    ]
}

/// Asserts that parsing `changed` fails or gives the same invite.
fn assert_harmless(changed: &str, original: &Invite) {
    if let Ok(read) = Invite::parse(changed) {
        assert!(read == *original, "read as another invite: {changed}");
    }
}

/// Returns the checksum of a link to `https://relay.example/`.
fn sum(body: &[u8]) -> [u8; 4] {
    let mut checked = b"anocm/1 invitehttps://relay.example/".to_vec();
    checked.extend_from_slice(body);
    Sha256::digest(&checked)[..4].try_into().unwrap()
}

#[test]
fn the_layout_is_as_documented() {
    let link = invite("https://relay.example/").to_link();
    let (place, fragment) = link.split_once('#').unwrap();
    assert_eq!(place, "https://relay.example/");
    let raw = BASE64URL_NOPAD.decode(fragment.as_bytes()).unwrap();
    assert_eq!((fragment.len(), raw.len()), (72, 54));
    assert_eq!(raw[..2], [1, 0]);
    assert_eq!(raw[2..18], [0xa5; 16]);
    assert_eq!(raw[18..50], [0x5a; 32]);
    assert_eq!(raw[50..], sum(&raw[..50]));
}

#[test]
fn the_link_of_the_protocol_document_is_read_and_written() {
    let link = "https://relay.example/#AQAAAQIDBAUGBwgJCgsMDQ4PICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj_rGTS2";
    let invite = Invite::parse(link).unwrap();
    let ascending = |from: u8| move |n: usize| from + u8::try_from(n).unwrap();
    assert_eq!(*invite.address.as_bytes(), std::array::from_fn(ascending(0)));
    assert_eq!(*invite.secret.expose(), std::array::from_fn(ascending(0x20)));
    assert_eq!(*invite.to_link(), link);
}

#[test]
fn the_anocm_form_names_the_same_room() {
    for invite in samples() {
        let text = invite.to_anocm();
        assert!(text.starts_with("anocm://") || text.starts_with("anocm+http://"));
        assert!(Invite::parse(&text) == Ok(invite));
    }
}

#[test]
fn wrapping_case_and_default_port_are_forgiven() {
    let invite = invite("https://relay.example/");
    let link = invite.to_link();
    for text in [
        format!("  {}\r\n", *link),
        format!("<{}>", *link),
        format!(" < {} > ", *link),
        link.replace("https://relay.example", "HTTPS://Relay.EXAMPLE:443"),
        link.replace("example/#", "example#"),
    ] {
        let read = Invite::parse(&text).unwrap();
        assert!(read == invite);
        assert_eq!(read.to_link(), link);
    }
}

#[test]
fn no_single_character_makes_another_invite() {
    for original in samples() {
        for link in [original.to_link(), original.to_anocm()] {
            let characters: Vec<char> = link.chars().collect();
            for at in 0..characters.len() {
                let mut without = characters.clone();
                without.remove(at);
                assert_harmless(&String::from_iter(&without), &original);
                for other in ALPHABET.chars() {
                    let mut changed = characters.clone();
                    changed[at] = other;
                    assert_harmless(&String::from_iter(&changed), &original);
                    changed[at] = characters[at];
                    changed.insert(at, other);
                    assert_harmless(&String::from_iter(&changed), &original);
                }
            }
        }
    }
}

#[test]
fn two_characters_swapped_are_noticed() {
    for original in samples() {
        let link = original.to_link();
        let characters: Vec<char> = link.chars().collect();
        for at in 1..characters.len() {
            let mut swapped = characters.clone();
            swapped.swap(at - 1, at);
            assert_harmless(&String::from_iter(&swapped), &original);
        }
    }
}

#[test]
fn the_error_says_what_is_wrong() {
    let link = invite("https://relay.example/").to_link();
    let with_host = |host: &str| link.replace("relay.example", host);
    let cut = |by: usize| link.get(..link.len() - by).unwrap().to_owned();
    let version_2 = link.replace("#A", "#B");
    for (text, error) in [
        (String::new(), InviteError::Malformed),
        ("hello".to_owned(), InviteError::Malformed),
        (link.replace("https", "wss"), InviteError::Malformed),
        ("https://relay.example/".to_owned(), InviteError::NoSecret),
        ("https://relay.example/#".to_owned(), InviteError::NoSecret),
        (cut(1), InviteError::Incomplete),
        (cut(40), InviteError::Incomplete),
        (cut(69), InviteError::Incomplete),
        (format!("{}.", *link), InviteError::Damaged),
        (format!("{}A", *link), InviteError::Damaged),
        (with_host("other.example"), InviteError::Damaged),
        (with_host("relay.example:8443"), InviteError::Damaged),
        (with_host("relay.example/chat"), InviteError::Damaged),
        (link.replace("https", "http"), InviteError::PlainHttp),
        (with_host("rélay.example"), InviteError::NonAsciiHost),
        (with_host("relay.example@evil.example"), InviteError::UserInfo),
        (with_host("relay.example/?q"), InviteError::Query),
        (with_host("relay.example:x"), InviteError::BadPort),
        (with_host("relay.example/.."), InviteError::BadPath),
        (with_host(""), InviteError::BadHost),
        (version_2, InviteError::UnsupportedVersion),
        ("x".repeat(2_000), InviteError::TooLong),
    ] {
        assert_eq!(Invite::parse(&text), Err(error), "{text}");
    }
}

#[test]
fn links_of_other_kinds_need_a_newer_program_and_damaged_ones_are_damaged() {
    for kind in 1..=u8::MAX {
        let body = [[1, kind].as_slice(), &[0xa5; 16], &[0x5a; 32]].concat();
        let link = |sum: [u8; 4]| {
            let raw = [body.as_slice(), &sum].concat();
            format!("https://relay.example/#{}", BASE64URL_NOPAD.encode(&raw))
        };
        let sum = sum(&body);
        assert_eq!(Invite::parse(&link(sum)), Err(InviteError::UnsupportedVersion));
        let [a, rest @ ..] = sum;
        let false_sum = [[a ^ 1].as_slice(), &rest].concat().try_into().unwrap();
        assert_eq!(Invite::parse(&link(false_sum)), Err(InviteError::Damaged));
    }
}

#[test]
fn a_link_of_the_earlier_form_is_told_from_a_truncated_one() {
    let link = "https://relay.example/#AQABAgMEBQYHCAkKCwwNDg8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0-P165bvU";
    assert_eq!(Invite::parse(link), Err(InviteError::EarlierForm));
    let damaged = link.replace("relay.example", "relay2.example");
    assert_eq!(Invite::parse(&damaged), Err(InviteError::Incomplete));
}

#[test]
fn no_other_last_character_makes_the_same_link() {
    let original = invite("https://relay.example/");
    let link = original.to_link();
    let (head, last) = link.split_at(link.len() - 1);
    let twins = ALPHABET
        .chars()
        .filter(|other| last != other.to_string())
        .filter(|other| Invite::parse(&format!("{head}{other}")).is_ok());
    // A space or line feed in place of the last character would leave the link incomplete.
    assert_eq!(twins.count(), 0);
}

#[test]
fn nothing_of_an_invite_prints() {
    let invite = invite("https://relay.example/");
    assert_eq!(format!("{invite:?}"), "Invite(..)");
}

fn relay() -> impl Strategy<Value = RelayUrl> {
    let host = "[a-z][a-z0-9]{0,9}(\\.[a-z][a-z0-9-]{0,9}[a-z]){0,3}";
    let port = prop_oneof![Just(String::new()), (1_u16..).prop_map(|port| format!(":{port}"))];
    let path = "(/[a-zA-Z0-9_~-]{1,12}){0,3}/?";
    prop_oneof![
        (host, port.clone(), path)
            .prop_map(|(host, port, path)| format!("https://{host}{port}{path}")),
        (any::<[u8; 4]>(), port.clone(), path)
            .prop_map(|([a, b, c, d], port, path)| format!("https://{a}.{b}.{c}.{d}{port}{path}")),
        (any::<[u16; 8]>(), port.clone(), path).prop_map(|(address, port, path)| {
            format!("https://[{}]{port}{path}", std::net::Ipv6Addr::from(address))
        }),
        (any::<[u8; 3]>(), port, path)
            .prop_map(|([b, c, d], port, path)| format!("http://127.{b}.{c}.{d}{port}{path}")),
    ]
    .prop_map(|url| RelayUrl::parse(&url).unwrap())
}

fn any_invite() -> impl Strategy<Value = Invite> {
    (relay(), any::<[u8; 16]>(), any::<[u8; 32]>()).prop_map(|(relay, address, secret)| {
        Invite::new(relay, RoomAddress::new(address), Secret::new(secret))
    })
}

proptest! {
    #[test]
    fn an_invite_survives_its_link(invite in any_invite()) {
        let link = invite.to_link();
        let read = Invite::parse(&link).unwrap();
        prop_assert!(read == invite);
        prop_assert_eq!(read.to_link(), link);
        prop_assert!(Invite::parse(&invite.to_anocm()) == Ok(invite));
    }

    #[test]
    fn a_link_is_for_its_own_relay_only(invite in any_invite(), other in relay()) {
        prop_assume!(other != invite.relay);
        let link = invite.to_link();
        let (_, fragment) = link.split_once('#').unwrap();
        let moved = format!("{other}#{fragment}");
        prop_assert_eq!(Invite::parse(&moved), Err(InviteError::Damaged));
    }

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>(), fragment in "\\PC{0,80}") {
        let _ = Invite::parse(&text);
        let _ = Invite::parse(&format!("https://{text}"));
        let _ = Invite::parse(&format!("https://relay.example/#{fragment}"));
    }
}
