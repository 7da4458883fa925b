//! Retention: how long messages are kept.

use std::time::Duration;

use crate::AnocmError;

/// How long a message may be kept: not at all, or for a limited time. There is no "for ever".
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[expect(clippy::exhaustive_enums, reason = "there is no third way, and no \"for ever\"")]
pub enum Retention {
    /// Delivered to connected members, never stored.
    Live,
    /// Kept for this long after the relay accepted it.
    Keep {
        /// Milliseconds: from 1,000 (one second) to 2,592,000,000 (thirty days).
        millis: u32,
    },
}

impl From<anocm_core::Retention> for Retention {
    fn from(retention: anocm_core::Retention) -> Self {
        match retention.as_millis() {
            0 => Self::Live,
            millis => Self::Keep { millis },
        }
    }
}

impl TryFrom<Retention> for anocm_core::Retention {
    type Error = AnocmError;

    fn try_from(retention: Retention) -> Result<Self, AnocmError> {
        match retention {
            Retention::Live => Ok(Self::Live),
            // Zero would mean live, which contradicts a request to keep the message.
            Retention::Keep { millis: 0 } => Err(anocm_core::RetentionError::TooShort.into()),
            Retention::Keep { millis } => Ok(Self::keep(Duration::from_millis(millis.into()))?),
        }
    }
}

/// Converts an optional retention.
pub(crate) fn wish(
    retention: Option<Retention>,
) -> Result<Option<anocm_core::Retention>, AnocmError> {
    retention.map(TryInto::try_into).transpose()
}

/// The retention limits of a room: the smallest, default and largest retention of its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct RoomRetention {
    /// The minimum retention of a message.
    pub min_retention: Retention,
    /// The retention of a message that is sent without one.
    pub default_retention: Retention,
    /// The maximum retention of a message.
    pub max_retention: Retention,
}

impl From<anocm_core::RoomRetention> for RoomRetention {
    fn from(room: anocm_core::RoomRetention) -> Self {
        Self {
            min_retention: room.min().into(),
            default_retention: room.default_retention().into(),
            max_retention: room.max().into(),
        }
    }
}

impl TryFrom<RoomRetention> for anocm_core::RoomRetention {
    type Error = AnocmError;

    fn try_from(room: RoomRetention) -> Result<Self, AnocmError> {
        let bounds = [room.min_retention, room.default_retention, room.max_retention];
        let [min, default, max] = bounds.map(TryInto::try_into);
        Ok(Self::new(min?, default?, max?)?)
    }
}

/// The retention settings of one guest in one room. They never leave the guest's machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, uniffi::Record)]
pub struct GuestRetention {
    /// For messages sent without a retention; the room's default when absent.
    #[uniffi(default = None)]
    pub default_retention: Option<Retention>,
    /// The maximum retention of everything the guest sends or receives; no additional cap when
    /// absent.
    #[uniffi(default = None)]
    pub cap: Option<Retention>,
}

impl From<anocm_core::GuestRetention> for GuestRetention {
    fn from(guest: anocm_core::GuestRetention) -> Self {
        Self { default_retention: guest.default.map(Into::into), cap: guest.cap.map(Into::into) }
    }
}

impl TryFrom<GuestRetention> for anocm_core::GuestRetention {
    type Error = AnocmError;

    fn try_from(guest: GuestRetention) -> Result<Self, AnocmError> {
        Ok(Self { default: wish(guest.default_retention)?, cap: wish(guest.cap)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_lawful_retention_comes_back_as_it_was(millis in 1_000_u32..=2_592_000_000) {
            let kept = Retention::Keep { millis };
            let core = anocm_core::Retention::try_from(kept).unwrap();
            prop_assert_eq!(Retention::from(core), kept);
        }
    }

    #[test]
    fn what_is_no_retention_is_refused() {
        for millis in [0, 1, 999, 2_592_000_001, u32::MAX] {
            let refused = anocm_core::Retention::try_from(Retention::Keep { millis });
            assert!(matches!(refused, Err(AnocmError::BadRetention(_))), "{millis}");
        }
        assert!(anocm_core::Retention::try_from(Retention::Live).unwrap().is_live());
    }

    #[test]
    fn bounds_out_of_order_are_refused() {
        let minute = Retention::Keep { millis: 60_000 };
        let upside_down = RoomRetention {
            min_retention: minute,
            default_retention: Retention::Live,
            max_retention: minute,
        };
        let refused = anocm_core::RoomRetention::try_from(upside_down);
        assert!(matches!(refused, Err(AnocmError::BadRetention(_))));
    }
}
