//! What a peer may send and what it may not, for both sides of a link: the cases of the Autobahn
//! test suite that concern frames, with binary messages, since text is refused.

use anocm_core::{
    Payload,
    transport::{Closing, Link, TransportError},
    wire::MAX_FRAME,
};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::WsLink;
use crate::{
    Timing,
    frame::{IngressBudget, MeteredIo, Side},
};

/// A frame as its first byte and payload.
type Frame = (u8, Vec<u8>);

/// How a connection goes.
struct Case {
    name: &'static str,
    sent: Vec<Frame>,
    /// The lengths of the messages that the link returns.
    received: Vec<usize>,
    /// What the link answers, a close frame last.
    answered: Vec<Frame>,
    end: Result<(), TransportError>,
}

const PONG: u8 = 0x8a;
const CLOSE: u8 = 0x88;
/// The first byte of a binary message, of its first fragment, of others, and of the last.
const BINARY: u8 = 0x82;
const FIRST: u8 = 0x02;
const NEXT: u8 = 0x00;
const LAST: u8 = 0x80;
const PING: u8 = 0x89;

fn close(code: u16) -> Frame {
    (CLOSE, code.to_be_bytes().to_vec())
}

fn bytes(length: usize) -> Vec<u8> {
    (0_u8..251).cycle().take(length).collect()
}

/// The frames arrive, and then the peer closes.
fn good(name: &'static str, sent: Vec<Frame>, received: &[usize], pongs: &[&[u8]]) -> Case {
    let mut sent = sent;
    sent.push(close(1_000));
    let mut answered: Vec<_> = pongs.iter().map(|pong| (PONG, pong.to_vec())).collect();
    answered.push(close(1_000));
    Case { name, sent, received: received.to_vec(), answered, end: Ok(()) }
}

/// A message arrives, and the next frames end the link.
fn bad(name: &'static str, sent: Vec<Frame>, code: u16) -> Case {
    let end = match code {
        1_009 => TransportError::TooLong,
        _ => TransportError::Protocol,
    };
    let mut all = vec![(BINARY, bytes(9))];
    all.extend(sent);
    Case { name, sent: all, received: vec![9], answered: vec![close(code)], end: Err(end) }
}

/// Autobahn 1.2, 9.2, 9.4, 9.6: lengths; 10.1.
fn framing() -> Vec<Case> {
    let lengths =
        [0, 1, 125, 126, 127, 128, 1_000, 8_192, 65_535, 65_536, 65_537, 300_000, MAX_FRAME];
    let messages = lengths.iter().map(|&length| (BINARY, bytes(length))).collect();
    let halves = vec![
        (FIRST, bytes(MAX_FRAME / 2)),
        (PING, b"between".to_vec()),
        (LAST, bytes(MAX_FRAME - MAX_FRAME / 2)),
    ];
    vec![
        good("1.2 lengths", messages, &lengths, &[]),
        good("9.4 the longest in fragments", halves, &[MAX_FRAME], &[b"between"]),
        bad("9.2 too long", vec![(BINARY, bytes(MAX_FRAME + 1))], 1_009),
        bad(
            "9.4 too long in fragments",
            vec![(FIRST, bytes(MAX_FRAME)), (NEXT, bytes(1)), (LAST, Vec::new())],
            1_009,
        ),
        bad("1.1 text is refused", vec![(0x81, b"hello".to_vec())], 1_003),
        bad("5.4 text in fragments is refused", vec![(0x01, b"hel".to_vec())], 1_003),
    ]
}

/// Autobahn 2.
fn pings() -> Vec<Case> {
    let ping = |payload: &[u8]| (PING, payload.to_vec());
    let long = bytes(125);
    let ten: Vec<_> = (0..10).map(|n| vec![n; 3]).collect();
    let pongs: Vec<_> = ten.iter().map(Vec::as_slice).collect();
    vec![
        good("2.1 empty", vec![ping(b"")], &[], &[b""]),
        good("2.2 text", vec![ping(b"Hello, world!")], &[], &[b"Hello, world!"]),
        good("2.3 bytes", vec![ping(&[0, 0xff, 0xfe, 0xfd])], &[], &[&[0, 0xff, 0xfe, 0xfd]]),
        good("2.4 the longest", vec![ping(&long)], &[], &[&long]),
        bad("2.5 too long", vec![ping(&bytes(126))], 1_002),
        good("2.7 unsolicited pong", vec![(PONG, Vec::new())], &[], &[]),
        good("2.8 unsolicited pong", vec![(PONG, b"unasked".to_vec())], &[], &[]),
        good("2.9 pong, then ping", vec![(PONG, b"unasked".to_vec()), ping(b"x")], &[], &[b"x"]),
        good("2.10 ten", ten.iter().map(|payload| ping(payload)).collect(), &[], &pongs),
    ]
}

