//! One case or more for each number of the transport's contract.

use std::{future::Future, time::Duration};

use super::{Accepted, TransportFactory};
use crate::{
    secret::Payload,
    transport::{AtOnce, Closing, Link},
    wire::MAX_FRAME,
};

/// How long anything may take, in real time. Only a failing case waits this long.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Contract 1.
pub async fn contract_01_links_are_independent(factory: &dyn TransportFactory) {
    let (transport, mut accepted) = factory.start().await;
    let mut ends = Vec::new();
    for _ in 0..2 {
        let Ok(near) = soon(transport.connect()).await else {
            panic!("cannot connect");
        };
        ends.push((near, accepted.next().await));
    }
    let Some((alice, at_alice)) = ends.pop() else {
        return;
    };
    let Some((bob, at_bob)) = ends.pop() else {
        return;
    };
    send(&*alice, &[b"from alice"]).await;
    send(&*bob, &[b"from bob"]).await;
    assert_eq!(next(&*at_bob).await, b"from bob");
    assert_eq!(next(&*at_alice).await, b"from alice");
    alice.close(Closing::Done).await;
    assert_eq!(soon(at_alice.recv()).await, Ok(None));
    send(&*bob, &[b"still here"]).await;
    assert_eq!(next(&*at_bob).await, b"still here");
    send(&*at_bob, &[b"and back"]).await;
    assert_eq!(next(&*bob).await, b"and back");
}

/// Contract 2.
pub async fn contract_02_frames_arrive_whole_once_and_in_order(factory: &dyn TransportFactory) {
    let (near, far) = link(factory).await;
    let sizes = [1, 0, 125, 126, 65_535, 65_536, 300_000, MAX_FRAME, 7];
    let frames: Vec<Payload> =
        sizes.iter().zip(1_u8..).map(|(&size, mark)| Payload::from(vec![mark; size])).collect();
    for (from, to) in [(&near, &far), (&far, &near)] {
        let sending = async {
            // All in one call, and once more one by one.
            assert_eq!(from.send(&frames).await, Ok(()));
            for frame in &frames {
                assert_eq!(from.send(std::slice::from_ref(frame)).await, Ok(()));
            }
        };
        let receiving = async {
            for expected in frames.iter().chain(&frames) {
                let Ok(Some(frame)) = to.recv().await else {
                    panic!("the link ended");
                };
                // No assert_eq, which would print a megabyte.
                assert!(frame == *expected, "a frame was changed");
            }
        };
        soon(async { tokio::join!(sending, receiving) }).await;
    }
}

/// Contract 2, and cancel safety.
pub async fn contract_02_a_cancelled_receive_loses_nothing(factory: &dyn TransportFactory) {
    let (near, far) = link(factory).await;
    let sending = async {
        for n in 0_u8..200 {
            let frame = Payload::from(vec![n; usize::from(n) * 40]);
            assert_eq!(near.send(&[frame]).await, Ok(()));
            tokio::task::yield_now().await;
        }
    };
    let receiving = async {
        let mut n = 0_u8;
        while n < 200 {
            let received = tokio::select! {
                biased;
                received = far.recv() => received,
                () = tokio::task::yield_now() => continue,
            };
            let Ok(Some(frame)) = received else {
                panic!("the link ended");
            };
            assert_eq!(&*frame, vec![n; usize::from(n) * 40]);
            n += 1;
        }
    };
    soon(async { tokio::join!(sending, receiving) }).await;
}

/// Contract 3.
pub async fn contract_03_a_clean_close_is_told_again_and_again(factory: &dyn TransportFactory) {
    for near_closes in [true, false] {
        let (near, far) = link(factory).await;
        let (closing, other) = if near_closes { (near, far) } else { (far, near) };
        soon(closing.close(Closing::Done)).await;
        for _ in 0..3 {
            assert_eq!(soon(other.recv()).await, Ok(None));
        }
    }
}

