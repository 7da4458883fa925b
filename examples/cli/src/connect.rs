//! Opens or enters a room according to the arguments.

use std::{fs, io, sync::Arc, time::Duration};

use anocm_core::{
    GuestRetention, Invite, RelayUrl,
    client::{Client, ClientConfig, ClientError, Room},
    transport::Transport,
    wire::Posture,
};
use anocm_ws::client::{WsError, WsOptions, WsTransport};

use crate::{
    args::{Common, Join, New},
    relay::{Embedded, RelayError},
};

/// How much longer the client waits than its transport, so that the transport reports the reason.
const SPARE: Duration = Duration::from_secs(30);

/// Why no room could be opened or entered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error(transparent)]
    Relay(#[from] RelayError),
    #[error(transparent)]
    Retention(#[from] anocm_core::RetentionError),
    #[error("this relay is an onion service: give the address of Tor, --socks5 127.0.0.1:9050")]
    NeedsTor,
    #[error("the file of --relay-ca cannot be read: {0}")]
    UnreadableAuthority(#[source] io::Error),
    #[error("there is no certificate in the file of --relay-ca, which must be PEM")]
    NoAuthority,
    #[error(transparent)]
    Transport(#[from] WsError),
    #[error(transparent)]
    Setting(#[from] anocm_core::SettingError),
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl ConnectError {
    /// Whether different arguments could fix the error.
    pub(crate) const fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Retention(_)
                | Self::Setting(_)
                | Self::Client(ClientError::Setting(_))
                | Self::NeedsTor
                | Self::UnreadableAuthority(_)
                | Self::NoAuthority
                | Self::Transport(WsError::Setting(_))
                | Self::Relay(RelayError::NeedsPublic(_))
        )
    }
}

/// The client of a room and everything that runs for it.
#[derive(Debug)]
pub(crate) struct Connected {
    client: Client,
    embedded: Option<Embedded>,
    /// Whether this guest opened the room.
    pub(crate) owner: bool,
    /// The retention settings that this guest applies once in the room.
    pub(crate) wishes: GuestRetention,
}

impl Connected {
    /// Opens a room. `posture` is what this process found out about its own hardening.
    pub(crate) async fn open(new: &New, posture: Posture) -> Result<(Self, Room), ConnectError> {
        let room = new.room()?;
        let (transport, embedded) = match &new.relay {
            Some(url) => (reach(url, &new.common)?, None),
            None => {
                let embedded = Embedded::start(new.listen, new.public.clone(), posture).await?;
                let transport: Arc<dyn Transport> = Arc::new(embedded.transport());
                (transport, Some(embedded))
            }
        };
        let client = start(transport, &new.common)?;
        let room = client.create(&room)?;
        let wishes = GuestRetention { default: None, cap: new.common.cap };
        Ok((Self { client, embedded, owner: true, wishes }, room))
    }

    /// Enters the room of an invite.
    pub(crate) fn enter(join: &Join, invite: &Invite) -> Result<(Self, Room), ConnectError> {
        let transport = reach(invite.relay(), &join.common)?;
        let client = start(transport, &join.common)?;
        let room = client.join(invite, join.common.nick.clone())?;
        let wishes = GuestRetention { default: join.keep, cap: join.common.cap };
        Ok((Self { client, embedded: None, owner: false, wishes }, room))
    }

    /// Describes which clients can reach the relay inside this program, if there is one.
    pub(crate) fn reach(&self) -> Option<String> {
        self.embedded.as_ref().map(Embedded::reach)
    }

    /// Stops everything that runs. The client may take as long as the network does, and an embedded
    /// relay `within`.
    pub(crate) async fn stop(self, within: Duration) {
        self.client.shutdown().await;
        if let Some(embedded) = self.embedded {
            embedded.stop(within).await;
        }
    }
}

fn start(transport: Arc<dyn Transport>, common: &Common) -> Result<Client, ConnectError> {
    let mut config = ClientConfig::default();
    if let Some(within) = common.connect_within {
        config.connect_timeout = within.saturating_add(SPARE);
    }
    let (client, driver) = Client::with_config(transport, config)?;
    tokio::spawn(driver);
    Ok(client)
}

fn reach(url: &RelayUrl, common: &Common) -> Result<Arc<dyn Transport>, ConnectError> {
    if url.is_onion() && common.socks5.is_none() {
        return Err(ConnectError::NeedsTor);
    }
    let mut options = WsOptions {
        socks5: common.socks5.map(|address| address.to_string()),
        connect_within: common.connect_within,
        ..WsOptions::default()
    };
    if let Some(file) = &common.relay_ca {
        let pem = fs::read(file).map_err(ConnectError::UnreadableAuthority)?;
        options.trust_pem(&pem).map_err(|_| ConnectError::NoAuthority)?;
    }
    Ok(Arc::new(WsTransport::new(url, options)?))
}
