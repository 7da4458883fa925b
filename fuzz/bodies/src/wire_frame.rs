//! Any bytes as a frame.

use std::fmt::Debug;

use anocm_core::wire::{
    ClientFrame, ClientHello, Hello, MAX_FRAME, MAX_HELLO, RelayFrame, RelayHello, WireError,
    decode, encode,
};

use crate::marks::reached;

/// Memory that decoding may use in any case, in bytes.
const AT_LEAST: u64 = 1_024;

/// Decodes `bytes` as each kind of frame. A decoded frame encodes to bytes that decode to the same
/// frame and are no longer; trailing or missing bytes are refused, and decoding uses bounded
/// memory.
pub fn wire_frame(bytes: &[u8]) {
    let client = Kind { name: "client frame", limit: MAX_FRAME, multiple: 1 };
    check(bytes, &client, |bytes| decode(bytes, MAX_FRAME), encode::<ClientFrame>);
    // A page's item count is trusted up to one item for each remaining byte; each item takes 72
    // bytes.
    let relay = Kind { name: "relay frame", limit: MAX_FRAME, multiple: 80 };
    check(bytes, &relay, |bytes| decode(bytes, MAX_FRAME), encode::<RelayFrame>);
    let hello = |name| Kind { name, limit: MAX_HELLO, multiple: 1 };
    check(bytes, &hello("client hello"), ClientHello::from_frame, ClientHello::to_frame);
    check(bytes, &hello("relay hello"), RelayHello::from_frame, RelayHello::to_frame);
}

struct Kind {
    name: &'static str,
    limit: usize,
    /// Memory that decoding may use for each input byte, in bytes.
    multiple: u64,
}

fn check<T: PartialEq + Debug>(
    bytes: &[u8],
    kind: &Kind,
    read: impl Fn(&[u8]) -> Result<T, WireError>,
    write: impl Fn(&T) -> anocm_core::Payload,
) {
    let mut result = Err(WireError::Malformed);
    let memory = allocation_counter::measure(|| result = read(bytes));
    let allowed = kind.multiple * bytes.len() as u64 + AT_LEAST;
    assert!(memory.bytes_max <= allowed, "{} bytes for {}", memory.bytes_max, bytes.len());

    let is_too_long = bytes.len() > kind.limit;
    assert_eq!(matches!(result, Err(WireError::TooLong { .. })), is_too_long);
    let Ok(frame) = result else { return };
    reached(kind.name);

    let again = write(&frame);
    assert!(again.len() <= bytes.len(), "encoders write the shortest");
    assert_eq!(read(&again).as_ref(), Ok(&frame));

    let stray = [bytes, &[0]].concat();
    assert!(matches!(read(&stray), Err(WireError::Trailing | WireError::TooLong { .. })));
    let cut = bytes.split_last().map(|(_, cut)| read(cut));
    assert!(matches!(cut, Some(Err(WireError::Malformed))), "no frame is the beginning of another");
}
