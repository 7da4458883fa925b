//! Finds the boundaries between WebSocket messages in a byte stream (RFC 6455, section 5.2).

/// The maximum length of a frame header: two bytes, an extended length of eight, a mask of four.
const MAX_HEADER: usize = 14;

const FIN: u8 = 0x80;
const OPCODE: u8 = 0x0f;
const CONTROL: u8 = 0x08;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;

/// Follows the bytes of a connection from header to header.
#[derive(Debug, Default)]
pub(super) struct FrameScanner {
    header: [u8; MAX_HEADER],
    /// The number of header bytes received so far.
    have: usize,
    /// The number of payload bytes still to come.
    left: u64,
    /// The current message continues in the next frame.
    open: bool,
    /// The payload length that the frame headers of the current message have declared so far.
    size: u64,
    /// The number of complete messages. Control messages are not counted.
    whole: u64,
    /// The current frame is a data frame, not a control frame.
    data: bool,
}

impl FrameScanner {
    /// Returns true when all received bytes belong to complete messages.
    pub(super) fn is_at_boundary(&self) -> bool {
        self.have == 0 && self.left == 0 && !self.open
    }

    /// Returns the number of complete messages, control messages not counted.
    pub(super) fn complete_messages(&self) -> u64 {
        self.whole
    }

    /// Returns the length of the incomplete message, as declared by its frame headers so far.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Processes the next bytes of the stream.
    pub(super) fn advance(&mut self, mut bytes: &[u8]) {
        while let Some((&first, rest)) = bytes.split_first() {
            if self.left > 0 {
                let some = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left = self.left.saturating_sub(some as u64);
                bytes = bytes.get(some..).unwrap_or_default();
                self.end_message();
                continue;
            }
            if let Some(place) = self.header.get_mut(self.have) {
                *place = first;
            }
            self.have += 1;
            bytes = rest;
            self.read_header();
        }
    }

    /// Parses the header once it is complete.
    fn read_header(&mut self) {
        let [first, second, ref rest @ ..] = self.header;
        let extended = match second & LENGTH {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if second & MASKED == 0 { 0 } else { 4 };
        if self.have < 2 || self.have < 2 + extended + mask {
            return;
        }
        self.left = match rest.get(..extended) {
            None | Some([]) => u64::from(second & LENGTH),
            Some(length) => length.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)),
        };
        self.data = first & OPCODE < CONTROL;
        if self.data {
            self.open = first & FIN == 0;
            self.size = self.size.saturating_add(self.left);
        }
        self.have = 0;
        self.end_message();
    }

    fn end_message(&mut self) {
        if self.left == 0 && self.data && !self.open {
            self.size = 0;
            self.whole = self.whole.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame with a payload of `length` bytes; masked, as from a client.
    fn frame(first: u8, length: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { MASKED } else { 0 };
        let mut frame = vec![first];
        match length {
            0..126 => frame.push(mask | u8::try_from(length).unwrap()),
            126..=0xffff => {
                frame.push(mask | 126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(mask | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.resize(frame.len() + if masked { 4 } else { 0 } + length, 0x82);
        frame
    }

    #[test]
    fn it_is_where_a_message_ends_however_the_bytes_come() {
        for masked in [false, true] {
            for length in [0, 1, 125, 126, 1_034, 0xffff, 0x1_0000] {
                let frame = frame(0x82, length, masked);
                for step in [1, 3, 1_000, frame.len()] {
                    let mut boundary = FrameScanner::default();
                    let mut passed = 0;
                    for bytes in frame.chunks(step) {
                        boundary.advance(bytes);
                        passed += bytes.len();
                        assert_eq!(
                            boundary.is_at_boundary(),
                            passed == frame.len(),
                            "{length} {step}"
                        );
                    }
                    let two = [frame.as_slice(), &frame].concat();
                    boundary.advance(&two);
                    assert!(boundary.is_at_boundary());
                    assert_eq!((boundary.complete_messages(), boundary.size()), (3, 0));
                    boundary.advance(&two[..two.len() - 1 - length / 2]);
                    assert!(!boundary.is_at_boundary());
                    let in_payload = length > 0;
                    let size = if in_payload { length as u64 } else { 0 };
                    assert_eq!((boundary.complete_messages(), boundary.size()), (4, size));
                }
            }
        }
    }

    #[test]
    fn a_message_in_pieces_is_whole_with_its_last_one() {
        let mut boundary = FrameScanner::default();
        for (first, here, size, whole) in [
            (0x02, false, 5, 0),
            (0x89, false, 5, 0),
            (0x00, false, 10, 0),
            (0x80, true, 0, 1),
            (0x8a, true, 0, 1),
        ] {
            boundary.advance(&frame(first, 5, true));
            assert_eq!(boundary.is_at_boundary(), here, "{first:#x}");
            assert_eq!(
                (boundary.size(), boundary.complete_messages()),
                (size, whole),
                "{first:#x}"
            );
        }
    }
}
