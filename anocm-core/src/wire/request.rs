//! What a client asks of a relay.

use serde::{Deserialize, Serialize};

use super::{Entry, Genesis, MAX_DOOR, MAX_SEALED, NextEpoch, Solution};
use crate::{
    id::{Epoch, RoomAddress, Seq},
    secret::Token,
};

/// The longest frame in bytes: a join with the largest entry and the largest door, and a
/// kilobyte for what surrounds them.
pub const MAX_FRAME: usize = MAX_DOOR + MAX_SEALED + 1_024;

/// Names a request within its connection; the reply repeats it.
pub type RequestId = u32;

/// A frame from client to relay, after the hello.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientFrame {
    /// Repeated in the reply.
    pub id: RequestId,
    /// What is asked.
    pub request: Request,
}

/// What a client asks. Each gets exactly one [`Reply`](super::Reply) or
/// [`Refusal`](super::Refusal).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Request {
    /// Open a room. The connection has then proven epoch 0 and watches.
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
        /// What the new epoch brings.
        next: NextEpoch,
    },
    /// Prove membership of an epoch. Of the current epoch: watch the room from here on. Of an
    /// earlier one: be able to read up to the commit that ended it.
    Enter {
        /// The room.
        address: RoomAddress,
        /// The epoch that the token belongs to.
        epoch: Epoch,
        /// That epoch's member token; of the current epoch, the owner token will do.
        member: Token,
    },
    /// Entries after a cursor, as far as the proven epoch reaches.
    Read {
        /// The room.
        address: RoomAddress,
        /// The last place already known.
        after: Seq,
    },
    /// Append a message or a commit.
    Publish {
        /// The room.
        address: RoomAddress,
        /// Of kind message or commit.
        entry: Entry,
        /// What the new epoch brings: with a commit, and only with one.
        next: Option<NextEpoch>,
    },
    /// Take back a commit or join, and all entries since.
    Void {
        /// The room.
        address: RoomAddress,
        /// The owner's token; of a join that is not settled, the member token of the epoch before
        /// it will do.
        token: Token,
        /// The place of the entry to take back.
        seq: Seq,
        /// The door and hashes of the epoch before it, which goes on. The hashes count when the
        /// owner sends them.
        restored: NextEpoch,
    },
    /// End the room, for everyone, now.
    Close {
        /// The room.
        address: RoomAddress,
        /// The owner's token.
        owner: Token,
    },
    /// Stop watching; the connection forgets what it had proven for the room.
    Detach {
        /// The room.
        address: RoomAddress,
    },
    /// Show that the work asked for with [`Refusal::WorkNeeded`](super::Refusal::WorkNeeded) was
    /// done: the room may then be looked at, and created or joined once, over this
    /// connection.
    Work {
        /// The room.
        address: RoomAddress,
        /// What was looked for.
        solution: Solution,
    },
}

impl Request {
    /// The room that the request is about.
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