/// Contract 4.
pub async fn contract_04_what_was_sent_before_a_close_arrives(factory: &dyn TransportFactory) {
    let (near, far) = link(factory).await;
    send(&*near, &[b"one", b"two", b"three"]).await;
    soon(near.close(Closing::GoingAway)).await;
    for expected in [&b"one"[..], b"two", b"three"] {
        assert_eq!(next(&*far).await, expected);
    }
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

/// Contract 6.
pub async fn contract_06_send_waits_for_the_other_side(factory: &dyn TransportFactory) {
    let (near, far) = link(factory).await;
    // 256 MB, more than any operating system holds back for one connection.
    let frame = Payload::from(vec![7; 1_000_000]);
    let mut sent = 0;
    while sent < 256 {
        // A send that is stuck is recognised by what else runs meanwhile, not by the time.
        let stuck = async {
            for _ in 0..1_000 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            outcome = near.send(std::slice::from_ref(&frame)) => assert_eq!(outcome, Ok(())),
            () = stuck => break,
        }
        sent += 1;
    }
    assert!(sent < 256, "everything was buffered");
    for _ in 0..sent {
        assert_eq!(next(&*far).await.len(), frame.len());
    }
}

/// Contract 7.
pub async fn contract_07_what_goes_at_once_keeps_its_place(factory: &dyn TransportFactory) {
    let (near, far) = link(factory).await;
    for (from, to) in [(&near, &far), (&far, &near)] {
        let frames: Vec<_> = (0_u8..100).map(|n| Payload::from(vec![n; 2_000])).collect();
        let sending = async {
            let mut rest = frames.as_slice();
            while let Some((first, _)) = rest.split_first() {
                let AtOnce { taken, .. } = from.try_send(rest.get(..7).unwrap_or(rest));
                rest = rest.get(taken..).unwrap_or_default();
                if taken == 0 {
                    assert_eq!(from.send(std::slice::from_ref(first)).await, Ok(()));
                    rest = rest.get(1..).unwrap_or_default();
                }
            }
        };
        let receiving = async {
            for expected in &frames {
                assert_eq!(next(&**to).await, expected.to_vec());
            }
        };
        soon(async { tokio::join!(sending, receiving) }).await;
    }
}

/// Contract 7.
pub async fn contract_07_nothing_is_taken_for_a_side_that_does_not_keep_up(
    factory: &dyn TransportFactory,
) {
    let (near, far) = link(factory).await;
    let frame = Payload::from(vec![7; 60_000]);
    let mut taken = 0;
    // 60 MB, more than any operating system holds back for one connection.
    while taken < 1_000 {
        match near.try_send(std::slice::from_ref(&frame)) {
            AtOnce { taken: 0, .. } => break,
            AtOnce { taken: more, .. } => taken += more,
        }
    }
    assert!(taken < 1_000, "everything was buffered");
    // What was taken is written by a send of nothing.
    let reading = async {
        for _ in 0..taken {
            assert_eq!(next(&*far).await.len(), frame.len());
        }
    };
    let (sent, ()) = soon(async { tokio::join!(near.send(&[]), reading) }).await;
    assert_eq!(sent, Ok(()));
}

/// Contract 7.
pub async fn contract_07_nothing_is_taken_by_a_link_that_has_ended(factory: &dyn TransportFactory) {
    let (near, far) = link(factory).await;
    soon(near.close(Closing::Done)).await;
    assert_eq!(soon(far.recv()).await, Ok(None));
    let frame = Payload::from(vec![7; 100]);
    assert_eq!(near.try_send(std::slice::from_ref(&frame)).taken, 0);
}

async fn link(factory: &dyn TransportFactory) -> (Box<dyn Link>, Box<dyn Link>) {
    let (transport, mut accepted): (_, Accepted) = factory.start().await;
    match soon(transport.connect()).await {
        Ok(near) => (near, accepted.next().await),
        Err(error) => panic!("cannot connect: {error}"),
    }
}

async fn send(link: &dyn Link, frames: &[&[u8]]) {
    let frames: Vec<Payload> = frames.iter().map(|frame| Payload::copy_from_slice(frame)).collect();
    assert_eq!(soon(link.send(&frames)).await, Ok(()));
}

async fn next(link: &dyn Link) -> Vec<u8> {
    match soon(link.recv()).await {
        Ok(Some(frame)) => frame.to_vec(),
        Ok(None) => panic!("the link was closed"),
        Err(error) => panic!("the link died: {error}"),
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, what).await {
        Ok(value) => value,
        Err(_) => panic!("took too long"),
    }
}
