//! More epochs than a door's history holds.

use super::*;
use crate::store::MAX_EPOCHS;

/// How many epochs are no longer in the history.
const FORGOTTEN: u64 = 7;
/// The room's current epoch.
const CURRENT: u64 = MAX_EPOCHS as u64 - 1 + FORGOTTEN;

fn member(epoch: u64) -> Token {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&epoch.to_be_bytes());
    Token::new(Secret::new(bytes))
}

fn enter(epoch: u64) -> Request {
    Request::Enter { address: ROOM, epoch: Epoch::new(epoch), member: member(epoch) }
}

/// A room whose log consists of commits only, the last of which began `CURRENT`; and Bob, who
/// proved epoch 0 when that was the current one.
async fn long_past() -> (World, Guest) {
    let world = World::new();
    let first = NextEpoch { member: member(0).hash(), ..next(0) };
    let genesis = Genesis { policy: policy(), owner: token(OWNER).hash(), first };
    world.store.create(&ROOM, genesis).await.unwrap();
    let mut bob = world.guest().await;
    assert!(bob.ask(enter(0)).await.is_ok());
    for epoch in 0..CURRENT {
        let commit =
            Entry { epoch: Epoch::new(epoch), ..entry(EntryKind::Commit, 0, policy().handshakes) };
        let next = NextEpoch { member: member(epoch + 1).hash(), ..next(0) };
        world.store.append(&ROOM, commit, Some(next)).await.unwrap();
    }
    // Let the relay receive the commits.
    tokio::time::sleep(MOMENT).await;
    (world, bob)
}

#[tokio::test(start_paused = true)]
async fn an_epoch_beyond_the_history_is_not_admitted_and_the_first_within_it_is() {
    let (world, mut bob) = long_past().await;
    // The epoch that Bob has proven is beyond the history by now.
    assert_eq!(bob.ask(read(0)).await, Err(Refusal::NotAdmitted));
    assert_eq!(bob.say(0, kept(MINUTE)).await, Err(Refusal::NotAdmitted));
    let mut carol = world.guest().await;
    for epoch in [0, FORGOTTEN - 1] {
        assert_eq!(carol.ask(enter(epoch)).await, Err(Refusal::NotAdmitted));
    }
    let Ok(Reply::Entered(entered)) = carol.ask(enter(FORGOTTEN)).await else {
        panic!("not admitted");
    };
    assert_eq!((entered.current.value(), entered.head.value()), (CURRENT, CURRENT));
    assert_eq!(entered.began.value(), FORGOTTEN);
    // It gives access to the log up to its own end, including earlier entries that are still kept.
    let page = carol.read(FORGOTTEN).await.unwrap();
    assert_eq!((places(&page), page.more), (vec![FORGOTTEN + 1], false));
    assert!(carol.ask(enter(CURRENT)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_history_stays_as_long_as_it_may_be() {
    let (world, _bob) = long_past().await;
    let door = world.store.door(&ROOM).await.unwrap();
    assert_eq!(door.epochs.len(), MAX_EPOCHS);
    let ends = [door.epochs[0].epoch.value(), door.epoch().value()];
    assert_eq!(ends, [FORGOTTEN, CURRENT]);
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_epoch_before_is_forgotten_cannot_be_voided() {
    let (world, _bob) = long_past().await;
    let mut alice = world.guest().await;
    let before = world.store.door(&ROOM).await.unwrap();
    let void = |seq| Request::Void {
        address: ROOM,
        token: token(OWNER),
        seq: Seq::new(seq),
        restored: NextEpoch { member: member(FORGOTTEN).hash(), ..next(1) },
    };
    for seq in [0, 1, FORGOTTEN - 1, FORGOTTEN] {
        assert_eq!(alice.ask(void(seq)).await, stale(CURRENT));
    }
    assert_eq!(world.store.door(&ROOM).await.unwrap(), before);
    // The first commit that can be voided voids everything after it as well.
    assert_eq!(alice.ask(void(FORGOTTEN + 1)).await, Ok(Reply::Done));
    let door = world.store.door(&ROOM).await.unwrap();
    assert_eq!((door.epoch().value(), door.epochs.len()), (FORGOTTEN, 1));
    assert!(alice.ask(enter(FORGOTTEN)).await.is_ok());
}
