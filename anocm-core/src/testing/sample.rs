//! Sample values as a room returns them, for testing a front end without a room.

use crate::{
    id::{Epoch, MemberId, MessageId, RoomAddress, Seq},
    name::{Colour, Nickname, Tag},
    retention::{GuestRetention, Retention, RoomRetention},
    room::{Confirmation, Connection, Message, MessageText, RoomView},
    session::{Member, MemberKey, Role},
    time::Timestamp,
    wire::Posture,
};

/// Returns a member called `name`, whose id and key are derived from `number`.
#[must_use]
pub fn member(name: Nickname, number: u8, role: Role) -> Member {
    let address = RoomAddress::new([0; 16]);
    let key = MemberKey::new([number; 32]);
    Member {
        id: MemberId::new([number; 16]),
        key,
        nickname: name,
        role,
        tag: Tag::new(&address, &key),
        colour: Colour::new(&address, &key),
        look_alike: false,
    }
}

/// Returns a message from `from` to the whole room, in the log at `number`.
#[must_use]
pub fn message(
    from: &Member,
    number: u8,
    text: &str,
    retention: Retention,
    expires: Option<Timestamp>,
) -> Message {
    Message {
        id: MessageId::new([number; 16]),
        seq: Seq::new(u64::from(number)),
        from: from.clone(),
        whispered_to: None,
        own: false,
        text: MessageText::new(text.to_owned()),
        retention,
        expires,
    }
}

/// Returns the view of the first of `members`: online, in a confirmed room in which all of them are
/// present, without invite and safety code.
#[must_use]
pub fn view(members: &[Member]) -> RoomView {
    RoomView {
        connection: Connection::Online,
        invite: None,
        me: members.first().map(|member| member.id),
        members: members.to_vec(),
        here: members.iter().map(|member| member.id).collect(),
        epoch: Epoch::new(1),
        safety: None,
        retention: RoomRetention::default(),
        guest_retention: GuestRetention::default(),
        confirmation: Confirmation::Opened,
        broken: false,
        waiting: 0,
        posture: Posture::Kept,
        ended: None,
    }
}
