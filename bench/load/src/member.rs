//! Guests with full cryptography, as in real programs.

use std::{sync::Arc, time::Duration};

use anocm_core::{
    Invite, NewRoom, Nickname, RelayUrl, RoomEvent, SettingError,
    client::{Client, ClientConfig, ClientError, Room},
    room::{CommandError, Connection, Ended},
};
use anocm_ws::{
    Timing,
    client::{WsError, WsOptions, WsTransport},
};
use tokio::{task::JoinHandle, time::timeout};

use crate::faults::{CutHandle, Cuttable};

/// Many guests on one machine are slow, and must not time out for that reason.
const PATIENCE: Duration = Duration::from_secs(600);

/// Why a guest cannot start, or did not join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MemberError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("a command was refused: {0}")]
    Command(#[from] CommandError),
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error(transparent)]
    Transport(#[from] WsError),
    #[error("a room could not be entered, or ended: {}", why(*.0))]
    Ended(Ended),
    #[error("the room was not entered in time")]
    Late,
    #[error("what was waited for in a room did not come in time")]
    Silent,
}

/// A guest with its own client. Dropping it cuts the connection abruptly.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) room: Room,
    client: Client,
    cut_handle: CutHandle,
    driving: JoinHandle<()>,
}

impl Member {
    /// Opens a room. Does not wait until it is entered.
    pub(crate) fn open(relay: &RelayUrl, new: &NewRoom) -> Result<Self, MemberError> {
        Self::start(relay, |client| client.create(new))
    }

    /// Starts to join a room. Does not wait until it is entered.
    pub(crate) fn join(invite: &Invite) -> Result<Self, MemberError> {
        Self::start(invite.relay(), |client| client.join(invite, Nickname::default()))
    }

    fn start(
        relay: &RelayUrl,
        begin: impl FnOnce(&Client) -> Result<Room, ClientError>,
    ) -> Result<Self, MemberError> {
        let timing = Timing { dead_after: PATIENCE, ..Timing::default() };
        let options = WsOptions { connect_within: Some(PATIENCE), timing, ..WsOptions::default() };
        let (transport, cut_handle) = Cuttable::new(Arc::new(WsTransport::new(relay, options)?));
        let config = ClientConfig {
            connect_timeout: PATIENCE,
            greeting_timeout: PATIENCE,
            answer_timeout: PATIENCE,
            ..ClientConfig::default()
        };
        let (client, driver) = Client::with_config(transport, config)?;
        let driving = tokio::spawn(driver);
        Ok(Self { room: begin(&client)?, client, cut_handle, driving })
    }

    /// Waits until the guest has entered.
    pub(crate) async fn enter(&mut self, within: Duration) -> Result<(), MemberError> {
        timeout(within, self.entered()).await.unwrap_or(Err(MemberError::Late))
    }

    async fn entered(&mut self) -> Result<(), MemberError> {
        while let Some(event) = self.room.next_event().await {
            match event {
                RoomEvent::Entered => return Ok(()),
                RoomEvent::Ended(ended) => return Err(MemberError::Ended(ended)),
                _ => {}
            }
        }
        Err(MemberError::Ended(Ended::Wiped))
    }

    /// Waits until the guest is connected and up to date, once entered. From then on a live message
    /// reaches it; one that was sent before may not have.
    pub(crate) async fn online(&mut self, within: Duration) -> Result<(), MemberError> {
        if self.room.view().connection == Connection::Online {
            return Ok(());
        }
        let is_online = |event: &RoomEvent| {
            matches!(event, RoomEvent::Connection(Connection::Online)).then_some(())
        };
        self.until(within, is_online).await
    }

    /// Returns the room's link, once entered.
    pub(crate) fn invite(&self) -> Result<Invite, MemberError> {
        self.room.view().invite.ok_or(MemberError::Late)
    }

    /// Waits for an event for which `wanted` returns a value.
    pub(crate) async fn until<T>(
        &mut self,
        within: Duration,
        mut wanted: impl FnMut(&RoomEvent) -> Option<T>,
    ) -> Result<T, MemberError> {
        let waiting = async {
            while let Some(event) = self.room.next_event().await {
                if let Some(found) = wanted(&event) {
                    return Ok(found);
                }
                if let RoomEvent::Ended(ended) = event {
                    return Err(MemberError::Ended(ended));
                }
            }
            Err(MemberError::Ended(Ended::Wiped))
        };
        timeout(within, waiting).await.unwrap_or(Err(MemberError::Silent))
    }

    /// Cuts the connection. The guest reconnects.
    pub(crate) fn cut(&self) {
        self.cut_handle.cut();
    }

    /// Stops the guest abruptly, together with its connection.
    pub(crate) fn vanish(self) {
        self.driving.abort();
    }

    /// Ends the guest, and returns when none of its tasks runs any more.
    pub(crate) async fn end(self) {
        self.client.shutdown().await;
    }
}

fn why(ended: Ended) -> String {
    match ended {
        Ended::NotLetIn(failure) => failure.to_string(),
        other => format!("{other:?}").to_lowercase(),
    }
}
