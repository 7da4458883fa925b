//! Delivery while the store is slow to touch a room or to read its door.

use super::{held::Stage, *};

/// Longer than any interval between two touches.
const LATER: Duration = MINUTE;

impl Stage {
    /// Appends a message to the store directly, and checks that Bob receives it.
    async fn bob_hears(&mut self, epoch: u8) {
        let said = entry(EntryKind::Message, epoch, Retention::Live);
        let seq = self.store.append(&ROOM, said, None).await.unwrap();
        assert_eq!(self.bob.entry().await.seq, seq);
    }

    /// Appends a commit to the store directly, which ends the epoch.
    async fn commit(&self, epoch: u8) -> Seq {
        let commit = entry(EntryKind::Commit, epoch, policy().handshakes);
        self.store.append(&ROOM, commit, Some(next(epoch + 1))).await.unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn a_touch_that_hangs_delays_no_delivery() {
    let mut stage = Stage::new(RelayConfig::default()).await;
    stage.store.touch.shut();
    tokio::time::sleep(LATER).await;
    stage.store.touch.reached().await;
    for _ in 0..3 {
        stage.bob_hears(0).await;
    }
    stage.store.touch.open();
    stage.bob_hears(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_door_query_that_hangs_delays_no_delivery() {
    let mut stage = Stage::new(RelayConfig::default()).await;
    let seq = stage.commit(0).await;
    stage.store.door.shut();
    stage.store.void(&ROOM, seq, next(0)).await.unwrap();
    stage.store.door.reached().await;
    assert_eq!(stage.bob.entry().await.seq, seq);
    let voided = Event::Voided { address: ROOM, seq, epoch: Epoch::new(0) };
    assert_eq!(stage.bob.event().await, voided);
    stage.bob_hears(0).await;
    stage.store.door.open();
    stage.bob_hears(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_door_that_was_looked_at_before_the_epoch_ended_settles_nothing() {
    let mut stage = Stage::new(RelayConfig::default()).await;
    let seq = stage.commit(0).await;
    stage.store.door.shut();
    stage.store.void(&ROOM, seq, next(0)).await.unwrap();
    // The door is read in epoch 0, and returned only after a member has committed.
    stage.store.door.reached().await;
    let again = stage.commit(0).await;
    assert_eq!(stage.bob.entry().await.seq, seq);
    let voided = Event::Voided { address: ROOM, seq, epoch: Epoch::new(0) };
    assert_eq!(stage.bob.event().await, voided);
    assert_eq!(stage.bob.entry().await.seq, again);
    stage.store.door.open();
    // Bob has not proven epoch 1, and receives nothing once his grace is over.
    tokio::time::sleep(RelayConfig::default().epoch_grace).await;
    assert_eq!(stage.bob.event().await, Event::Lapsed { address: ROOM });
    let said = entry(EntryKind::Message, 1, Retention::Live);
    stage.store.append(&ROOM, said, None).await.unwrap();
    stage.bob.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn an_epoch_that_stays_unverified_beyond_the_grace_is_delivered_to_no_member() {
    let mut stage = Stage::new(RelayConfig::default()).await;
    let seq = stage.commit(0).await;
    assert_eq!(stage.bob.entry().await.seq, seq);
    stage.bob.enter(1).await.unwrap();
    stage.store.door.shut();
    stage.store.void(&ROOM, seq, next(9)).await.unwrap();
    assert!(matches!(stage.bob.event().await, Event::Voided { .. }));
    stage.bob_hears(0).await;
    tokio::time::sleep(RelayConfig::default().epoch_grace).await;
    let said = entry(EntryKind::Message, 0, Retention::Live);
    stage.store.append(&ROOM, said, None).await.unwrap();
    stage.bob.hears_nothing().await;
    // Bob's proof is no longer valid.
    stage.store.door.open();
    assert_eq!(stage.bob.last_event().await, Event::Lapsed { address: ROOM });
}
