//! Everyone in a room is told who ended it, before anything else can tell that it is gone.

use super::{held::Stage, *};
use crate::wire::CloseReason;

const CLOSED: Event = Event::Closed { address: ROOM, reason: CloseReason::Owner };

#[tokio::test(start_paused = true)]
async fn a_relay_that_stops_right_after_has_told_who_ended_the_room() {
    let Stage { store, relay, mut alice, mut bob } = Stage::new(RelayConfig::default()).await;
    // The store's feed is slower than the owner.
    store.end.shut();
    assert_eq!(alice.ask(close(OWNER)).await, Ok(Reply::Done));
    relay.shutdown(true).await;
    let leaving = Event::GoingAway { rooms_end: true };
    for guest in [&mut alice, &mut bob] {
        assert_eq!(guest.last_words().await, [CLOSED, leaving.clone()]);
    }
}
