//! Names of keys and channels.

use anocm_core::RoomAddress;
use data_encoding::BASE64URL_NOPAD;

/// The number of shards that rooms are spread over.
pub(crate) const SHARDS: usize = 256;

/// The rooms of one shard: all whose addresses begin with the same byte. They share a hash slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shard(u8);

impl Shard {
    pub(crate) const fn of(address: &RoomAddress) -> Self {
        let [first, ..] = *address.as_bytes();
        Self(first)
    }

    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).map(Self)
    }

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    /// The key of the list of its rooms. The part in braces is the hash tag that determines the
    /// slot.
    pub(crate) fn key(self) -> String {
        format!("anocm:{{{:02x}}}", self.0)
    }
}

/// Returns the key of a room, which is also the name of its channel.
pub(crate) fn room(address: &RoomAddress) -> String {
    let [_, rest @ ..] = address.as_bytes();
    let mut key = Shard::of(address).key();
    BASE64URL_NOPAD.encode_append(rest, &mut key);
    key
}

/// Returns the room that a channel belongs to.
pub(crate) fn address(channel: &[u8]) -> Option<RoomAddress> {
    let (tag, rest) = channel.strip_prefix(b"anocm:{")?.split_at_checked(2)?;
    let first = data_encoding::HEXLOWER.decode(tag).ok()?;
    let rest = BASE64URL_NOPAD.decode(rest.strip_prefix(b"}")?).ok()?;
    let bytes = [first, rest].concat();
    bytes.try_into().ok().map(RoomAddress::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_found_by_its_channel() {
        let here = RoomAddress::new(*b"\xA7 is an address.");
        assert_eq!(room(&here), "anocm:{a7}IGlzIGFuIGFkZHJlc3Mu");
        assert_eq!(address(room(&here).as_bytes()), Some(here));
        assert_eq!(Shard::of(&here).key(), "anocm:{a7}");
        for other in
            ["", "anocm:{a7}", "anocm:{A7}IGlzIGFuIGFkZHJlc3Mu", "anocm:{a7}IGlzIGFuIGFkZHJlc3Mu:d"]
        {
            assert_eq!(address(other.as_bytes()), None, "{other}");
        }
    }
}
