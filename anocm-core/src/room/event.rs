//! Events of a room.

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

/// An event of a room.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RoomEvent {
    /// The connection to the relay changed.
    Connection(Connection),
    /// The relay was reached, but delays this guest before it opens the room or admits the guest;
    /// the client retries by itself. For example *busy*, where a connection opens or enters more
    /// rooms in a minute than the relay allows.
    Delayed {
        /// The refusal.
        why: Refusal,
        /// Time until the next try.
        retry_in: Duration,
    },
    /// The guest is in the room and can send. Emitted once. A live message that others send before the
    /// connection is next [online](Connection::Online) may not reach it.
    Entered,
    /// A member sent an entry in this guest's epoch or a later one: this guest is not alone behind
    /// the link. See [`Confirmation::Heard`].
    Heard {
        /// The member.
        by: Member,
    },
    /// The room is the one that the link names. See [`Confirmation::Confirmed`].
    Confirmed {
        /// The owner, or a moderator.
        by: Member,
    },
    /// A message, of this guest or another member. In the order of the room's log.
    Message(Message),
    /// Content defined by the embedding program.
    Custom {
        /// The sender.
        from: Member,
        /// The program's own type number.
        kind: u16,
        /// The content.
        body: Payload,
        /// As in [`Message::retention`].
        retention: Retention,
    },
    /// A queued command was not sent in the end.
    NotSent {
        /// As returned when it was queued.
        id: MessageId,
        /// The reason.
        why: SendFailure,
    },
    /// A message expired: it is wiped here and must be removed from every screen.
    Expired {
        /// The message.
        id: MessageId,
    },
    /// A guest joined, or a member rejoined with the same identity.
    Joined {
        /// The member.
        member: Member,
        /// Whether the member was in the room before.
        again: bool,
    },
    /// A member is no longer in the room.
    Departed {
        /// The member.
        member: Member,
        /// The way it departed.
        how: Departure,
    },
    /// A member changed its nickname.
    Renamed {
        /// The member, with the new name.
        member: Member,
        /// The old name.
        before: crate::name::Nickname,
    },
    /// Roles or retention policy changed; see the [`RoomView`].
    SettingsChanged {
        /// The member that changed them.
        by: Member,
    },
    /// The invite was replaced: the old link no longer works.
    InviteReplaced {
        /// The member that replaced it.
        by: Member,
    },
    /// A new epoch with a new safety code.
    EpochBegan {
        /// The epoch.
        epoch: Epoch,
        /// The code that members compare.
        safety: SafetyCode,
    },
    /// A member is typing.
    Typing {
        /// The member.
        member: MemberId,
    },
    /// A member's presence changed: an entry of the member arrived, or none did for a while.
    Presence {
        /// The member.
        member: MemberId,
        /// Whether the member is here.
        here: bool,
    },
    /// A problem that does not end the room.
    Trouble(Trouble),
    /// The room recovered from [`Trouble::Broken`].
    Recovered,
    /// The relay's statement about its memory-only promise.
    Posture(Posture),
    /// The room is over for this guest; all its data is wiped. The last event.
    Ended(Ended),
}

/// The state of the connection to the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Connection {
    /// Not connected: the first connection or a reconnect is in progress.
    Connecting,
    /// Connected and catching up with the log.
    CatchingUp,
    /// Connected and up to date: what others send from now on reaches this guest.
    Online,
    /// Waiting before the next try.
    Waiting {
        /// Time until the next try.
        retry_in: Duration,
        /// Why the last one failed.
        why: TransportError,
    },
}

/// A problem that does not end the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// Messages of a member are missing although the log has no place for them: the relay withheld
    /// them, or their sender skipped numbers. A client cannot distinguish the two.
    Gap {
        /// Their sender.
        from: MemberId,
        /// How many.
        count: u64,
    },
    /// Entries were live or had expired before this guest could read them: usually while offline,
    /// or by the age that the relay reported.
    Missed {
        /// How many entries.
        count: u64,
    },
    /// An entry that does not open.
    Unreadable {
        /// Its sequence number.
        seq: Seq,
    },
    /// A member used a message number again for another message, or the id of another message: one
    /// of the two is a forgery, or the member's program is faulty. The message is not shown.
    Repeated {
        /// The member.
        by: MemberId,
    },
    /// A membership change that the room's rules forbid was appended. Nothing can be sent until it
    /// is voided: a join by any member, a commit by the owner.
    Broken {
        /// Its author, if known from the signature.
        by: Option<MemberId>,
    },
    /// A change that this client makes for the room failed: keys cannot be refreshed, or a member
    /// that left cannot be removed.
    CannotCommit,
    /// The relay contradicts itself or the members: age, order, epoch or group information.
    DishonestRelay,
    /// The relay accepts nothing new because its memory-only promise is broken.
    ReadOnly,
    /// The log no longer reaches back far enough: the guest rejoined through the door.
    Rejoined,
    /// The relay allows less than was requested: the room was opened with this policy.
    LessThanAsked {
        /// What the room was opened with.
        policy: Policy,
    },
}

