//! Encoding and decoding of whole frames.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::secret::Payload;

/// Bytes that are no frame of this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// Longer than any frame may be; nothing was decoded.
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
    // Counting first keeps the buffer from being moved, which would leave a copy behind.
    let size = postcard::experimental::serialized_size(value);
    let mut buffer = Zeroizing::new(vec![0; *size.as_ref().unwrap_or(&0)]);
    // The types of this module hold nothing that postcard cannot express, and the size was
    // counted by the same code: this cannot fail.
    let used = postcard::to_slice(value, &mut buffer).map(|bytes| bytes.len());
    debug_assert!(used.is_ok() && used == size, "every wire type is encodable");
    buffer.truncate(used.unwrap_or(0));
    Payload::from(buffer)
}

/// Decodes exactly one `T` from `bytes`, which may be at most `limit` long.
///
/// # Errors
/// [`WireError`]; never panics. Allocates hardly more than `bytes` for a request, and for a page
/// of the log at most some eighty times as much.
pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8], limit: usize) -> Result<T, WireError> {
    if bytes.len() > limit {
        return Err(WireError::TooLong { limit });
    }
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok(_) => Err(WireError::Trailing),
        Err(_) => Err(WireError::Malformed),
    }
}
