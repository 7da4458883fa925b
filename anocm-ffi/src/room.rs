//! The handle of one room.

use std::sync::Arc;

use anocm_core::{MemberId, Nickname, client::Room as Core, room::Command};
use tokio::sync::watch;

use crate::{
    AnocmError, Events, GuestRetention, Message, Retention, Role, RoomRetention, RoomView,
    member::read_id, message::id_text, retention::wish,
};

/// A guest's room. Letting go of it wipes everything of the room on this side, without a word to
/// the others; `leave` leaves in good order.
///
/// Whoever has a room subscribes to its events and goes on fetching them: events that are not
/// fetched make the client stop reading from its connection after a while, for all its rooms.
#[derive(uniffi::Object)]
pub struct Room {
    core: Arc<Core>,
    /// The number of the latest subscription.
    subscriptions: watch::Sender<u64>,
}

shown_as_name!(Room);

#[uniffi::export]
impl Room {
    /// Waits until the guest is in the room and can talk. Takes no event.
    ///
    /// While the relay cannot be reached this goes on waiting: the client tries again until the
    /// room is wiped.
    ///
    /// # Errors
    /// Why the guest was not let in, or that the room is over.
    pub async fn entered(&self) -> Result<(), AnocmError> {
        Ok(self.core.entered().await?)
    }

    /// Subscribes to what happens. There is one subscription at a time: a new one ends the one
    /// before and goes on where that one stopped, so that nothing is lost or told twice.
    pub fn subscribe(&self) -> Arc<Events> {
        Events::new(self.core.clone(), self.subscriptions.clone())
    }

    /// The room's state, to be shown.
    pub fn view(&self) -> RoomView {
        self.core.view().into()
    }

    /// What is still kept of what was said, in order.
    pub fn history(&self) -> Vec<Message> {
        let now = self.core.now();
        self.core.history().iter().map(|message| Message::new(message, now)).collect()
    }

    /// Says something to everyone, at most 15,000 bytes, kept as long as `retention` says, else
    /// the guest's default, else the room's. Returns its id at once; it comes back as a message
    /// of one's own when it is in the room's log, or as not sent.
    ///
    /// # Errors
    /// When it cannot be said. Nothing has changed then.
    #[uniffi::method(default(retention = None))]
    pub fn send(&self, text: String, retention: Option<Retention>) -> Result<String, AnocmError> {
        self.queue(Command::Send { text, retention: wish(retention)? })
    }

    /// Says something that only the member with the id `to` can read. Otherwise like `say`.
    ///
    /// # Errors
    /// As of `say`, and when there is no such member.
    #[uniffi::method(default(retention = None))]
    pub fn whisper(
        &self,
        to: &str,
        text: String,
        retention: Option<Retention>,
    ) -> Result<String, AnocmError> {
        self.queue(Command::Whisper { to: find(to)?, text, retention: wish(retention)? })
    }

    /// Sends content of the program's own, at most 15,000 bytes, under a number of its choosing.
    ///
    /// # Errors
    /// As of `say`.
    #[uniffi::method(default(retention = None))]
    pub fn send_custom(
        &self,
        kind: u16,
        body: Vec<u8>,
        retention: Option<Retention>,
    ) -> Result<String, AnocmError> {
        self.queue(Command::Custom { kind, body, retention: wish(retention)? })
    }

    /// Tells the others that this guest is typing: live, dropped rather than queued.
    ///
    /// # Errors
    /// When not in the room.
    pub fn typing(&self) -> Result<(), AnocmError> {
        self.command(Command::Typing)
    }

    /// Is called something else from now on.
    ///
    /// # Errors
    /// When the name is not lawful, or not in the room.
    pub fn rename(&self, nickname: &str) -> Result<(), AnocmError> {
        self.command(Command::Rename(Nickname::new(nickname)?))
    }

    /// Removes the member with this id and replaces the invite. Owner and moderators only.
    ///
    /// # Errors
    /// When that is not allowed, or there is no such member.
    pub fn remove(&self, member: &str) -> Result<(), AnocmError> {
        self.command(Command::Remove(find(member)?))
    }

    /// Makes a member a moderator, or a moderator a member. Owner only.
    ///
    /// # Errors
    /// When that is not allowed, or there is no such member.
    pub fn set_role(&self, member: &str, role: Role) -> Result<(), AnocmError> {
        self.command(Command::SetRole(find(member)?, role.into()))
    }

    /// Changes what the room allows. Owner only.
    ///
    /// # Errors
    /// When that is not allowed, or beyond what the room was opened with.
    pub fn set_room_retention(&self, retention: RoomRetention) -> Result<(), AnocmError> {
        self.command(Command::SetRoomRetention(retention.try_into()?))
    }

    /// Changes this guest's own default and cap; messages already held are cut to the cap at once.
    ///
    /// # Errors
    /// When it is no retention.
    pub fn set_guest_retention(&self, retention: GuestRetention) -> Result<(), AnocmError> {
        self.command(Command::SetGuestRetention(retention.try_into()?))
    }

    /// Replaces the invite: the old link no longer works. Owner and moderators only.
    ///
    /// # Errors
    /// When that is not allowed.
    pub fn replace_invite(&self) -> Result<(), AnocmError> {
        self.command(Command::ReplaceInvite)
    }

    /// Commits fresh keys now. Whoever copied this guest's keys and only listens can read nothing
    /// that is said from the epoch on that the commit begins. Each member does so now and then
    /// without being asked.
    ///
    /// # Errors
    /// When not in the room.
    pub fn refresh_keys(&self) -> Result<(), AnocmError> {
        self.command(Command::RefreshKeys)
    }

    /// Leaves the room, in good order when connected, and waits until that is done: five seconds
    /// at most. Does nothing when the room is over already.
    pub async fn leave(&self) {
        // Who is not in the room has left with that.
        let _ = self.core.command(Command::Leave);
        self.core.ended().await;
    }

    /// Ends the room for everyone. Owner only. The relay erases it at once and tells everyone.
    ///
    /// # Errors
    /// When that is not allowed.
    pub fn close_for_all(&self) -> Result<(), AnocmError> {
        self.command(Command::Close)
    }

    /// The client's `reconnect`, for whoever has only the room: concerns all rooms of the client.
    pub fn reconnect(&self) {
        self.core.reconnect();
    }

    /// Wipes everything of this room on this side, at once.
    pub fn wipe(&self) {
        self.core.wipe();
    }
}

impl Room {
    pub(crate) fn new(core: Core) -> Arc<Self> {
        Arc::new(Self { core: Arc::new(core), subscriptions: watch::Sender::default() })
    }

    fn command(&self, command: Command) -> Result<(), AnocmError> {
        self.core.command(command)?;
        Ok(())
    }

    fn queue(&self, command: Command) -> Result<String, AnocmError> {
        // What is queued always has an id.
        let id = self.core.command(command)?;
        Ok(id.as_ref().map(id_text).unwrap_or_default())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // A subscription may outlive the handle.
        self.core.wipe();
    }
}

fn find(member: &str) -> Result<MemberId, AnocmError> {
    read_id(member).ok_or(AnocmError::NoSuchMember)
}
