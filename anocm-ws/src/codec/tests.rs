//! The examples of RFC 6455, and properties of all headers.

use proptest::prelude::*;

use super::*;

const FROM_CLIENT: Expected = Expected { masked: true, continuation: false, max_len: 1 << 20 };
const FROM_SERVER: Expected = Expected { masked: false, ..FROM_CLIENT };

fn opcodes() -> impl Strategy<Value = Opcode> {
    use Opcode::{Binary, Close, Continuation, Ping, Pong, Text};
    prop::sample::select(vec![Continuation, Text, Binary, Close, Ping, Pong])
}

/// A valid header, and what a reader that accepts it expects.
fn headers() -> impl Strategy<Value = (Header, Expected)> {
    let lengths = prop_oneof![0..130_u64, 65_530..65_540_u64, 0..=MAX_LENGTH];
    (any::<bool>(), opcodes(), any::<Option<[u8; 4]>>(), lengths).prop_map(
        |(fin, opcode, mask, len)| {
            let header = if opcode.is_control() {
                let len = if len % 126 == 1 { 2 } else { len % 126 };
                Header { fin: true, opcode, mask, len }
            } else {
                Header { fin, opcode, mask, len }
            };
            let continuation = opcode == Opcode::Continuation;
            (header, Expected { masked: mask.is_some(), continuation, max_len: MAX_LENGTH })
        },
    )
}

fn expectations() -> impl Strategy<Value = Expected> {
    (any::<bool>(), any::<bool>(), any::<u64>())
        .prop_map(|(masked, continuation, max_len)| Expected { masked, continuation, max_len })
}

proptest! {
    #[test]
    fn what_is_encoded_decodes((header, expected) in headers(), rest: Vec<u8>) {
        let encoded = header.encode();
        let bytes = [&*encoded, &rest].concat();
        prop_assert_eq!(Header::decode(&bytes, &expected), Ok(Some((header, encoded.len()))));
        // No header is complete before its last byte.
        for cut in 0..encoded.len() {
            prop_assert_eq!(Header::decode(&bytes[..cut], &expected), Ok(None));
        }
    }

    #[test]
    fn what_decodes_is_encoded_the_same(bytes: [u8; 16], expected in expectations()) {
        if let Ok(Some((header, used))) = Header::decode(&bytes, &expected) {
            prop_assert_eq!(&*header.encode(), &bytes[..used]);
            prop_assert!(header.opcode.is_control() || header.len <= expected.max_len);
        }
    }

    /// More bytes change no result, so it does not matter how the input was split, and nothing
    /// beyond the header counts.
    #[test]
    fn every_split_gives_the_same_result(bytes: [u8; 20], expected in expectations()) {
        let whole = Header::decode(&bytes, &expected);
        for cut in 0..bytes.len() {
            let part = Header::decode(&bytes[..cut], &expected);
            prop_assert!(part == Ok(None) || part == whole, "{cut}");
        }
        prop_assert_ne!(whole, Ok(None), "20 bytes hold a header");
    }

    #[test]
    fn masking_is_bytewise_and_its_own_inverse(payload: Vec<u8>, key: [u8; 4]) {
        let mut masked = payload.clone();
        mask(&mut masked, key);
        for (at, byte) in masked.iter().enumerate() {
            prop_assert_eq!(*byte, payload[at] ^ key[at % 4]);
        }
        mask(&mut masked, key);
        prop_assert_eq!(masked, payload);
    }
}

/// RFC 6455, section 5.7.
#[test]
fn the_examples_of_the_rfc() {
    let mask = Some([0x37, 0xfa, 0x21, 0x3d]);
    let (text, ping, pong) = (Opcode::Text, Opcode::Ping, Opcode::Pong);
    let within = Expected { continuation: true, ..FROM_SERVER };
    for (bytes, expected, fin, opcode, mask, len) in [
        (&[0x81, 0x05][..], FROM_SERVER, true, text, None, 5),
        (&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d], FROM_CLIENT, true, text, mask, 5),
        (&[0x01, 0x03], FROM_SERVER, false, text, None, 3),
        (&[0x80, 0x02], within, true, Opcode::Continuation, None, 2),
        (&[0x89, 0x05], FROM_SERVER, true, ping, None, 5),
        (&[0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d], FROM_CLIENT, true, pong, mask, 5),
        (&[0x82, 0x7e, 0x01, 0x00], FROM_SERVER, true, Opcode::Binary, None, 256),
        (&[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0], FROM_SERVER, true, Opcode::Binary, None, 65_536),
    ] {
        let header = Header { fin, opcode, mask, len };
        assert_eq!(Header::decode(bytes, &expected), Ok(Some((header, bytes.len()))));
        assert_eq!(&*header.encode(), bytes);
    }
    let mut hello = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
    super::mask(&mut hello, [0x37, 0xfa, 0x21, 0x3d]);
    assert_eq!(&hello, b"Hello");
}

#[test]
fn every_error_shows_with_its_last_byte() {
    use HeaderError::{
        BadControl, BadLength, BadMask, OutOfOrder, Reserved, TooLong, UnknownOpcode,
    };
    let within = Expected { continuation: true, ..FROM_CLIENT };
    for (bytes, expected, error) in [
        (&[0xc2, 0x80][..], FROM_CLIENT, Reserved),
        (&[0xa2, 0x80], FROM_CLIENT, Reserved),
        (&[0x92, 0x80], FROM_CLIENT, Reserved),
        (&[0x83, 0x80], FROM_CLIENT, UnknownOpcode),
        (&[0x8b, 0x80], FROM_CLIENT, UnknownOpcode),
        (&[0x09, 0x80], FROM_CLIENT, BadControl),
        (&[0x89, 0xfe], FROM_CLIENT, BadControl),
        (&[0x80, 0x80], FROM_CLIENT, OutOfOrder),
        (&[0x82, 0x80], within, OutOfOrder),
        (&[0x82, 0x01], FROM_CLIENT, BadMask),
        (&[0x82, 0x81], FROM_SERVER, BadMask),
        (&[0x88, 0x81], FROM_CLIENT, BadLength),
        (&[0x82, 0xfe, 0, 125], FROM_CLIENT, BadLength),
        (&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], FROM_CLIENT, BadLength),
        (&[0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 1], FROM_CLIENT, TooLong),
        (&[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], FROM_CLIENT, TooLong),
    ] {
        assert_eq!(Header::decode(bytes, &expected), Err(error), "{bytes:x?}");
        let short = &bytes[..bytes.len() - 1];
        assert_eq!(Header::decode(short, &expected), Ok(None), "{bytes:x?}");
    }
}
