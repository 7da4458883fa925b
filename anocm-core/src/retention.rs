//! How long a message may be kept. There is no "for ever".

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    duration::{DurationError, parse_duration},
    time::millis,
};

/// How long a message may be kept: not at all, or for a limited time.
///
/// Ordered by strictness: [`Retention::Live`] is the smallest.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use anocm_core::Retention;
///
/// let kept = Retention::keep(Duration::from_secs(30))?;
/// assert!(Retention::Live < kept);
/// assert_eq!(kept.to_string(), "30s");
/// assert_eq!("30s".parse(), Ok(kept));
/// # Ok::<(), anocm_core::RetentionError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "there is no third way, and no \"for ever\"")]
pub enum Retention {
    /// Delivered to the connected members, never stored.
    Live,
    /// Kept for this long after the relay accepted it.
    For(Lifetime),
}

/// A lifetime of whole milliseconds, from one second to thirty days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lifetime(u32);

impl Lifetime {
    /// The shortest lifetime: one second.
    pub const MIN: Self = Self(1_000);
    /// The longest lifetime: thirty days.
    pub const MAX: Self = Self(30 * 24 * 3_600 * 1_000);
    /// Ten minutes: the lifetime that a relay always allows commits and joins, whatever its limit
    /// for messages.
    pub const TEN_MINUTES: Self = Self(600 * 1_000);

    /// Makes a lifetime; fractions of a millisecond are truncated.
    ///
    /// # Errors
    /// [`RetentionError`] when `duration` is under a second or over thirty days.
    pub fn new(duration: Duration) -> Result<Self, RetentionError> {
        let millis = u32::try_from(millis(duration)).map_err(|_| RetentionError::TooLong)?;
        Self::from_millis(millis)
    }

    fn from_millis(millis: u32) -> Result<Self, RetentionError> {
        match Self(millis) {
            short if short < Self::MIN => Err(RetentionError::TooShort),
            long if long > Self::MAX => Err(RetentionError::TooLong),
            fits => Ok(fits),
        }
    }

    /// Returns it as a duration.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.0 as u64)
    }
}

/// Why a time span is not a valid retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RetentionError {
    /// Not a span of time, nor `live`.
    #[error("write a time like 30s, 5m, 1h 30m, 1d, plain seconds, or live")]
    Malformed,
    /// Above zero and under a second.
    #[error("a message is kept for at least one second, or not at all")]
    TooShort,
    /// Over thirty days.
    #[error("nothing is kept for longer than thirty days")]
    TooLong,
    /// A policy whose minimum, default and maximum retention are not in that order.
    #[error("minimum, default and maximum retention are out of order")]
    OutOfOrder,
}

impl Retention {
    /// Returns the retention for `duration`: zero is [`Retention::Live`].
    ///
    /// # Errors
    /// [`RetentionError`] when it is above zero and under a second, or over thirty days.
    pub fn keep(duration: Duration) -> Result<Self, RetentionError> {
        if duration.is_zero() { Ok(Self::Live) } else { Lifetime::new(duration).map(Self::For) }
    }

    /// Returns how long the message lives after its acceptance; zero when live.
    #[must_use]
    pub const fn lifetime(self) -> Duration {
        match self {
            Self::Live => Duration::ZERO,
            Self::For(lifetime) => lifetime.as_duration(),
        }
    }

    /// Returns the number used in frames: milliseconds, zero when live.
    #[must_use]
    pub const fn as_millis(self) -> u32 {
        match self {
            Self::Live => 0,
            Self::For(Lifetime(millis)) => millis,
        }
    }

    /// Whether the message must not be stored.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Live)
    }
}

impl fmt::Display for Retention {
    /// Writes `live`, `30s`, `5m`, `1d`: the largest unit that is exact, otherwise seconds with a
    /// fraction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::For(Lifetime(millis)) = *self else {
            return f.write_str("live");
        };
        for (unit, name) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
            if millis % unit == 0 {
                return write!(f, "{}{name}", millis / unit);
            }
        }
        write!(f, "{}.{:03}s", millis / 1_000, millis % 1_000)
    }
}

impl FromStr for Retention {
    type Err = RetentionError;

