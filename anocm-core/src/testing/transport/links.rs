//! Contract 1 and 3 to 5: opening and closing links.

use super::{
    TransportFactory,
    kit::{Ends, connect, fill, frames, link, next, send, soon},
};
use crate::{
    secret::Payload,
    transport::{Closing, TrySend},
};

/// Contract 1.
pub async fn contract_01_links_are_independent(factory: &dyn TransportFactory) {
    let [(alice, at_alice), (bob, at_bob)] = two(factory).await;
    send(&*alice, &[b"from alice"]).await;
    send(&*bob, &[b"from bob"]).await;
    assert_eq!(next(&*at_bob).await, b"from bob");
    assert_eq!(next(&*at_alice).await, b"from alice");
    let (_, closed) =
        soon(async { tokio::join!(alice.close(Closing::Done), at_alice.recv()) }).await;
    assert_eq!(closed, Ok(None));
    send(&*bob, &[b"still here"]).await;
    assert_eq!(next(&*at_bob).await, b"still here");
    send(&*at_bob, &[b"and back"]).await;
    assert_eq!(next(&*bob).await, b"and back");
}

/// Contract 1.
pub async fn contract_01_a_link_that_is_not_read_holds_up_no_other(factory: &dyn TransportFactory) {
    let [(alice, _at_alice), (bob, at_bob)] = two(factory).await;
    fill(&*alice).await;
    for _ in 0..3 {
        send(&*bob, &[b"past it"]).await;
        assert_eq!(next(&*at_bob).await, b"past it");
        send(&*at_bob, &[b"and back"]).await;
        assert_eq!(next(&*bob).await, b"and back");
    }
}

/// Returns two links of one transport.
async fn two(factory: &dyn TransportFactory) -> [Ends; 2] {
    let (transport, mut accepted) = factory.start().await;
    let first = connect(&*transport, &mut accepted).await;
    [first, connect(&*transport, &mut accepted).await]
}

/// Contract 3.
pub async fn contract_03_a_clean_close_is_told_again_and_again(factory: &dyn TransportFactory) {
    for near_closes in [true, false] {
        let (near, far) = link(factory).await;
        let (closing, other) = if near_closes { (near, far) } else { (far, near) };
        let closed = async { tokio::join!(closing.close(Closing::Done), other.recv()) };
        assert_eq!(soon(closed).await.1, Ok(None));
        for _ in 0..3 {
            assert_eq!(soon(other.recv()).await, Ok(None));
        }
    }
}

/// Contract 4: also when the other side reads only after the close.
pub async fn contract_04_what_was_sent_before_a_close_arrives(factory: &dyn TransportFactory) {
    let (near, far) = link(factory).await;
    send(&*near, &[b"one", b"two", b"three"]).await;
    soon(near.close(Closing::GoingAway)).await;
    for expected in [&b"one"[..], b"two", b"three"] {
        assert_eq!(next(&*far).await, expected);
    }
    assert_eq!(soon(far.recv()).await, Ok(None));
}

/// Contract 4.
pub async fn contract_04_what_was_taken_at_once_before_a_close_arrives(
    factory: &dyn TransportFactory,
) {
    for length in [100, 60_000] {
        let (near, far) = link(factory).await;
        let mut taken = Vec::new();
        // As many as are accepted at once; the longer ones are more than are accepted at once.
        for frame in frames(u8::MAX, length) {
            let sent = near.try_send(std::slice::from_ref(&frame));
            if sent.accepted == 0 {
                break;
            }
            taken.push(frame);
            if sent.pending {
                break;
            }
        }
        let reading = async {
            for expected in &taken {
                assert!(soon(far.recv()).await == Ok(Some(expected.clone())), "lost or changed");
            }
            assert_eq!(soon(far.recv()).await, Ok(None));
        };
        tokio::join!(near.close(Closing::Done), reading);
    }
}

/// Contract 4.
pub async fn contract_04_a_side_that_closed_sends_nothing_more(factory: &dyn TransportFactory) {
    let (near, far) = link(factory).await;
    send(&*near, &[b"last"]).await;
    let reading = async {
        assert_eq!(next(&*far).await, b"last");
        assert_eq!(soon(far.recv()).await, Ok(None));
    };
    tokio::join!(near.close(Closing::Done), reading);
    let more = Payload::copy_from_slice(b"more");
    assert_eq!(near.try_send(std::slice::from_ref(&more)), TrySend::default());
    assert!(soon(near.send(&[more])).await.is_err());
    assert_eq!(soon(far.recv()).await, Ok(None));
}

/// Contract 5.
pub async fn contract_05_dropping_a_link_closes_it(factory: &dyn TransportFactory) {
    for near_drops in [true, false] {
        let (near, far) = link(factory).await;
        let (dropped, other) = if near_drops { (near, far) } else { (far, near) };
        drop(dropped);
        // Not necessarily a clean close.
        assert!(matches!(soon(other.recv()).await, Ok(None) | Err(_)));
        soon(async {
            while other.send(&[Payload::from(vec![0; 64_000])]).await.is_ok() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}
