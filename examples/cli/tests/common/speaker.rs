//! A guest that sends many messages.

use std::sync::Arc;

use anocm_core::{
    NewRoom, RelayUrl, RoomEvent,
    client::{Client, Room},
};
use anocm_ws::client::{WsOptions, WsTransport};
use tokio::runtime::Runtime;

use super::Server;

/// Options for a relay without effective rate limits.
const UNBOUNDED: [&str; 6] = [
    "--requests-per-second=1000000",
    "--bytes-per-second=1GiB",
    "--room-entries-per-second=1000000",
    "--room-bytes-per-second=1GiB",
    "--creations-per-minute=1000",
    "--joins-per-minute=1000",
];

/// As many as fit into the send queue.
const AT_ONCE: usize = 200;

/// Rooms in which one guest sends everything, in the process of the test.
pub(crate) struct Speaker {
    runtime: Runtime,
    rooms: Vec<Room>,
    _client: Client,
    server: Server,
}

impl Speaker {
    /// Opens this many rooms for this many messages each, at relays of their own.
    pub(crate) fn open(name: &str, rooms: usize, messages: usize) -> Self {
        let server = Server::start(&UNBOUNDED);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.unwrap();
        let url = RelayUrl::parse(&server.url).unwrap();
        let transport = Arc::new(WsTransport::new(&url, WsOptions::default()).unwrap());
        let (client, driver) = Client::new(transport);
        runtime.spawn(driver);
        // A tenth is reserved for entries other than messages.
        let max_entries = u32::try_from(messages * 2).unwrap();
        let new = NewRoom { nickname: name.parse().unwrap(), max_entries, ..NewRoom::default() };
        let open = || {
            let mut room = client.create(&new).unwrap();
            runtime.block_on(heard(&mut room, |event| matches!(event, RoomEvent::Entered)));
            room
        };
        let rooms = (0..rooms).map(|_| open()).collect();
        Self { runtime, rooms, _client: client, server }
    }

    /// Returns the link of each room.
    pub(crate) fn links(&self) -> Vec<String> {
        let link = |room: &Room| room.view().invite.unwrap().to_link().to_string();
        self.rooms.iter().map(link).collect()
    }

    /// Stops the relays: from now on they send nothing, but do not close connections.
    #[cfg(unix)]
    pub(crate) fn stop_relay(&self) {
        self.server.signal(rustix::process::Signal::STOP);
    }

    /// Sends all texts in this room.
    pub(crate) fn say(&mut self, room: usize, texts: &[String]) {
        let room = self.rooms.get_mut(room).unwrap();
        self.runtime.block_on(async {
            for texts in texts.chunks(AT_ONCE) {
                for text in texts {
                    room.send(text).unwrap();
                }
                for _ in texts {
                    heard(room, |event| matches!(event, RoomEvent::Message(_))).await;
                }
            }
        });
    }
}

async fn heard(room: &mut Room, expected: impl Fn(&RoomEvent) -> bool) {
    while !expected(&room.next_event().await.unwrap()) {}
}
