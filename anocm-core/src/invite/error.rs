//! What can be wrong with a link.

/// What is wrong with a link, or with the URL of a relay. Never repeats any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum InviteError {
    /// Does not begin like a link, or holds characters that no link holds.
    #[error("not a link to a room")]
    Malformed,
    /// Longer than any link is.
    #[error("too long for a link to a room")]
    TooLong,
    /// Nothing follows the `#`, or there is none: such a link names a relay, but no room.
    #[error("the link has no secret part: everything from the # on is missing")]
    NoSecret,
    /// What follows the `#` breaks off.
    #[error("the link is incomplete: its end is missing")]
    Incomplete,
    /// A character somewhere in the link, the host included, is not the one that was sent.
    #[error("the link is damaged: at least one of its characters is wrong")]
    Damaged,
    /// Of a version that this library does not know; or the first characters after the `#` are
    /// damaged.
    #[error("the link needs a newer version of this program, or is damaged")]
    UnsupportedVersion,
    /// Plain `http` or `ws` to somewhere other than this machine or an onion service.
    #[error("refusing an unencrypted connection: plain http is for this machine and .onion only")]
    PlainHttp,
    /// A host name with characters beyond ASCII, which may look like another.
    #[error("the host name is not plain ASCII: its xn-- form is needed")]
    NonAsciiHost,
    /// No host, or something that is none.
    #[error("the host name is not valid")]
    BadHost,
    /// No number from 1 to 65535.
    #[error("the port is not valid")]
    BadPort,
    /// A path with empty or dot segments, percent signs or unusual characters.
    #[error("the path is not one that a relay can have")]
    BadPath,
    /// A user name before the host, which could make it look like another.
    #[error("a link to a room holds no user name")]
    UserInfo,
    /// A `?`: queries reach servers and their logs.
    #[error("a link to a room holds no query")]
    Query,
    /// The URL of a relay with a `#`: it is a whole invite, or a part of one.
    #[error("the address of a relay holds no #")]
    Fragment,
}
