use proptest::prelude::*;

use super::*;

const SIZE: usize = 1_000;

/// Returns a frame as servers send it.
fn sent(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let framed = Framed::new(opcode, payload, [0; 4]);
    let key = framed.payload - 4;
    let mut bytes = framed.bytes;
    bytes[1] &= 0x7F;
    bytes.drain(key..key + 4);
    bytes
}

#[derive(Clone, Debug, PartialEq)]
enum Kept {
    Entry([u8; MARK]),
    Short(Vec<u8>),
    Other,
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
}

impl From<Seen<'_>> for Kept {
    fn from(seen: Seen<'_>) -> Self {
        match seen {
            Seen::Entry(mark) => Self::Entry(*mark),
            Seen::Short(bytes) => Self::Short(bytes.to_vec()),
            Seen::Other => Self::Other,
            Seen::Ping(bytes) => Self::Ping(bytes.to_vec()),
            Seen::Pong => Self::Pong,
            Seen::Close(code) => Self::Close(code),
        }
    }
}

/// A frame, and the expected result of scanning it.
fn frame() -> impl Strategy<Value = (Vec<u8>, Kept)> {
    let entry = (any::<[u8; MARK]>(), 0_usize..70, any::<u8>()).prop_map(|(mark, before, fill)| {
        let mut payload = vec![!fill; before];
        payload.extend_from_slice(&mark);
        payload.resize(before + SIZE, fill);
        (sent(BINARY, &payload), Kept::Entry(mark))
    });
    let short = prop::collection::vec(any::<u8>(), 0..=256)
        .prop_map(|bytes| (sent(BINARY, &bytes), Kept::Short(bytes)));
    let other = (257_usize..SIZE).prop_map(|length| (sent(1, &vec![7; length]), Kept::Other));
    let ping = prop::collection::vec(any::<u8>(), 0..126)
        .prop_map(|bytes| (sent(PING, &bytes), Kept::Ping(bytes)));
    let pong = Just((sent(PONG, b"?"), Kept::Pong));
    let close = prop::option::of(any::<u16>()).prop_map(|code| {
        let payload = code.map(u16::to_be_bytes);
        (sent(CLOSE, payload.as_ref().map_or(&[], <[u8; 2]>::as_slice)), Kept::Close(code))
    });
    prop_oneof![entry, short, other, ping, pong, close]
}

proptest! {
    #[test]
    fn frames_are_the_same_in_whatever_pieces_they_come(
        frames in prop::collection::vec(frame(), 1..8),
        mut cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let stream: Vec<u8> = frames.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let mut cuts: Vec<_> = cuts.drain(..).map(|cut| cut.index(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let (mut counting, mut kept) = (Frames::new(SIZE), Vec::new());
        for piece in cuts.windows(2) {
            counting.feed(&stream[piece[0]..piece[1]], |seen| kept.push(Kept::from(seen))).unwrap();
        }
        let expected: Vec<_> = frames.into_iter().map(|(_, kept)| kept).collect();
        prop_assert_eq!(kept, expected);
    }

    #[test]
    fn no_bytes_make_it_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..10)) {
        let mut counting = Frames::new(SIZE);
        for piece in pieces {
            if counting.feed(&piece, |_| {}).is_err() {
                break;
            }
        }
    }

    #[test]
    fn a_stamp_is_what_masking_it_with_the_rest_gives(
        payload in prop::collection::vec(any::<u8>(), 30..300),
        mark in any::<[u8; MARK]>(),
        key in any::<[u8; 4]>(),
        place in 0_usize..6,
    ) {
        let mut out = b"before".to_vec();
        Framed::new(BINARY, &payload, key).stamped(place, &mark, &mut out);
        let mut stamped = payload;
        stamped[place..place + MARK].copy_from_slice(&mark);
        let whole = Framed::new(BINARY, &stamped, key);
        prop_assert_eq!(&out[6..], whole.as_bytes());
    }
}

#[test]
fn every_byte_may_come_alone() {
    let mut payload = vec![1; 40];
    payload.extend([9; SIZE]);
    let stream = sent(BINARY, &payload);
    let (mut counting, mut entries) = (Frames::new(SIZE), 0);
    for byte in stream.iter().chain(&stream) {
        counting
            .feed(&[*byte], |seen| {
                assert_eq!(seen, Seen::Entry(&[9; MARK]));
                entries += 1;
            })
            .unwrap();
    }
    assert_eq!(entries, 2);
}

#[test]
fn what_no_server_may_send_is_an_error() {
    for (bytes, error) in [
        ([0x82, 0x81], FrameError::Masked),
        ([0xC2, 0x01], FrameError::Extended),
        ([0x02, 0x01], FrameError::Fragmented),
        ([0x80, 0x01], FrameError::Fragmented),
    ] {
        assert_eq!(Frames::new(SIZE).feed(&bytes, |_| {}), Err(error));
    }
}
