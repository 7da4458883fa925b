//! What a room tells its guest.

use std::time::Duration;

use super::SendFailure;
use crate::{
    id::{Epoch, MemberId, MessageId, Seq},
    invite::Invite,
    retention::{GuestRetention, Retention, RoomRetention},
    secret::Payload,
    session::{Departure, Member, MessageText, SafetyCode},
    time::Timestamp,
    transport_error::TransportError,
    wire::{CloseReason, Policy, Posture, Refusal},
};

/// Something that happened in a room.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RoomEvent {
    /// The connection to the relay changed.
    Connection(Connection),
    /// The relay was reached, but has this guest wait before it opens the room or lets them in; the
    /// client tries again by itself. For example *busy*, where a connection opens or enters more
    /// rooms in a minute than the relay allows.
    Delayed {
        /// Why.
        why: Refusal,
        /// In how long the next try comes.
        retry_in: Duration,
    },
    /// The guest is in the room and can talk. Comes once.
    Entered,
    /// A newcomer's view is confirmed: somebody who was in the room before was heard in
    /// their epoch or a later one.
    Confirmed,
    /// Somebody, the guest included, said something. In the order of the room's log.
    Message(Message),
    /// Content of the embedding program's own.
    Custom {
        /// Who sent it.
        from: Member,
        /// The program's number.
        kind: u16,
        /// The content.
        body: Payload,
        /// As in [`Message::retention`].
        retention: Retention,
    },
    /// Something queued was not sent in the end.
    NotSent {
        /// As returned when it was queued.
        id: MessageId,
        /// Why.
        why: SendFailure,
    },
    /// A message's time has passed: it is wiped here and is to vanish from every screen.
    Expired {
        /// Which.
        id: MessageId,
    },
    /// Somebody let themselves in, or came back with the same identity.
    Joined {
        /// Who.
        member: Member,
        /// Whether they were in the room before.
        again: bool,
    },
    /// Somebody is no longer in the room.
    Departed {
        /// Who.
        member: Member,
        /// How.
        how: Departure,
    },
    /// Somebody is called something else.
    Renamed {
        /// Who, with the new name.
        member: Member,
        /// The old name.
        before: crate::name::Nickname,
    },
    /// Roles or retention policy changed; see the [`RoomView`].
    SettingsChanged {
        /// Who changed them.
        by: Member,
    },
    /// The invite was replaced: the old link no longer works.
    InviteReplaced {
        /// Who replaced it.
        by: Member,
    },
    /// A new epoch with a new safety code.
    EpochBegan {
        /// The epoch.
        epoch: Epoch,
        /// What members compare.
        safety: SafetyCode,
    },
    /// A member is typing.
    Typing {
        /// Who.
        member: MemberId,
    },
    /// A member was heard of, or not for a while.
    Presence {
        /// Who.
        member: MemberId,
        /// Whether they are here.
        here: bool,
    },
    /// Something is wrong, short of the room's end.
    Trouble(Trouble),
    /// What was broken works again.
    Recovered,
    /// The relay's statement about its memory-only promise.
    Posture(Posture),
    /// The room is over for this guest; everything of it is wiped. The last event.
    Ended(Ended),
}

/// The state of the connection to the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Connection {
    /// Not connected yet, or again being connected.
    Connecting,
    /// Connected and catching up with what happened.
    CatchingUp,
    /// Connected and up to date.
    Online,
    /// Waiting before the next try.
    Waiting {
        /// Until the next try.
        retry_in: Duration,
        /// Why the last one failed.
        why: TransportError,
    },
}

