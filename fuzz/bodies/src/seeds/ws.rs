use super::{Named, named};

/// Read by a client, and by a relay; the latter without a limit.
const CLIENT: u8 = 0;
const RELAY: u8 = 3;

pub(super) fn files() -> Vec<Named> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let masked = |head: &[u8], length: usize| [head, &mask, &vec![0x5a; length]].concat();
    let plain = |head: &[u8], length: usize| [head, &vec![0x5a; length]].concat();
    let stream = |side: u8, frames: &[Vec<u8>]| [vec![side], frames.concat()].concat();
    vec![
        named("message", &stream(CLIENT, &[plain(&[0x82, 5], 5), plain(&[0x82, 0], 0)])),
        named("masked", &stream(RELAY, &[masked(&[0x82, 0x85], 5)])),
        named("medium", &stream(RELAY, &[masked(&[0x82, 0xfe, 1, 0], 256)])),
        named("long", &stream(RELAY, &[masked(&[0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0], 10)])),
        named("too_long", &stream(CLIENT, &[plain(&[0x82, 126, 0x10, 0], 9)])),
        named(
            "fragments",
            &stream(
                CLIENT,
                &[
                    plain(&[0x02, 3], 3),
                    plain(&[0x89, 2], 2),
                    plain(&[0, 1], 1),
                    plain(&[0x80, 2], 2),
                ],
            ),
        ),
        named(
            "text_and_close",
            &stream(RELAY, &[masked(&[0x81, 0x82], 2), masked(&[0x88, 0x82], 2)]),
        ),
        named("cut", &stream(RELAY, &[vec![0x82, 0xff, 0, 0]])),
        named("reserved", &stream(CLIENT, &[vec![0xc2, 5]])),
        named("length_not_shortest", &stream(CLIENT, &[vec![0x82, 126, 0, 5]])),
        named(
            "highest_length",
            &stream(RELAY, &[masked(&[0x82, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255], 1)]),
        ),
    ]
}
