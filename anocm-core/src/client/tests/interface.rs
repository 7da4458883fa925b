//! What an embedder calls: starting a client, a room's verbs, its events as a stream, its end as an
//! error.

use std::{error::Error, sync::Arc};

use futures_core::stream::FusedStream;
use futures_util::{FutureExt, StreamExt};

use super::{Nowhere, invite, url};
use crate::{
    client::{Client, Room},
    relay::{Relay, RelayConfig},
    room::{CommandError, Ended, Message, NewRoom, RoomEvent},
    session::Role,
    store::{MemoryLimits, MemoryStore},
    time::TokioClock,
    transport::Transport,
};

fn relay() -> Arc<Relay> {
    let clock = Arc::new(TokioClock::new());
    let store = MemoryStore::new(clock.clone(), MemoryLimits::default()).unwrap();
    Relay::new(store, clock, RelayConfig::default()).unwrap()
}

fn client(transport: impl Transport) -> Client {
    let (client, driver) = Client::new(transport);
    tokio::spawn(driver);
    client
}

/// Alice, who opened the room, and Bob.
async fn two(relay: &Arc<Relay>) -> Result<[Room; 2], Box<dyn Error>> {
    let alice = client(relay.transport()).create(&NewRoom::default())?;
    alice.entered().await?;
    let invite = alice.view().invite.ok_or("no invite")?;
    let shared: Arc<dyn Transport> = Arc::new(relay.transport());
    let bob = client(shared).join(&invite.to_link().parse()?, "Bob".parse()?)?;
    bob.entered().await?;
    Ok([alice, bob])
}

async fn message(room: &mut Room) -> Message {
    loop {
        if let RoomEvent::Message(message) = room.next().await.expect("the room is over") {
            return message;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_is_known_by_the_id_that_was_returned() {
    let relay = relay();
    let [mut alice, mut bob] = two(&relay).await.unwrap();
    let said = bob.send("to all").unwrap();
    let heard = message(&mut alice).await;
    assert_eq!((heard.id, heard.text.as_ref()), (said, "to all"));
    assert_eq!(message(&mut bob).await.id, said);

    let live = crate::Retention::Live;
    let (me, to) = (bob.view().me, alice.view().me.unwrap());
    let said = bob.whisper_with_retention(to, format!("to {}", "one"), live).unwrap();
    let heard = message(&mut alice).await;
    assert_eq!((heard.id, heard.retention), (said, live));
    assert_eq!(heard.text, "to one");
    assert_eq!(heard.whispered_to.map(|member| member.id), Some(to));

    let said = alice.send_custom(7, b"body").unwrap();
    let custom = |event: Option<RoomEvent>| match event {
        Some(RoomEvent::Custom { kind: 7, body, .. }) => Some(body.to_vec()),
        _ => None,
    };
    while custom(bob.next().await).is_none_or(|body| body != b"body") {}
    assert_ne!(said, heard.id);

    alice.set_role(me.unwrap(), Role::Moderator).unwrap();
    while !matches!(bob.next().await, Some(RoomEvent::SettingsChanged { .. })) {}
    bob.rename("Robert".parse().unwrap()).unwrap();
    while !matches!(alice.next().await, Some(RoomEvent::Renamed { .. })) {}
    let before = alice.view().invite;
    bob.replace_invite().unwrap();
    while !matches!(alice.next().await, Some(RoomEvent::InviteReplaced { .. })) {}
    assert_ne!(alice.view().invite, before);
    assert_eq!(bob.close_for_all(), Err(CommandError::NotAllowed));
    assert_eq!(bob.set_role(to, Role::Member), Err(CommandError::NotAllowed));
    assert_eq!(bob.send(""), Err(CommandError::Empty));
    assert_eq!(bob.send_custom(0x8000, b""), Err(CommandError::BadKind));
    assert!(bob.send_custom(0x7fff, b"").is_ok());
}

#[tokio::test(start_paused = true)]
async fn events_are_a_stream_that_ends_with_the_room_and_loses_none() {
    let relay = relay();
    let [mut alice, mut bob] = two(&relay).await.unwrap();
    // Events are taken in turn by both interfaces, and by polls that are cancelled.
    for n in 0..20 {
        while alice.next().now_or_never().is_some() {}
        drop(alice.next().now_or_never());
        let said = bob.send(format!("number {n}")).unwrap();
        let heard = loop {
            let event = if n % 2 == 0 { alice.next().await } else { alice.next_event().await };
            if let Some(RoomEvent::Message(message)) = event {
                break message;
            }
        };
        assert_eq!(heard.id, said);
    }
    assert!(!bob.is_terminated());
    alice.close_for_all().unwrap();
    let events: Vec<_> = bob.by_ref().collect().await;
    assert!(matches!(events.last(), Some(RoomEvent::Ended(Ended::Closed(_)))), "{events:?}");
    assert!(bob.is_terminated());
    assert!(bob.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_waits_hears_of_a_room_that_is_wiped() {
    let nowhere = client(Nowhere(url()));
    let room = nowhere.join(&invite(0, 1), "Bob".parse().unwrap()).unwrap();
    let events = tokio::spawn(room.collect::<Vec<_>>());
    tokio::task::yield_now().await;
    nowhere.shutdown().await;
    assert!(matches!(events.await.unwrap()[..], [.., RoomEvent::Ended(Ended::Wiped)]));
}

#[tokio::test(start_paused = true)]
async fn leaving_is_one_call_and_says_how_the_room_ended() {
    let relay = relay();
    let [mut alice, bob] = two(&relay).await.unwrap();
    assert_eq!(bob.leave().await, Ended::Left);
    while !matches!(alice.next().await, Some(RoomEvent::Departed { .. })) {}
    alice.wipe();
    assert_eq!(alice.leave().await, Ended::Wiped);
    // A guest that is not in the room yet has left at once.
    let nowhere = client(Nowhere(url()));
    let room = nowhere.join(&invite(0, 0), "Bob".parse().unwrap()).unwrap();
    assert_eq!(room.leave().await, Ended::Left);
}

#[tokio::test(start_paused = true)]
async fn why_a_room_cannot_be_entered_is_an_error_with_its_reason() {
    let relay = relay();
    let [alice, bob] = two(&relay).await.unwrap();
    let invite = bob.view().invite.unwrap();
    alice.close_for_all().unwrap();
    assert_eq!(bob.ended().await.to_string(), "the room is over: its owner closed it");
    let enter = async || -> Result<(), Box<dyn Error>> {
        client(relay.transport()).join(&invite, "Eve".parse()?)?.entered().await?;
        Ok(())
    };
    let refused = enter().await.unwrap_err();
    assert_eq!(refused.to_string(), "there is no such room, or no longer");
}
