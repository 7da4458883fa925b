//! Any bytes as a stream of WebSocket frames.

use anocm_ws::codec::{Expected, Header, MAX_CONTROL, Opcode};

use crate::marks::reached;

/// Follows `bytes` from header to header, as a reader would. The first byte says which side reads
/// and how long a message may be. A header encodes to the bytes that it was decoded from, and no
/// part of them gives another result.
///
/// # Panics
/// On a finding.
pub fn ws_frames(bytes: &[u8]) {
    let Some((&first, mut rest)) = bytes.split_first() else { return };
    let masked = first & 1 != 0;
    let most = if first & 2 != 0 { u64::MAX } else { 1_000 };
    let (mut continuation, mut size) = (false, 0_u64);
    loop {
        let expected = Expected { masked, continuation, max_len: most.saturating_sub(size) };
        let result = Header::decode(rest, &expected);
        for cut in 0..rest.len().min(16) {
            let part = Header::decode(&rest[..cut], &expected);
            assert!(part == Ok(None) || part == result, "{part:?} and then {result:?}");
        }
        let (header, used) = match result {
            Ok(Some(read)) => read,
            Ok(None) => return reached("incomplete"),
            Err(_) => return reached("refused"),
        };
        assert_eq!(&*header.encode(), &rest[..used]);
        assert_eq!(header.mask.is_some(), masked);
        if header.opcode.is_control() {
            assert!(header.fin && header.len <= MAX_CONTROL as u64);
            reached("control");
        } else {
            assert_eq!(header.opcode == Opcode::Continuation, continuation);
            assert!(header.len <= expected.max_len);
            (continuation, size) = if header.fin { (false, 0) } else { (true, size + header.len) };
            reached(if continuation { "fragment" } else { "message" });
        }
        rest = &rest[used..];
        let Some(next) = usize::try_from(header.len).ok().and_then(|len| rest.get(len..)) else {
            return reached("payload cut short");
        };
        rest = next;
    }
}
