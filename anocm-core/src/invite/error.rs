//! The errors of invite links.

/// An error in a link, or in the URL of a relay. Never contains any part of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum InviteError {
    /// Does not begin like a link, or contains characters that no link contains.
    #[error("not a link to a room")]
    Malformed,
    /// Longer than the longest link.
    #[error("too long for a link to a room")]
    TooLong,
    /// Nothing follows the `#`, or there is none: such a link names a relay, but no room.
    #[error("the link has no secret part: everything from the # on is missing")]
    NoSecret,
    /// The part after the `#` is truncated.
    #[error("the link is incomplete: its end is missing")]
    Incomplete,
    /// At least one character of the link, the host included, differs from the original.
    #[error("the link is damaged: at least one of its characters is wrong")]
    Damaged,
    /// The version is not known to this library, or the first characters after the `#` are damaged.
    #[error("the link needs a newer version of this program, or is damaged")]
    UnsupportedVersion,
    /// A link of the form that links had before the first release.
    #[error("the link was made by an earlier version of this program: ask for a new one")]
    EarlierForm,
    /// Plain `http` or `ws` to a host other than this machine or an onion service.
    #[error("refusing an unencrypted connection: plain http is for this machine and .onion only")]
    PlainHttp,
    /// A host name with non-ASCII characters, which may look like another name.
    #[error("the host name is not plain ASCII: its xn-- form is needed")]
    NonAsciiHost,
    /// The host is missing or invalid.
    #[error("the host name is not valid")]
    BadHost,
    /// Not a number from 1 to 65535.
    #[error("the port is not valid")]
    BadPort,
    /// A path with empty or dot segments, percent signs or unusual characters.
    #[error("the path is not one that a relay can have")]
    BadPath,
    /// A user name before the host, which could make the host look like another.
    #[error("a link to a room holds no user name")]
    UserInfo,
    /// A `?`: queries reach servers and their logs.
    #[error("a link to a room holds no query")]
    Query,
    /// The URL of a relay with a `#`: it is an invite, or a part of one.
    #[error("the address of a relay holds no #")]
    Fragment,
}
