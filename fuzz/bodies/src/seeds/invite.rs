use anocm_core::{Invite, RelayUrl, RoomAddress, Secret};

use super::{Named, named};

pub(super) fn files() -> Vec<Named> {
    let relays = [
        ("name", "https://relay.example/"),
        ("path", "https://relay.example/a/b.c~d/"),
        ("port", "https://relay.example:8443/"),
        ("v4", "https://192.0.2.1/"),
        ("v6", "https://[2001:db8::1]:444/"),
        ("localhost", "http://localhost:8080/"),
        ("loopback", "http://127.0.0.1/"),
        ("loopback_v6", "http://[::1]/"),
        ("onion", "http://abcdefghijklmnop.onion/"),
        ("puny", "https://xn--bcher-kva.example/"),
    ];
    let mut files = Vec::new();
    for (name, url) in relays {
        let relay = RelayUrl::parse(url).expect("valid");
        let invite = Invite::new(relay, RoomAddress::new([0x3c; 16]), Secret::new([0xc3; 32]));
        let link = invite.to_link();
        files.push(named(&format!("relay_{name}"), url.as_bytes()));
        files.push(named(&format!("link_{name}"), link.as_bytes()));
        files.push(named(&format!("anocm_{name}"), invite.to_anocm().as_bytes()));
    }
    let (_, link) = files.get(1).expect("the first link").clone();
    let link = String::from_utf8(link).expect("a link is text");
    files.push(named("wrapped", format!(" <{link}>\r\n").as_bytes()));
    files.push(named("upper_case", link.replace("https://relay", "HTTPS://RELAY").as_bytes()));
    files.push(named("default_port", link.replace("example", "example:443").as_bytes()));
    files.push(named("no_slash", link.replace("/#", "#").as_bytes()));
    files.push(named("incomplete", &link.as_bytes()[..60]));
    files.push(named("wrong_host", link.replace("relay", "delay").as_bytes()));
    let link = |kind, end| {
        format!(
            "https://relay.example/#AQ{kind}8PDw8PDw8PDw8PDw8PDw8w8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8{end}"
        )
    };
    // With a valid checksum each.
    files.push(named("kind_1", link("E", "M1txCU").as_bytes()));
    files.push(named("kind_2", link("I", "Nrsl3Z").as_bytes()));
    let texts = [
        (
            "earlier_form",
            "https://relay.example/#ATw8PDw8PDw8PDw8PDw8PDzDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw-l11H0",
        ),
        ("web_socket", "wss://Relay.Example:443/chat"),
        ("plain_http", "http://relay.example/"),
        ("user", "https://user@relay.example/"),
        ("query", "https://relay.example/?a=b"),
        ("percent", "https://relay.example/%2e/"),
        ("dots", "https://relay.example/../"),
        ("number_as_host", "https://0x7f.1/"),
        ("beyond_ascii", "https://bücher.example/"),
        ("zone", "https://[fe80::1%25eth0]/"),
        ("mapped_v6", "https://[::ffff:192.0.2.1]/"),
        ("empty", ""),
    ];
    files.extend(texts.map(|(name, text)| named(name, text.as_bytes())));
    files
}
