//! What docs/protocol.md says: the frames in section 15, byte by byte, and the emoji.

use anocm_core::{
    Epoch, RoomAddress,
    wire::{
        ClientFrame, ClientHello, Hello as _, Posture, Refusal, RelayFrame, RelayHello, Request,
        encode,
    },
};

fn address() -> RoomAddress {
    RoomAddress::new([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
}

#[test]
fn hellos_are_as_documented() {
    assert_eq!(*ClientHello::default().to_frame(), *b"anocm\x01\x01");
    let welcome = RelayHello::Welcome { version: 1, posture: Posture::Kept };
    assert_eq!(*welcome.to_frame(), *b"anocm\x00\x01\x00");
}

#[test]
fn a_request_is_as_documented() {
    let address = address();
    let frame = ClientFrame { id: 7, request: Request::Detach { address } };
    let documented = [[7, 8].as_slice(), address.as_bytes()].concat();
    assert_eq!(*encode(&frame), *documented);
}

#[test]
fn a_refusal_is_as_documented() {
    let current = Epoch::new(300);
    let frame = RelayFrame::Reply { id: 7, result: Err(Refusal::StaleEpoch { current }) };
    assert_eq!(*encode(&frame), [0, 7, 1, 3, 0xac, 2]);
}

#[test]
fn the_document_has_the_same_emoji_in_the_same_order() {
    let document = include_str!("../../docs/protocol.md");
    let (_, table) = document.split_once("**The emoji of the safety code**").unwrap();
    let rows = table.lines().filter(|row| row.starts_with("| ") && !row.contains('+')).take(8);
    let cells = rows.flat_map(|row| row.trim_matches('|').split('|').skip(1));
    let list = include_str!("../src/session/emoji.txt");
    assert_eq!(cells.map(str::trim).collect::<Vec<_>>(), list.lines().collect::<Vec<_>>());
}
