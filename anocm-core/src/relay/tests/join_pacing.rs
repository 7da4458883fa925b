//! Join pacing.

use super::*;

fn crowded(answer: Result<Reply, Refusal>) -> u64 {
    match answer {
        Err(Refusal::Crowded { retry_after }) => retry_after.into(),
        other => panic!("not crowded but {other:?}"),
    }
}

/// A room with as many pending joins as are let in without pacing.
async fn crowd(world: &World) -> (Guest, Vec<Guest>) {
    let alice = world.alice().await;
    let mut others = Vec::new();
    for _ in 0..4 {
        let mut other = world.guest().await;
        assert!(other.ask(look(DOOR)).await.is_ok());
        others.push(other);
    }
    (alice, others)
}

#[tokio::test(start_paused = true)]
async fn a_turn_comes_when_it_was_said_to_come_and_is_ones_own() {
    let world = World::new();
    let (mut alice, _others) = crowd(&world).await;
    let (mut bob, mut carol) = (world.guest().await, world.guest().await);
    let his = crowded(bob.ask(look(DOOR)).await);
    let hers = crowded(carol.ask(look(DOOR)).await);
    assert!(0 < his && his < hers, "{his} {hers}");
    // Another query does not make the slot earlier or later.
    assert_eq!(crowded(bob.ask(look(DOOR)).await), his);
    // Members' door queries are not paced.
    assert!(alice.ask(look(DOOR)).await.is_ok());
    tokio::time::sleep(Duration::from_millis(his)).await;
    assert!(bob.ask(look(DOOR)).await.is_ok());
    assert_eq!(crowded(carol.ask(look(DOOR)).await), hers - his);
    tokio::time::sleep(Duration::from_millis(hers - his)).await;
    assert!(carol.ask(look(DOOR)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_overtaken_join_needs_no_other_turn() {
    let world = World::new();
    let (_alice, mut others) = crowd(&world).await;
    let mut bob = others.pop().unwrap();
    let mut carol = others.pop().unwrap();
    assert_eq!(accepted(carol.ask(join(DOOR, 0)).await), Ok(1));
    let current = Epoch::new(1);
    assert_eq!(bob.ask(join(DOOR, 0)).await, Err(Refusal::StaleEpoch { current }));
    assert!(bob.ask(look(DOOR)).await.is_ok());
    // But only one query, and only for a client that had queried the door.
    crowded(bob.ask(look(DOOR)).await);
    let mut mallory = world.guest().await;
    assert_eq!(mallory.ask(join(DOOR, 0)).await, Err(Refusal::StaleEpoch { current }));
    crowded(mallory.ask(look(DOOR)).await);
}

#[tokio::test(start_paused = true)]
async fn a_guest_who_cannot_open_the_door_takes_no_turn() {
    let world = World::new();
    let _alice = world.alice().await;
    for _ in 0..100 {
        let refused = world.guest().await.ask(look(0x99)).await;
        assert_eq!(refused, Err(Refusal::NotAdmitted));
    }
    assert!(world.guest().await.ask(look(DOOR)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_door_of_another_room_is_another_door() {
    let world = World::new();
    let _alice = crowd(&world).await;
    let mut bob = world.guest().await;
    let there = RoomAddress::new([9; 16]);
    assert_eq!(bob.ask(create(there, policy())).await, Ok(Reply::Done));
    let mut carol = world.guest().await;
    let look = Request::Look { address: there, door: token(DOOR) };
    assert!(carol.ask(look).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_guest_waiting_for_a_turn_is_not_idle() {
    let world = World::with(RelayConfig { idle_timeout: SECOND, ..RelayConfig::default() });
    let (_alice, _others) = crowd(&world).await;
    let mut crowd = Vec::new();
    for _ in 0..30 {
        let mut guest = world.guest().await;
        let wait = crowded(guest.ask(look(DOOR)).await);
        crowd.push((guest, wait));
    }
    let (mut last, wait) = crowd.pop().unwrap();
    assert!(wait > 2_000, "{wait}");
    tokio::time::sleep(Duration::from_millis(wait)).await;
    assert!(last.ask(look(DOOR)).await.is_ok());
    // After that it is subject to the idle timeout like any other connection.
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(last.last_words().await, []);
}

#[tokio::test(start_paused = true)]
async fn turns_that_are_not_used_do_not_slow_the_door() {
    let world = World::new();
    let (_alice, mut others) = crowd(&world).await;
    tokio::time::sleep(2 * SECOND).await;
    for other in &mut others {
        assert!(other.ask(join(DOOR, 9)).await.is_err());
    }
    let mut waits = Vec::new();
    for _ in 0..6 {
        waits.push(world.guest().await.ask(look(DOOR)).await);
    }
    assert_eq!(crowded(waits.pop().unwrap()) - crowded(waits.pop().unwrap()), 100);
}
