//! The settings of a new room.

use std::time::Duration;

use crate::{AnocmError, RoomRetention};

/// The settings of a new room. Omitted values have the library's defaults.
#[derive(Clone, uniffi::Record)]
#[uniffi::export(Debug, Display)]
pub struct NewRoom {
    /// The owner's nickname: 1 to 32 characters in at most 64 bytes.
    #[uniffi(default = "guest")]
    pub nickname: String,
    /// Smallest, default and largest retention. When absent: live, five minutes, 24 hours.
    #[uniffi(default = None)]
    pub retention: Option<RoomRetention>,
    /// How many seconds the room outlives its last connection: 1 to 31,536,000.
    #[uniffi(default = 120)]
    pub linger_seconds: u32,
    /// The age in seconds at which the room ends in any case: 1 to 31,536,000.
    #[uniffi(default = 604_800)]
    pub max_age_seconds: u32,
    /// The maximum number of entries that the relay keeps at one time: 1 to 1,000,000,000.
    #[uniffi(default = 10_000)]
    pub max_entries: u32,
    /// The maximum total size of the sealed entries that the relay keeps at one time, in bytes:
    /// 64,000 to 1,000,000,000,000.
    #[uniffi(default = 32_000_000)]
    pub max_bytes: u64,
}

shown_as_name!(NewRoom);

impl TryFrom<NewRoom> for anocm_core::NewRoom {
    type Error = AnocmError;

    fn try_from(new: NewRoom) -> Result<Self, AnocmError> {
        let retention = new.retention.map(TryInto::try_into).transpose()?.unwrap_or_default();
        Ok(Self {
            nickname: new.nickname.parse()?,
            retention,
            linger: Duration::from_secs(new.linger_seconds.into()),
            max_age: Duration::from_secs(new.max_age_seconds.into()),
            max_entries: new.max_entries,
            max_bytes: new.max_bytes,
        })
    }
}
