//! The few packets of MQTT 3.1.1 that are needed to publish and subscribe with QoS 0.

/// The only topic.
const TOPIC: &[u8] = b"anocm";

/// CONNECT: a clean session, no name, no keep-alive.
pub(crate) fn connect() -> Vec<u8> {
    let mut body = string(b"MQTT");
    body.extend([4, 0b10, 0, 0]);
    body.extend(string(b""));
    packet(0x10, &body)
}

/// Returns whether this is CONNACK with code 0.
pub(crate) fn is_connected(packet: &[u8]) -> bool {
    matches!(packet, [0x20, 2, _, 0])
}

/// SUBSCRIBE to the topic, QoS 0.
pub(crate) fn subscribe() -> Vec<u8> {
    let mut body = vec![0, 1];
    body.extend(string(TOPIC));
    body.push(0);
    packet(0x82, &body)
}

/// Returns whether this is SUBACK that grants QoS 0.
pub(crate) fn is_subscribed(packet: &[u8]) -> bool {
    matches!(packet, [0x90, 3, 0, 1, 0])
}

/// PUBLISH to the topic, QoS 0. The message is at its end.
pub(crate) fn publish(message: &[u8]) -> Vec<u8> {
    let mut body = string(TOPIC);
    body.extend_from_slice(message);
    packet(0x30, &body)
}

fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![kind];
    let mut left = body.len();
    loop {
        // Seven bits a byte, lowest first (section 2.2.3 of the standard).
        let bits = u8::try_from(left & 0x7F).unwrap_or(0);
        left >>= 7;
        packet.push(if left > 0 { bits | 0x80 } else { bits });
        if left == 0 {
            break;
        }
    }
    packet.extend_from_slice(body);
    packet
}

fn string(text: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes().to_vec();
    bytes.extend_from_slice(text);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_as_the_standard_writes_them() {
        assert_eq!(connect(), b"\x10\x0C\x00\x04MQTT\x04\x02\x00\x00\x00\x00");
        assert_eq!(subscribe(), b"\x82\x0A\x00\x01\x00\x05anocm\x00");
        assert_eq!(publish(b"hello"), b"\x30\x0C\x00\x05anocmhello");
        // 321 = 193 + 2 × 128 (section 2.2.3).
        assert_eq!(publish(&[7; 314])[..3], [0x30, 193, 2]);
    }

    #[test]
    fn answers_that_say_no_are_no() {
        assert!(is_connected(&[0x20, 2, 0, 0]) && !is_connected(&[0x20, 2, 0, 5]));
        assert!(is_subscribed(&[0x90, 3, 0, 1, 0]) && !is_subscribed(&[0x90, 3, 0, 1, 0x80]));
    }
}
