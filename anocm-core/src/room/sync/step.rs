//! What an entry of the log means for the rest of the room.

use crate::{
    id::{Epoch, MessageId, Seq},
    retention::Retention,
    room::{Ended, sending::outbox::Job},
    session::{Content, EpochChange, Member},
    time::Timestamp,
};

/// What an applied entry means for the rest of the room.
pub(crate) enum Step {
    /// Nothing.
    Done,
    /// A message of another member.
    Message { from: Member, id: MessageId, content: Content, meta: MessageMeta },
    /// An entry of this guest is in the log.
    Own { job: Job, meta: MessageMeta },
    /// A commit or join began an epoch; whether it is this guest's `own`.
    EpochBegan { change: Box<EpochChange>, own: bool },
    /// A member has broken a sender's ratchet: its messages cannot be decrypted until the next
    /// epoch.
    RatchetSkipped,
}

/// Sequence number, accept time and retention of a message.
#[derive(Clone, Copy)]
pub(crate) struct MessageMeta {
    pub(crate) seq: Seq,
    pub(crate) at: Timestamp,
    pub(crate) retention: Retention,
}

/// Why this guest can follow the log no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The room is over for this guest.
    End(Ended),
    /// The log no longer leads from this guest's epoch to the room's: it rejoins through the door.
    Rejoin,
    /// It rejoins after an entry that it had applied was voided.
    RejoinAfterVoid {
        /// The epoch in which the room continues.
        epoch: Epoch,
        /// The context of that epoch, if it must be the one that this guest was in.
        context: Option<[u8; 32]>,
    },
}