    /// Parses `live`, or a time span as [`parse_duration`] does; a span of zero is live.
    fn from_str(text: &str) -> Result<Self, RetentionError> {
        if text.trim().eq_ignore_ascii_case("live") {
            return Ok(Self::Live);
        }
        Self::keep(parse_duration(text).map_err(|error| match error {
            DurationError::TooLong => RetentionError::TooLong,
            DurationError::Malformed => RetentionError::Malformed,
        })?)
    }
}

impl Serialize for Retention {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_millis().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Retention {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            0 => Ok(Self::Live),
            millis => Lifetime::from_millis(millis).map(Self::For).map_err(de::Error::custom),
        }
    }
}

/// A room's retention policy: the smallest, default and largest retention of its messages.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use anocm_core::{GuestRetention, Retention, RoomRetention};
///
/// let room = RoomRetention::default();
/// let guest = GuestRetention { cap: Some(Retention::keep(Duration::from_secs(60))?), ..Default::default() };
/// // The room would keep it for five minutes, the guest for one: the strictest wins.
/// assert_eq!(room.choose(None, guest).to_string(), "1m");
/// # Ok::<(), anocm_core::RetentionError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Bounds", into = "Bounds")]
pub struct RoomRetention {
    min: Retention,
    default: Retention,
    max: Retention,
}

#[derive(Serialize, Deserialize)]
struct Bounds {
    min: Retention,
    default: Retention,
    max: Retention,
}

impl TryFrom<Bounds> for RoomRetention {
    type Error = RetentionError;

    fn try_from(bounds: Bounds) -> Result<Self, RetentionError> {
        Self::new(bounds.min, bounds.default, bounds.max)
    }
}

impl From<RoomRetention> for Bounds {
    fn from(room: RoomRetention) -> Self {
        Self { min: room.min, default: room.default, max: room.max }
    }
}

impl RoomRetention {
    /// Makes a policy.
    ///
    /// # Errors
    /// [`RetentionError::OutOfOrder`] unless `min <= default <= max`.
    pub fn new(min: Retention, default: Retention, max: Retention) -> Result<Self, RetentionError> {
        if min <= default && default <= max {
            Ok(Self { min, default, max })
        } else {
            Err(RetentionError::OutOfOrder)
        }
    }

    /// The shortest retention of a message.
    #[must_use]
    pub const fn min(&self) -> Retention {
        self.min
    }

    /// The retention of a message without one of its own.
    #[must_use]
    pub const fn default_retention(&self) -> Retention {
        self.default
    }

    /// The longest retention of a message.
    #[must_use]
    pub const fn max(&self) -> Retention {
        self.max
    }

    /// Returns the retention of a message about to be sent: the requested one (or the guest's
    /// default, or the room's), raised to the room's smallest, then capped by the guest's cap and
    /// the room's largest. The strictest limit wins: a guest's cap applies even below the room's
    /// smallest.
    #[must_use]
    pub fn choose(&self, asked: Option<Retention>, guest: GuestRetention) -> Retention {
        let wanted = asked.or(guest.default).unwrap_or(self.default).max(self.min);
        guest.cap.map_or(wanted, |cap| wanted.min(cap)).min(self.max)
    }

    /// Returns how long a receiver keeps a message sent with retention `sent`: capped by the
    /// receiver's cap and the room's largest.
    #[must_use]
    pub fn keep(&self, sent: Retention, guest: GuestRetention) -> Retention {
        guest.cap.map_or(sent, |cap| sent.min(cap)).min(self.max)
    }
}

impl Default for RoomRetention {
    /// Smallest live, default five minutes, largest 24 hours.
    fn default() -> Self {
        Self {
            min: Retention::Live,
            default: Retention::For(Lifetime(5 * 60 * 1_000)),
            max: Retention::For(Lifetime(24 * 3_600 * 1_000)),
        }
    }
}

