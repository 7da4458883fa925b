//! Joins that members take back.

use super::*;

/// A member asks to have the entry at `seq` taken back; epoch 0 is to go on.
async fn takes_back(member: &mut Guest, seq: u64) -> Result<Reply, Refusal> {
    member.ask(void(0, seq, 9)).await
}

fn unsettled(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_join_that_no_member_has_followed_is_taken_back_after_three_seconds() {
    let world = World::new();
    let _alice = world.alice().await;
    let mut bob = world.member().await;
    let mut mallory = world.guest().await;
    assert_eq!(accepted(mallory.ask(join(DOOR, 0)).await), Ok(1));
    mallory.enter(1).await.unwrap();
    let early = takes_back(&mut bob, 1).await;
    assert_eq!(early, Err(Refusal::Busy { retry_after: 3_000 }));
    tokio::time::sleep(unsettled(3)).await;
    assert_eq!(takes_back(&mut mallory, 1).await, Err(Refusal::NotAdmitted));
    assert_eq!(takes_back(&mut bob, 1).await, Ok(Reply::Done));
    // The hash is the room's own, not the one that Bob sent.
    let mut carol = world.guest().await;
    assert!(carol.enter(0).await.is_ok());
    assert_eq!(mallory.say(1, Retention::Live).await, Err(Refusal::NotAdmitted));
}

#[tokio::test(start_paused = true)]
async fn a_join_that_a_member_has_followed_is_not_taken_back() {
    let world = World::new();
    let mut alice = world.alice().await;
    let mut bob = world.member().await;
    let mut carol = world.guest().await;
    assert_eq!(accepted(carol.ask(join(DOOR, 0)).await), Ok(1));
    carol.enter(1).await.unwrap();
    alice.enter(1).await.unwrap();
    tokio::time::sleep(unsettled(4)).await;
    assert_eq!(takes_back(&mut bob, 1).await, Err(Refusal::Unlawful));
    assert_eq!(bob.ask(void(OWNER, 1, 0)).await, Ok(Reply::Done));
}

#[tokio::test(start_paused = true)]
async fn who_made_a_false_hash_cannot_take_back_the_join_that_came_after_it() {
    let world = World::new();
    let mut alice = world.alice().await;
    let mut mallory = world.member().await;
    // Only Mallory can prove this epoch.
    let hers = NextEpoch { member: token(0x66).hash(), ..next(1) };
    let commit = entry(EntryKind::Commit, 0, policy().handshakes);
    mallory.publish(commit, Some(hers)).await.unwrap();
    let mut carol = world.guest().await;
    let seq = accepted(carol.ask(join(DOOR, 1)).await).unwrap();
    carol.enter(2).await.unwrap();
    assert_eq!(alice.enter(1).await, Err(Refusal::NotAdmitted));
    alice.enter(2).await.unwrap();
    assert!(mallory.ask(enter(1, 0x66)).await.is_ok());
    tokio::time::sleep(unsettled(4)).await;
    let taken_back = mallory.ask(void(0x66, seq, 9)).await;
    assert_eq!(taken_back, Err(Refusal::Unlawful));
}

#[tokio::test(start_paused = true)]
async fn an_owner_who_comes_back_settles_their_own_join() {
    for proves in [true, false] {
        let world = World::new();
        drop(world.alice().await);
        let mut bob = world.member().await;
        let mut alice = world.guest().await;
        if proves {
            assert!(alice.ask(enter(0, OWNER)).await.is_ok());
        }
        assert_eq!(accepted(alice.ask(join(DOOR, 0)).await), Ok(1));
        alice.enter(1).await.unwrap();
        tokio::time::sleep(unsettled(4)).await;
        let expected = if proves { Err(Refusal::Unlawful) } else { Ok(Reply::Done) };
        assert_eq!(takes_back(&mut bob, 1).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn the_door_is_shut_for_a_while_to_those_who_have_proven_nothing() {
    let world = World::new();
    let _alice = world.alice().await;
    let mut bob = world.member().await;
    for seconds in [10, 20, 40] {
        let mut mallory = world.guest().await;
        let seq = accepted(mallory.ask(join(DOOR, 0)).await).unwrap();
        mallory.enter(1).await.unwrap();
        // Another door hash, for as long as her branch lasts.
        let locked = NextEpoch { door: token(0x77).hash(), ..next(2) };
        let commit = entry(EntryKind::Commit, 1, policy().handshakes);
        mallory.publish(commit, Some(locked)).await.unwrap();
        tokio::time::sleep(unsettled(3)).await;
        assert_eq!(takes_back(&mut bob, seq).await, Ok(Reply::Done));

        let mut carol = world.guest().await;
        let retry_after = seconds * 1_000;
        for request in [look(DOOR), join(DOOR, 0)] {
            assert_eq!(carol.ask(request).await, Err(Refusal::Busy { retry_after }));
        }
        assert!(bob.ask(look(DOOR)).await.is_ok(), "a member looks after the door");
        tokio::time::sleep(unsettled(u64::from(seconds))).await;
        assert!(carol.ask(look(DOOR)).await.is_ok());
        assert!(bob.enter(0).await.is_ok());
    }
}
