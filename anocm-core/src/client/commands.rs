//! What a guest can do in a room.

use super::Room;
use crate::{
    id::{MemberId, MessageId},
    name::Nickname,
    retention::{GuestRetention, Retention, RoomRetention},
    room::{Command, CommandError, Ended},
    session::Role,
};

impl Room {
    /// Sends a message to all members: 1 to 15,000 bytes. It is kept for this guest's default
    /// retention, else for the room's.
    ///
    /// # Errors
    /// [`CommandError`]; then nothing has changed.
    pub fn send(&self, text: impl Into<String>) -> Result<MessageId, CommandError> {
        self.queue(Command::Send { text: text.into(), retention: None })
    }

    /// Sends a message to all members that is kept for `retention`, raised to the room's smallest
    /// and cut to its largest and to this guest's cap. Otherwise like [`send`](Self::send).
    ///
    /// # Errors
    /// [`CommandError`]; then nothing has changed.
    pub fn send_with_retention(
        &self,
        text: impl Into<String>,
        retention: Retention,
    ) -> Result<MessageId, CommandError> {
        self.queue(Command::Send { text: text.into(), retention: Some(retention) })
    }

    /// Sends a message that only one member can read. Otherwise like [`send`](Self::send).
    ///
    /// # Errors
    /// [`CommandError`]; then nothing has changed.
    pub fn whisper(
        &self,
        to: MemberId,
        text: impl Into<String>,
    ) -> Result<MessageId, CommandError> {
        self.queue(Command::Whisper { to, text: text.into(), retention: None })
    }

    /// Sends a message that only one member can read and that is kept for `retention`, as in
    /// [`send_with_retention`](Self::send_with_retention).
    ///
    /// # Errors
    /// [`CommandError`]; then nothing has changed.
    pub fn whisper_with_retention(
        &self,
        to: MemberId,
        text: impl Into<String>,
        retention: Retention,
    ) -> Result<MessageId, CommandError> {
        self.queue(Command::Whisper { to, text: text.into(), retention: Some(retention) })
    }

    /// Sends content that the program defines, at most 15,000 bytes, under a type number of its
    /// own, below 0x8000. Members receive it as [`RoomEvent::Custom`](crate::RoomEvent::Custom).
    ///
    /// # Errors
    /// [`CommandError`]; then nothing has changed.
    pub fn send_custom(
        &self,
        kind: u16,
        body: impl Into<Vec<u8>>,
    ) -> Result<MessageId, CommandError> {
        self.queue(Command::Custom { kind, body: body.into(), retention: None })
    }

    /// Sends content that the program defines and that is kept for `retention`, as in
    /// [`send_with_retention`](Self::send_with_retention). Otherwise like
    /// [`send_custom`](Self::send_custom).
    ///
    /// # Errors
    /// [`CommandError`]; then nothing has changed.
    pub fn send_custom_with_retention(
        &self,
        kind: u16,
        body: impl Into<Vec<u8>>,
        retention: Retention,
    ) -> Result<MessageId, CommandError> {
        self.queue(Command::Custom { kind, body: body.into(), retention: Some(retention) })
    }

    /// Signals that this guest is typing: live, and dropped rather than queued.
    ///
    /// # Errors
    /// [`CommandError::NotInRoom`].
    pub fn typing(&self) -> Result<(), CommandError> {
        self.command(Command::Typing).map(drop)
    }

    /// Changes this guest's nickname.
    ///
    /// # Errors
    /// [`CommandError`]; then nothing has changed.
    pub fn rename(&self, nickname: Nickname) -> Result<MessageId, CommandError> {
        self.queue(Command::Rename(nickname))
    }

    /// Removes a member and replaces the invite. Owner and moderators only.
    ///
    /// # Errors
    /// [`CommandError`]; then nothing has changed.
    pub fn remove(&self, member: MemberId) -> Result<MessageId, CommandError> {
        self.queue(Command::Remove(member))
    }

    /// Makes a member a moderator, or a moderator a member, which replaces the invite. Owner only.
    ///
    /// # Errors
    /// [`CommandError`]; then nothing has changed.
    pub fn set_role(&self, member: MemberId, role: Role) -> Result<MessageId, CommandError> {
        self.queue(Command::SetRole(member, role))
    }

    /// Changes the retention that the room allows. Owner only; cannot exceed the policy with which
    /// the room was opened at the relay.
    ///
    /// # Errors
    /// [`CommandError`]; then nothing has changed.
    pub fn set_room_retention(&self, retention: RoomRetention) -> Result<MessageId, CommandError> {
        self.queue(Command::SetRoomRetention(retention))
    }

    /// Changes this guest's own default and cap, in this process only; messages already held are
    /// cut to the cap at once. Possible before the guest is in the room.
    pub fn set_guest_retention(&self, retention: GuestRetention) {
        // Is carried out in every state of the room.
        let _ = self.command(Command::SetGuestRetention(retention));
    }

    /// Replaces the invite: the old link no longer works. Owner and moderators only.
    ///
    /// # Errors
    /// [`CommandError`]; then nothing has changed.
    pub fn replace_invite(&self) -> Result<MessageId, CommandError> {
        self.queue(Command::ReplaceInvite)
    }

    /// Commits fresh keys now. An attacker that copied this guest's keys and only listens can read
    /// nothing that is sent from the epoch on that the commit begins. Each client does so
    /// periodically by itself.
    ///
    /// # Errors
    /// [`CommandError`]; then nothing has changed.
    pub fn refresh_keys(&self) -> Result<MessageId, CommandError> {
        self.queue(Command::RefreshKeys)
    }

    /// Leaves the room and waits until that is done, five seconds at most: when connected, what was
    /// queued before is sent first, and the other members are notified. Returns how the room ended,
    /// which is not [`Ended::Left`] when it had ended before. Takes no event.
    ///
    /// When the future is dropped after its first poll, the guest leaves nevertheless, as long as the
    /// handle is kept. Like everything else it takes a driver that is polled.
    pub async fn leave(&self) -> Ended {
        // Is carried out in every state of the room: a guest that is not in it has left at once.
        let _ = self.command(Command::Leave);
        self.ended().await
    }

    /// Ends the room for all members. Owner only. Messages queued before are sent first, if that
    /// takes no longer than three seconds; nothing can be sent after it. Does not wait: see
    /// [`ended`](Self::ended).
    ///
    /// # Errors
    /// [`CommandError::NotAllowed`], [`CommandError::NotInRoom`].
    pub fn close_for_all(&self) -> Result<(), CommandError> {
        self.command(Command::Close).map(drop)
    }
}
