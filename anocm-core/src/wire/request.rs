//! The requests of a client to a relay.

use serde::{Deserialize, Serialize};

use super::{Entry, Genesis, MAX_DOOR, MAX_SEALED, NextEpoch, Solution};
use crate::{
    id::{Epoch, RoomAddress, Seq},
    secret::Token,
};

/// The longest frame in bytes: a join with the largest entry and the largest door, plus a kilobyte
/// for the surrounding fields.
pub const MAX_FRAME: usize = MAX_DOOR + MAX_SEALED + 1_024;

/// Identifies a request within its connection; the reply repeats it.
pub type RequestId = u32;

/// A frame from client to relay, after the hello.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientFrame {
    /// Repeated in the reply.
    pub id: RequestId,
    /// The request.
    pub request: Request,
}

/// A request of a client. Each gets exactly one [`Reply`](super::Reply) or
/// [`Refusal`](super::Refusal).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Request {
    /// Open a room. The connection has then proven epoch 0 and is subscribed.
    Create {
        /// The new room's address.
        address: RoomAddress,
        /// Its rules, token hashes and door.
        genesis: Genesis,
    },
    /// Look through the door.
    Look {
        /// The room.
        address: RoomAddress,
        /// Derived from the invite.
        door: Token,
    },
    /// Append a join. The connection must still [`Enter`](Self::Enter) the epoch it begins.
    Join {
        /// The room.
        address: RoomAddress,
        /// Derived from the invite.
        door: Token,
        /// Of kind join.
        entry: Entry,
        /// The state of the new epoch.
        next: NextEpoch,
    },
    /// Prove membership of an epoch. For the current epoch: subscribe to the room from here on. For
    /// an earlier epoch: get read access up to the commit that ended it.
    Enter {
        /// The room.
        address: RoomAddress,
        /// The epoch that the token belongs to.
        epoch: Epoch,
        /// The epoch's member token; for the current epoch the owner token is accepted, too.
        member: Token,
    },
    /// Read the entries after a cursor, as far as the proven epoch gives access.
    Read {
        /// The room.
        address: RoomAddress,
        /// The last sequence number that is already known.
        after: Seq,
    },
    /// Append a message or a commit.
    Publish {
        /// The room.
        address: RoomAddress,
        /// Of kind message or commit.
        entry: Entry,
        /// The state of the new epoch: present with a commit, and only with a commit.
        next: Option<NextEpoch>,
    },
    /// Void a commit or join, and all later entries.
    Void {
        /// The room.
        address: RoomAddress,
        /// The owner's token. For a join that is not settled, the member token of the previous
        /// epoch is accepted, too.
        token: Token,
        /// The sequence number of the entry to void.
        seq: Seq,
        /// The door and hashes of the previous epoch, which is restored. The hashes are used only
        /// when the owner sends the request.
        restored: NextEpoch,
    },
    /// End the room immediately, for all members.
    Close {
        /// The room.
        address: RoomAddress,
        /// The owner's token.
        owner: Token,
    },
    /// Unsubscribe; the connection loses what it had proven for the room.
    Detach {
        /// The room.
        address: RoomAddress,
    },
    /// Submit the proof of work required by [`Refusal::WorkNeeded`](super::Refusal::WorkNeeded).
    /// The room may then be looked at, and created or joined once, over this connection.
    Work {
        /// The room.
        address: RoomAddress,
        /// The solution.
        solution: Solution,
    },
}

impl Request {
    /// Returns the room that the request concerns.
    #[must_use]
    pub const fn address(&self) -> &RoomAddress {
        match self {
            Self::Create { address, .. }
            | Self::Look { address, .. }
            | Self::Join { address, .. }
            | Self::Enter { address, .. }
            | Self::Read { address, .. }
            | Self::Publish { address, .. }
            | Self::Void { address, .. }
            | Self::Close { address, .. }
            | Self::Detach { address }
            | Self::Work { address, .. } => address,
        }
    }
}
