//! The frames in section 15 of docs/protocol.md, byte by byte.

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
