//! The age that is delivered with an entry is its age at the moment of sending.

use super::*;

/// How many frames fit into a link that is not read; later ones are queued in the relay.
const LINK: u64 = 64;

/// A guest that reads nothing, while the others publish so much that some of it is queued in the
/// relay.
async fn behind(world: &World, alice: &mut Guest, retention: Retention) -> Guest {
    let bob = world.member().await;
    for _ in 0..LINK + 40 {
        alice.say(0, retention).await.unwrap();
        alice.events.clear();
    }
    bob
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_waited_is_told_as_old_as_it_is_when_it_is_sent() {
    for retention in [kept(MINUTE), Retention::Live] {
        let world = World::new();
        let mut alice = world.alice().await;
        let mut bob = behind(&world, &mut alice, retention).await;
        tokio::time::sleep(5 * SECOND).await;
        let mut ages = Vec::new();
        for _ in 0..LINK + 40 {
            ages.push(bob.entry().await.age);
        }
        // The frames that the link had taken were sent at once, and the frames in its hands went as
        // one batch.
        assert_eq!(ages[0], 0);
        let waited = ages.iter().filter(|age| **age >= 5_000).count();
        assert!((20..=40).contains(&waited), "{ages:?}");
        assert!(ages.iter().all(|age| *age < 100 || (5_000..5_100).contains(age)), "{ages:?}");
        // Entries that are published next are sent at once again.
        assert_eq!(alice.say(0, retention).await, Ok(LINK + 41));
        assert_eq!(bob.entry().await.age, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_waited_is_as_old_as_it_is_and_without_what_has_expired() {
    let world = World::new();
    let mut alice = world.alice().await;
    assert_eq!(alice.say(0, kept(3 * SECOND)).await, Ok(1));
    assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(2));
    let mut bob = behind(&world, &mut alice, Retention::Live).await;
    let asked = bob.send(read(0)).await;
    tokio::time::sleep(5 * SECOND).await;
    loop {
        match bob.frame().await.unwrap() {
            RelayFrame::Event(_) => {}
            RelayFrame::Reply { id, result: Ok(Reply::Page(page)) } => {
                assert_eq!((id, places(&page)), (asked, vec![2]));
                assert!((5_000..5_100).contains(&page.items[0].age), "{page:?}");
                return;
            }
            other => panic!("no page but {other:?}"),
        }
    }
}