/// Autobahn 3 and 4: reserved bits and opcodes.
fn reserved() -> Vec<Case> {
    let mut cases = vec![
        bad("3.1 bit 3", vec![(0x92, bytes(5))], 1_002),
        bad("3.2 bit 2", vec![(0xa2, bytes(5)), (PING, Vec::new())], 1_002),
        bad("3.3 bits 2 and 3", vec![(0xb2, bytes(5))], 1_002),
        bad("3.4 bit 1", vec![(0xc2, bytes(5))], 1_002),
        bad("3.5 bits 1 and 3", vec![(0xd2, bytes(5))], 1_002),
        bad("3.6 bits of a ping", vec![(0xe9, bytes(5))], 1_002),
        bad("3.7 bits of a close frame", vec![(0xf8, Vec::new())], 1_002),
    ];
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        cases.push(bad("4 reserved opcode", vec![(0x80 | opcode, Vec::new())], 1_002));
        cases.push(bad("4 with a payload", vec![(0x80 | opcode, bytes(7))], 1_002));
    }
    cases
}

/// Autobahn 5.
fn fragments() -> Vec<Case> {
    let part = |first: u8, length: usize| (first, bytes(length));
    let ping = || (PING, b"ping".to_vec());
    let many: Vec<_> = [FIRST].into_iter().chain([NEXT; 500]).map(|first| part(first, 3)).collect();
    let many = [many, vec![part(LAST, 0)]].concat();
    // Those cost work and count for nothing, so their number is bounded.
    let empty = |number| [vec![part(FIRST, 0)], vec![part(NEXT, 0); number]].concat();
    let allowed = [empty(99), vec![part(LAST, 9)]].concat();
    vec![
        good("a hundred empty", allowed, &[9], &[]),
        bad("a hundred and one empty", empty(100), 1_008),
        bad("5.1 fragmented ping", vec![part(0x09, 3), part(LAST, 3)], 1_002),
        bad("5.2 fragmented pong", vec![part(0x0a, 3), part(LAST, 3)], 1_002),
        bad("7.1 fragmented close frame", vec![part(0x08, 0)], 1_002),
        good("5.3 two", vec![part(FIRST, 9), part(LAST, 9)], &[18], &[]),
        good("5.6 ping between", vec![part(FIRST, 9), ping(), part(LAST, 9)], &[18], &[b"ping"]),
        bad("5.9 nothing to continue", vec![part(LAST, 9), part(BINARY, 9)], 1_002),
        bad("5.10 nothing to continue", vec![part(LAST, 0)], 1_002),
        bad("5.12 nothing to continue", vec![part(NEXT, 9)], 1_002),
        bad("5.15 continued after the end", vec![part(FIRST, 0), part(FIRST, 9)], 1_002),
        bad("5.18 a message within", vec![part(FIRST, 9), part(BINARY, 9)], 1_002),
        good(
            "5.19 pings between five",
            vec![
                part(FIRST, 2),
                part(NEXT, 3),
                ping(),
                part(NEXT, 4),
                ping(),
                part(NEXT, 0),
                part(LAST, 5),
            ],
            &[14],
            &[b"ping", b"ping"],
        ),
        good("5.20 many, the last empty", many, &[1_503], &[]),
        good("6.1 all empty", vec![part(FIRST, 0), part(NEXT, 0), part(LAST, 0)], &[0], &[]),
    ]
}

/// Autobahn 7.
fn closing() -> Vec<Case> {
    let reason =
        |code: u16, reason: &[u8]| (CLOSE, [code.to_be_bytes().as_slice(), reason].concat());
    let answered = |name, sent: Vec<Frame>, answer: Vec<u8>| Case {
        name,
        sent,
        received: vec![],
        answered: vec![(CLOSE, answer)],
        end: Ok(()),
    };
    let mut cases = vec![
        answered("7.3.1 empty", vec![(CLOSE, vec![])], vec![]),
        bad("7.3.2 half a code", vec![(CLOSE, vec![3])], 1_002),
        answered("7.3.5 a reason", vec![reason(1_000, &[b'*'; 123])], vec![0x03, 0xe8]),
        bad("7.3.6 a long reason", vec![reason(1_000, &[b'*'; 124])], 1_002),
        bad("7.5.1 not UTF-8", vec![reason(1_000, b"\xce\xba\xed\xa0\x80edited")], 1_007),
        answered("7.1.2 twice", vec![close(1_000), close(1_000)], vec![0x03, 0xe8]),
        answered("7.1.3 then a ping", vec![close(1_000), (PING, vec![])], vec![0x03, 0xe8]),
        answered("7.1.4 then a message", vec![close(1_000), (BINARY, bytes(9))], vec![0x03, 0xe8]),
    ];
    for code in
        [1_000, 1_001, 1_002, 1_003, 1_007, 1_008, 1_009, 1_010, 1_011, 3_000, 3_999, 4_000, 4_999]
    {
        cases.push(answered("7.7 code", vec![close(code)], code.to_be_bytes().to_vec()));
    }
    for code in [0, 999, 1_004, 1_005, 1_006, 1_015, 1_016, 1_100, 2_000, 2_999, 5_000, u16::MAX] {
        cases.push(bad("7.9 code that may not be sent", vec![close(code)], 1_002));
    }
    cases
}

