//! The handle of one room.

use std::sync::Arc;

use anocm_core::{MemberId, client::Room as Core};
use tokio::sync::watch;

use crate::{
    AnocmError, Events, GuestRetention, Message, Retention, Role, RoomRetention, RoomView,
    member::read_id, message::id_text, retention::wish,
};

/// A guest's room. Dropping it wipes everything of the room on this side, without notice to the
/// other members; `leave` leaves properly.
///
/// The program must subscribe to a room's events and keep fetching them: when events are not
/// fetched, backpressure makes the client stop reading from its connection, for all its rooms.
#[derive(uniffi::Object)]
pub struct Room {
    core: Arc<Core>,
    /// The number of the latest subscription.
    subscriptions: watch::Sender<u64>,
}

shown_as_name!(Room);

#[uniffi::export]
impl Room {
    /// Waits until the guest is in the room and can send. Takes no event.
    ///
    /// While the relay cannot be reached, this keeps waiting: the client retries until the room is
    /// wiped.
    ///
    /// # Errors
    /// Why the guest could not join, or that the room has ended.
    pub async fn entered(&self) -> Result<(), AnocmError> {
        Ok(self.core.entered().await?)
    }

    /// Subscribes to the room's events. There is one subscription at a time: a new one ends the
    /// previous one and continues where that stopped, so that no event is lost or delivered twice.
    pub fn subscribe(&self) -> Arc<Events> {
        Events::new(self.core.clone(), self.subscriptions.clone())
    }

    /// Returns the room's state, for display.
    pub fn view(&self) -> RoomView {
        self.core.view().into()
    }

    /// Returns the messages that are still kept, in order.
    pub fn history(&self) -> Vec<Message> {
        let now = self.core.now();
        self.core.history().iter().map(|message| Message::new(message, now)).collect()
    }

    /// Sends a message to all members, at most 15,000 bytes, kept for `retention`, else for the
    /// guest's default, else for the room's. Returns its id at once; later there is an event with
    /// one's own message when it is in the room's log, or an event that it was not sent.
    ///
    /// # Errors
    /// When it cannot be sent. The state is unchanged then.
    #[uniffi::method(default(retention = None))]
    pub fn send(&self, text: String, retention: Option<Retention>) -> Result<String, AnocmError> {
        Ok(id_text(&match wish(retention)? {
            None => self.core.send(text)?,
            Some(retention) => self.core.send_with_retention(text, retention)?,
        }))
    }

    /// Sends a message that only the member with the id `to` can read. Otherwise like `send`.
    ///
    /// # Errors
    /// As for `send`, and when there is no such member.
    #[uniffi::method(default(retention = None))]
    pub fn whisper(
        &self,
        to: &str,
        text: String,
        retention: Option<Retention>,
    ) -> Result<String, AnocmError> {
        let to = find(to)?;
        Ok(id_text(&match wish(retention)? {
            None => self.core.whisper(to, text)?,
            Some(retention) => self.core.whisper_with_retention(to, text, retention)?,
        }))
    }

    /// Sends application-defined content, at most 15,000 bytes, under a number that the program
    /// chooses.
    ///
    /// # Errors
    /// As for `send`.
    #[uniffi::method(default(retention = None))]
    pub fn send_custom(
        &self,
        kind: u16,
        body: Vec<u8>,
        retention: Option<Retention>,
    ) -> Result<String, AnocmError> {
        Ok(id_text(&match wish(retention)? {
            None => self.core.send_custom(kind, body)?,
            Some(retention) => self.core.send_custom_with_retention(kind, body, retention)?,
        }))
    }

    /// Notifies the other members that this guest is typing: live, dropped rather than queued.
    ///
    /// # Errors
    /// When not in the room.
    pub fn typing(&self) -> Result<(), AnocmError> {
        Ok(self.core.typing()?)
    }

    /// Changes this guest's nickname.
    ///
    /// # Errors
    /// When the nickname is invalid, or the guest is not in the room.
    pub fn rename(&self, nickname: &str) -> Result<(), AnocmError> {
        self.core.rename(nickname.parse()?)?;
        Ok(())
    }

    /// Removes the member with this id and replaces the invite. Owner and moderators only.
    ///
    /// # Errors
    /// When that is not allowed, or there is no such member.
    pub fn remove(&self, member: &str) -> Result<(), AnocmError> {
        self.core.remove(find(member)?)?;
        Ok(())
    }

    /// Makes a member a moderator, or a moderator a member, which replaces the invite. Owner only.
    ///
    /// # Errors
    /// When that is not allowed, or there is no such member.
    pub fn set_role(&self, member: &str, role: Role) -> Result<(), AnocmError> {
        self.core.set_role(find(member)?, role.into())?;
        Ok(())
    }

    /// Changes the room's retention limits. Owner only.
    ///
    /// # Errors
    /// When that is not allowed, or exceeds the limits the room was opened with.
    pub fn set_room_retention(&self, retention: RoomRetention) -> Result<(), AnocmError> {
        self.core.set_room_retention(retention.try_into()?)?;
        Ok(())
    }

    /// Changes this guest's own default and cap; messages already held are cut to the cap at once.
    ///
    /// # Errors
    /// When it is not a valid retention.
    pub fn set_guest_retention(&self, retention: GuestRetention) -> Result<(), AnocmError> {
        self.core.set_guest_retention(retention.try_into()?);
        Ok(())
    }

    /// Replaces the invite: the old link no longer works. Owner and moderators only.
    ///
    /// # Errors
    /// When that is not allowed.
    pub fn replace_invite(&self) -> Result<(), AnocmError> {
        self.core.replace_invite()?;
        Ok(())
    }

    /// Commits fresh keys now. An eavesdropper with a copy of this guest's old keys cannot read
    /// messages from the epoch on that the commit begins. Each member does this regularly by
    /// itself.
    ///
    /// # Errors
    /// When the guest is not in the room.
    pub fn refresh_keys(&self) -> Result<(), AnocmError> {
        self.core.refresh_keys()?;
        Ok(())
    }

    /// Leaves the room, properly when connected, and waits until that is done: five seconds at
    /// most. Does nothing when the room has ended already.
    pub async fn leave(&self) {
        self.core.leave().await;
    }

    /// Ends the room for all members. Owner only. The relay erases it at once and notifies all
    /// members.
    ///
    /// # Errors
    /// When that is not allowed.
    pub fn close_for_all(&self) -> Result<(), AnocmError> {
        Ok(self.core.close_for_all()?)
    }

    /// The client's `reconnect`, for code that has only the room: affects all rooms of the client.
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
