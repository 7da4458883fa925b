//! Encoding and decoding of whole frames.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::secret::Payload;

/// Why bytes are not a frame of this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// Longer than the limit; nothing was decoded.
    #[error("frame is longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// Not the encoding of the frame expected here.
    #[error("frame cannot be decoded")]
    Malformed,
    /// A decodable frame followed by more bytes.
    #[error("frame is followed by stray bytes")]
    Trailing,
}

/// Encodes a frame or a part of one.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> Payload {
    // Computing the size first avoids reallocation, which would leave a copy behind.
    let size = postcard::experimental::serialized_size(value);
    let mut buffer = Zeroizing::new(vec![0; *size.as_ref().unwrap_or(&0)]);
    // The types of this module contain nothing that postcard cannot express, and the size was
    // computed by the same code: this cannot fail.
    let used = postcard::to_slice(value, &mut buffer).map(|bytes| bytes.len());
    debug_assert!(used.is_ok() && used == size, "every wire type is encodable");
    buffer.truncate(used.unwrap_or(0));
    Payload::from(buffer)
}

/// Decodes exactly one `T` from `bytes`, which must be at most `limit` long and be the canonical
/// encoding.
///
/// # Errors
/// [`WireError`]; never panics. Allocates hardly more than the length of `bytes` for a request, and
/// at most about eighty times as much for a page of the log.
pub fn decode<'a, T>(bytes: &'a [u8], limit: usize) -> Result<T, WireError>
where
    T: Serialize + Deserialize<'a>,
{
    if bytes.len() > limit {
        return Err(WireError::TooLong { limit });
    }
    match postcard::take_from_bytes(bytes) {
        // Only numbers (LEB128) have more than one encoding, and every non-canonical one is longer
        // than what encoders write.
        Ok((value, [])) => match postcard::experimental::serialized_size(&value) {
            Ok(size) if size == bytes.len() => Ok(value),
            _ => Err(WireError::Malformed),
        },
        Ok(_) => Err(WireError::Trailing),
        Err(_) => Err(WireError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A number in LEB128, with `more` redundant bytes.
    fn leb128(number: u64, more: usize) -> Vec<u8> {
        let mut bytes = encode(&number).to_vec();
        for _ in 0..more {
            if let Some(last) = bytes.last_mut() {
                *last |= 0x80;
            }
            bytes.push(0);
        }
        bytes
    }

    proptest! {
        #[test]
        fn a_number_has_one_encoding(number: u64, more in 1_usize..3) {
            prop_assert_eq!(decode(&leb128(number, 0), 10), Ok(number));
            prop_assert!(decode::<u64>(&leb128(number, more), 12).is_err());
        }

        #[test]
        fn so_has_a_length_and_what_stands_in_a_list(bytes: Vec<u8>, numbers: Vec<u32>) {
            let value = (bytes.clone(), numbers);
            let encoded = encode(&value);
            prop_assert_eq!(decode(&encoded, encoded.len()), Ok(value));
            let length = u64::try_from(bytes.len()).unwrap();
            let rest = encoded.get(leb128(length, 0).len()..).unwrap();
            let overlong = [leb128(length, 1).as_slice(), rest].concat();
            let read = decode::<(Vec<u8>, Vec<u32>)>(&overlong, overlong.len());
            prop_assert_eq!(read, Err(WireError::Malformed));
        }
    }
}