/// Why a room is over for this guest. An error where a caller needs the room, as in
/// `client::Room::entered`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Ended {
    /// The guest left.
    #[error("this guest left the room")]
    Left,
    /// The guest was removed.
    #[error("another member removed this guest")]
    Removed {
        /// The member that removed the guest.
        by: MemberId,
    },
    /// The room ended.
    #[error("the room is over: {0}")]
    Closed(CloseReason),
    /// The guest could not join, or not rejoin.
    #[error(transparent)]
    NotLetIn(JoinFailure),
    /// The relay turned out dishonest, and the room cannot go on safely.
    #[error("the relay is dishonest, and the room cannot go on safely")]
    DishonestRelay,
    /// The guest wiped the room.
    #[error("this guest wiped the room")]
    Wiped,
    /// The owner gave the room rules of a later version of the protocol.
    #[error("the room needs a newer program")]
    NewerProgram,
}

/// What shows a guest that it is in the room that its link names, with the members that it lists.
///
/// A relay that has the link can lead a guest into a group of the past or of its own making, in
/// which the owner is listed. What the owner signs in this guest's epoch, or a later one, covers the
/// whole list; no other can make that. A member's only says that this guest is not alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Confirmation {
    /// No other member has sent a message or commit since this guest joined or came back.
    #[default]
    Unheard,
    /// A member did that can confirm nothing: no owner, and no moderator as of this guest's link.
    Heard {
        /// The latest.
        by: Member,
    },
    /// The owner did, or a moderator that the owner has listed since the link was made. A
    /// moderator's is worth as much as the source of the link: a former one can make up links of its
    /// time.
    Confirmed {
        /// The latest.
        by: Member,
        /// The epoch in which it did: the list of members is confirmed as of then.
        epoch: Epoch,
    },
    /// This guest opened the room, and has not left it since.
    Opened,
}

/// Why a guest could not join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinFailure {
    /// There is no such room, or no longer.
    #[error("there is no such room, or no longer")]
    NoSuchRoom,
    /// The link was replaced by a new one.
    #[error("the link no longer works")]
    LinkReplaced,
    /// The door's content cannot be opened with the link, or is not a room of this protocol.
    #[error("the room's door cannot be opened with this link")]
    BadDoor,
    /// The room has rules of a later version of the protocol.
    #[error("the room needs a newer program")]
    NewerProgram,
    /// The relay refused the request.
    #[error("the relay refused: {0}")]
    Refused(#[source] Refusal),
    /// Members voided the guest's join repeatedly.
    #[error("members took the join back")]
    TakenBack,
    /// The relay allows no room with these settings, nor with the lower ones that were tried.
    #[error(
        "the relay allows no room with these settings, nor with lower ones that were tried; its \
         operator can say what it allows"
    )]
    Settings,
    /// Other members' commits or joins were accepted first, too often in a row.
    #[error("the room changes too fast to get in")]
    TooManyTries,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Its id, as returned to the sender when it was queued.
    pub id: MessageId,
    /// Its sequence number in the log.
    pub seq: Seq,
    /// The sender, under its name at that time.
    pub from: Member,
    /// The recipient of a whisper; `None` for a message to all members.
    pub whispered_to: Option<Member>,
    /// Whether this guest sent it.
    pub own: bool,
    /// The text.
    pub text: MessageText,
    /// How long it is kept: the sender's choice, cut to this guest's cap.
    pub retention: Retention,
    /// When it is wiped here, by the clock the room was given. `None` for a live message, which is
    /// shown for as long as the front end likes, but never kept in the history.
    pub expires: Option<Timestamp>,
}

/// The state of a room, for display. A copy; holds no message.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RoomView {
    /// The connection to the relay.
    pub connection: Connection,
    /// The link for newcomers. `None` until entered.
    pub invite: Option<Invite>,
    /// This guest. `None` until entered.
    pub me: Option<MemberId>,
    /// All members, in the same order for every member.
    pub members: Vec<Member>,
    /// The members that sent an entry lately, this guest included.
    pub here: Vec<MemberId>,
    /// The epoch.
    pub epoch: Epoch,
    /// The code that members compare. `None` until entered.
    pub safety: Option<SafetyCode>,
    /// The retention that the room allows.
    pub retention: RoomRetention,
    /// This guest's own retention settings.
    pub guest_retention: GuestRetention,
    /// Whether this is the room that the link names, as far as this guest can tell.
    pub confirmation: Confirmation,
    /// Whether a forbidden membership change keeps all members from sending.
    pub broken: bool,
    /// How many messages wait to be sent.
    pub waiting: usize,
    /// The relay's statement about its memory-only promise.
    pub posture: Posture,
    /// Why the room is over for this guest; `None` while it is not.
    pub ended: Option<Ended>,
}
