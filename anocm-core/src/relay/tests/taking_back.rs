//! Joins that members take back.

use super::*;

/// A member requests to take back the entry at `seq`; epoch 0 is to continue.
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
    // The restored hash is the room's own, not the one that Bob sent.
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
async fn a_commit_of_the_owner_settles_the_joins_that_the_owner_could_not_prove() {
    for commits in [true, false] {
        let world = World::new();
        let mut alice = world.alice().await;
        let mut mallory = world.member().await;
        // Only Mallory can prove the epochs after the first one.
        let hers = |epoch| NextEpoch { member: token(0x66).hash(), ..next(epoch) };
        let handshake = |kind, epoch| entry(kind, epoch, policy().handshakes);
        for epoch in [0, 1] {
            let commit = handshake(EntryKind::Commit, epoch);
            mallory.publish(commit, Some(hers(epoch + 1))).await.unwrap();
            assert!(mallory.ask(enter(epoch + 1, 0x66)).await.is_ok());
        }
        let (address, door) = (ROOM, token(DOOR));
        let entry = handshake(EntryKind::Join, 2);
        let joined = Request::Join { address, door, entry, next: hers(3) };
        let seq = accepted(world.guest().await.ask(joined).await).unwrap();
        assert_eq!(alice.enter(3).await, Err(Refusal::NotAdmitted));
        assert!(alice.ask(enter(3, OWNER)).await.is_ok());
        if commits {
            // Alice's commit comes too late, and still settles the joins that led to its epoch.
            mallory.ask(enter(3, 0x66)).await.unwrap();
            mallory.commit(3).await.unwrap();
            let late = Refusal::StaleEpoch { current: Epoch::new(4) };
            assert_eq!(alice.commit(3).await, Err(late));
        }
        tokio::time::sleep(unsettled(4)).await;
        let expected = if commits { Err(Refusal::Unlawful) } else { Ok(Reply::Done) };
        assert_eq!(mallory.ask(void(0x66, seq, 9)).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn nor_does_an_owner_who_came_through_the_door_settle_what_led_there() {
    let ways =
        [(true, false, false), (true, true, false), (false, true, false), (false, true, true)];
    for (before, after, detaches) in ways {
        let world = World::new();
        drop(world.alice().await);
        let mut bob = world.member().await;
        let seq = accepted(world.guest().await.ask(join(DOOR, 0)).await).unwrap();
        let mut alice = world.guest().await;
        if before {
            assert!(alice.ask(enter(1, OWNER)).await.is_ok());
        }
        accepted(alice.ask(join(DOOR, 1)).await).unwrap();
        if detaches {
            assert_eq!(alice.ask(enter(2, 0x66)).await, Err(Refusal::NotAdmitted));
            let _ = alice.ask(Request::Detach { address: ROOM }).await;
        } else {
            alice.enter(2).await.unwrap();
        }
        if after {
            assert!(alice.ask(enter(2, OWNER)).await.is_ok());
        }
        assert!(alice.commit(2).await.is_ok());
        tokio::time::sleep(unsettled(4)).await;
        assert_eq!(takes_back(&mut bob, seq).await, Ok(Reply::Done), "{before} {after} {detaches}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_left_can_keep_a_junk_join_as_long_as_no_other_change_follows() {
    for changes in [0, 1] {
        let world = World::new();
        let mut alice = world.alice().await;
        let mut mallory = world.member().await;
        // The commit that removes Mallory, and later commits of others.
        for epoch in 0..=changes {
            assert!(alice.commit(epoch).await.is_ok());
            assert!(alice.enter(epoch + 1).await.is_ok());
        }
        let joined = world.guest().await.ask(join(DOOR, changes + 1)).await;
        let seq = accepted(joined).unwrap();
        assert!(mallory.enter(changes + 2).await.is_ok());
        tokio::time::sleep(unsettled(4)).await;
        let kept = alice.ask(void(changes + 1, seq, 9)).await;
        let expected = if changes == 0 { Err(Refusal::Unlawful) } else { Ok(Reply::Done) };
        assert_eq!(kept, expected);
    }
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
        // Another door hash, valid as long as her branch lasts.
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