/// Encodes a frame, independently of the codec under test.
fn encode(&(first, ref payload): &Frame, masked: bool) -> Vec<u8> {
    let mut frame = vec![first];
    let bit = if masked { 0x80 } else { 0 };
    let length = (payload.len() as u64).to_be_bytes();
    let [.., high, low] = length;
    match payload.len() {
        0..126 => frame.push(bit | low),
        126..0x1_0000 => frame.extend([bit | 126, high, low]),
        _ => {
            frame.push(bit | 127);
            frame.extend(length);
        }
    }
    let key: &[u8] = if masked { &[0x37, 0xfa, 0x21, 0x3d] } else { &[0] };
    frame.extend(key.iter().filter(|_| masked));
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// Decodes control frames, which are all that a link sends here.
fn decode(mut bytes: &[u8], masked: bool) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        assert_eq!(second & 0x80 != 0, masked);
        let (key, rest) = if masked { rest.split_at(4) } else { (&[0][..], rest) };
        let (payload, rest) = rest.split_at(usize::from(second & 0x7f));
        frames.push((*first, payload.iter().zip(key.iter().cycle()).map(|(a, b)| a ^ b).collect()));
        bytes = rest;
    }
    frames
}

async fn run(case: &Case, side: Side, chunk: usize) {
    let shown = format!("{} {side:?} {chunk}", case.name);
    let (near, far) = duplex(1 << 22);
    let io = MeteredIo::new(far, Bytes::new(), IngressBudget::default());
    let link = WsLink::new(io, side, Timing::default());
    let sent: Vec<u8> = case.sent.iter().flat_map(|frame| encode(frame, !side.masks())).collect();
    let (mut read, mut write) = tokio::io::split(near);
    let sending = async {
        for chunk in sent.chunks(chunk) {
            if write.write_all(chunk).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    let receiving = async {
        let mut received = Vec::new();
        let end = loop {
            match link.recv().await {
                Ok(Some(frame)) => {
                    let whole = received.len();
                    received.push(frame.len());
                    assert_eq!(case.received.get(whole), Some(&frame.len()), "{shown}");
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        let closing = link.close(Closing::Done);
        let mut answer = Vec::new();
        let reading = async {
            let _ = read.read_to_end(&mut answer).await;
        };
        tokio::join!(closing, reading);
        (received, end, answer)
    };
    let ((), (received, end, answer)) = tokio::join!(sending, receiving);
    assert_eq!(received, case.received, "{shown}");
    assert_eq!(end, case.end, "{shown}");
    assert_eq!(decode(&answer, side.masks()), case.answered, "{shown}");
}

#[tokio::test(start_paused = true)]
async fn both_sides_conform() {
    let cases = [framing(), pings(), reserved(), fragments(), closing()];
    for case in cases.iter().flatten() {
        let length: usize = case.sent.iter().map(|(_, payload)| payload.len()).sum();
        for side in [Side::Client, Side::Server] {
            // Byte by byte only where that does not take long.
            let chunks =
                if length < 2_000 { [1, 3, usize::MAX] } else { [1_000, 70_000, usize::MAX] };
            for chunk in chunks {
                run(case, side, chunk).await;
            }
        }
    }
}

/// The payload arrives as it was sent, however it is fragmented and chunked.
#[tokio::test(start_paused = true)]
async fn payloads_are_unmasked_in_place() {
    for (side, chunk) in [(Side::Client, 7), (Side::Server, 7), (Side::Server, 9_001)] {
        for parts in [vec![20_000], vec![1, 2, 3, 9_000, 5, 9_001], vec![8_191, 8_192, 8_193]] {
            let whole = bytes(parts.iter().sum());
            let (mut sent, mut rest) = (Vec::new(), whole.as_slice());
            for (at, &part) in parts.iter().enumerate() {
                let (here, later) = rest.split_at(part);
                let first = if at == 0 { FIRST } else { NEXT };
                let fin = if later.is_empty() { LAST } else { 0 };
                sent.extend(encode(&(first | fin, here.to_vec()), !side.masks()));
                rest = later;
            }
            let (mut near, far) = duplex(chunk);
            let io = MeteredIo::new(far, Bytes::new(), IngressBudget::default());
            let link = WsLink::new(io, side, Timing::default());
            let sending = async { near.write_all(&sent).await.unwrap() };
            let (received, ()) = tokio::join!(link.recv(), sending);
            assert_eq!(received, Ok(Some(Payload::from(whole))), "{parts:?}");
        }
    }
}