/// A guest's own retention settings in one room. Never leave the guest's machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuestRetention {
    /// For messages sent without a retention; the room's default when `None`.
    pub default: Option<Retention>,
    /// The longest that any message the guest sends or receives is kept; no cap when `None`.
    pub cap: Option<Retention>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn retention() -> impl Strategy<Value = Retention> {
        prop_oneof![
            Just(Retention::Live),
            (Lifetime::MIN.0..=Lifetime::MAX.0).prop_map(|millis| Retention::For(Lifetime(millis))),
            (1_000_u32..5_000).prop_map(|millis| Retention::For(Lifetime(millis))),
        ]
    }

    fn room() -> impl Strategy<Value = RoomRetention> {
        [retention(), retention(), retention()].prop_map(|mut bounds| {
            bounds.sort();
            RoomRetention::new(bounds[0], bounds[1], bounds[2]).unwrap()
        })
    }

    fn guest() -> impl Strategy<Value = GuestRetention> {
        (proptest::option::of(retention()), proptest::option::of(retention()))
            .prop_map(|(default, cap)| GuestRetention { default, cap })
    }

    proptest! {
        #[test]
        fn the_strictest_wins(room in room(), guest in guest(), asked in proptest::option::of(retention())) {
            let chosen = room.choose(asked, guest);
            prop_assert!(chosen <= room.max());
            if let Some(cap) = guest.cap {
                prop_assert!(chosen <= cap);
            }
            let wish = asked.or(guest.default).unwrap_or(room.default_retention());
            prop_assert!(chosen <= wish.max(room.min()));
            let free = guest.cap.is_none_or(|cap| cap >= room.min());
            if free {
                prop_assert!(chosen >= room.min());
            }
        }

        #[test]
        fn an_allowed_wish_is_granted_to_the_letter(room in room(), asked in retention()) {
            let asked = asked.clamp(room.min(), room.max());
            prop_assert_eq!(room.choose(Some(asked), GuestRetention::default()), asked);
        }

        #[test]
        fn a_receiver_never_keeps_longer_than_sent(room in room(), guest in guest(), sent in retention()) {
            let kept = room.keep(sent, guest);
            prop_assert!(kept <= sent);
            prop_assert!(kept <= room.max());
            prop_assert!(guest.cap.is_none_or(|cap| kept <= cap));
        }

        #[test]
        fn a_retention_survives_the_wire(sent in retention()) {
            let bytes = postcard::to_allocvec(&sent).unwrap();
            prop_assert_eq!(postcard::from_bytes::<Retention>(&bytes).unwrap(), sent);
        }

        #[test]
        fn what_a_retention_shows_reads_back(kept in retention()) {
            prop_assert_eq!(kept.to_string().parse(), Ok(kept));
        }

        #[test]
        fn no_number_decodes_to_an_unlawful_retention(millis in any::<u32>()) {
            let bytes = postcard::to_allocvec(&millis).unwrap();
            if let Ok(read) = postcard::from_bytes::<Retention>(&bytes) {
                prop_assert!(read == Retention::Live || read.lifetime() >= Duration::from_secs(1));
                prop_assert!(read.lifetime() <= Lifetime::MAX.as_duration());
            }
        }
    }

    #[test]
    fn shows_the_largest_exact_unit() {
        for (millis, shown) in
            [(0, "live"), (30_000, "30s"), (300_000, "5m"), (86_400_000, "1d"), (1_500, "1.500s")]
        {
            let retention = Retention::keep(Duration::from_millis(millis)).unwrap();
            assert_eq!(retention.to_string(), shown);
        }
    }

    #[test]
    fn reads_what_people_write() {
        for (text, millis) in [("live", 0), (" LIVE ", 0), ("0", 0), ("0s", 0), ("90", 90_000)] {
            assert_eq!(text.parse::<Retention>().unwrap().as_millis(), millis, "{text}");
        }
        for (text, why) in [
            ("", RetentionError::Malformed),
            ("for ever", RetentionError::Malformed),
            ("1ns", RetentionError::TooShort),
            ("999ms", RetentionError::TooShort),
            ("31d", RetentionError::TooLong),
            ("99999999999999999999", RetentionError::TooLong),
        ] {
            assert_eq!(text.parse::<Retention>(), Err(why), "{text}");
        }
    }

    #[test]
    fn a_policy_out_of_order_is_refused() {
        let long = Retention::For(Lifetime::MAX);
        assert_eq!(
            RoomRetention::new(long, Retention::Live, long),
            Err(RetentionError::OutOfOrder)
        );
    }
}