/// Something wrong, short of the room's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// Messages of a member are missing although the log has no place for them: the relay withheld
    /// them, or their sender skipped numbers. A client cannot tell which.
    Gap {
        /// Whose.
        from: MemberId,
        /// How many.
        count: u64,
    },
    /// Entries were live or had expired before this guest could see them: as a rule while away, or
    /// by the age that the relay told.
    Missed {
        /// How many entries.
        count: u64,
    },
    /// An entry that does not open.
    Unreadable {
        /// Its place.
        seq: Seq,
    },
    /// A member said something under a number that they had used before, or under the id of another
    /// message: one of the two is not theirs, or their program is at fault. It is not shown.
    Repeated {
        /// Who.
        by: MemberId,
    },
    /// A membership change that the room's rules forbid was appended. Until it is taken back, a join
    /// by any member and a commit by the owner, nothing can be said.
    Broken {
        /// By whom, if the signature tells.
        by: Option<MemberId>,
    },
    /// A change that this guest makes for all cannot be made: keys cannot be renewed, or a member
    /// who left cannot be taken out.
    CannotCommit,
    /// The relay contradicts itself or the members: age, order, epoch or group information.
    DishonestRelay,
    /// The relay takes nothing new because its memory-only promise is broken.
    ReadOnly,
    /// The log no longer reaches back far enough: the guest rejoined through the door.
    Rejoined,
    /// The relay allows less than was asked for: the room was opened with this.
    LessThanAsked {
        /// What the room was opened with.
        policy: Policy,
    },
}

/// Why a room is over for this guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// The guest left.
    Left,
    /// The guest was removed.
    Removed {
        /// By whom.
        by: MemberId,
    },
    /// The room ended.
    Closed(CloseReason),
    /// The guest could not get in, or not back in.
    NotLetIn(JoinFailure),
    /// The relay turned out dishonest, and the room cannot go on safely.
    DishonestRelay,
    /// The guest wiped it.
    Wiped,
}

/// Why a guest was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinFailure {
    /// There is no such room, or no longer.
    #[error("there is no such room, or no longer")]
    NoSuchRoom,
    /// The link was replaced by another.
    #[error("the link no longer works")]
    LinkReplaced,
    /// What the door shows cannot be opened with the link, or is not a room of this protocol.
    #[error("the room's door cannot be opened with this link")]
    BadDoor,
    /// The relay refuses.
    #[error("the relay refused: {0}")]
    Refused(#[source] Refusal),
    /// Members took the guest's join back, again and again.
    #[error("members took the join back")]
    TakenBack,
    /// The relay allows no room with these settings, nor with lower ones that were tried.
    #[error(
        "the relay allows no room with these settings, nor with lower ones that were tried; its \
         operator can say what it allows"
    )]
    Settings,
    /// Others were faster, too often in a row.
    #[error("the room changes too fast to get in")]
    TooManyTries,
}

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Its name, as returned to the sender when it was queued.
    pub id: MessageId,
    /// Its place in the log.
    pub seq: Seq,
    /// Who said it, as they were called then.
    pub from: Member,
    /// To whom it was whispered; `None` when to everyone.
    pub whispered_to: Option<Member>,
    /// Whether this guest said it.
    pub own: bool,
    /// What was said.
    pub text: MessageText,
    /// How long it is kept: what the sender chose, cut to this guest's cap.
    pub retention: Retention,
    /// When it is wiped here, by the clock the room was given. A live message is shown for as
    /// long as its front end likes, but never kept in the history: `None`.
    pub expires: Option<Timestamp>,
}

/// The state of a room, to be shown. A copy; holds no message.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RoomView {
    /// The connection to the relay.
    pub connection: Connection,
    /// The link for newcomers. `None` until entered.
    pub invite: Option<Invite>,
    /// This guest. `None` until entered.
    pub me: Option<MemberId>,
    /// All members, in the same order for everyone.
    pub members: Vec<Member>,
    /// Those of whom something was heard lately, this guest included.
    pub here: Vec<MemberId>,
    /// The epoch.
    pub epoch: Epoch,
    /// What members compare. `None` until entered.
    pub safety: Option<SafetyCode>,
    /// What the room allows.
    pub retention: RoomRetention,
    /// What this guest chose.
    pub guest_retention: GuestRetention,
    /// Whether somebody who was in the room before was heard in this guest's epoch or a later one.
    pub confirmed: bool,
    /// Whether a forbidden membership change keeps everybody from talking.
    pub broken: bool,
    /// How many messages wait to be sent.
    pub waiting: usize,
    /// The relay's statement about its memory-only promise.
    pub posture: Posture,
    /// Why the room is over for this guest; `None` while it is not.
    pub ended: Option<Ended>,
}
