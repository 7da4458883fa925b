//! Contract 6, 7 and 10: backpressure, and both directions at the same time.

use std::{pin::pin, sync::Arc};

use super::{
    TransportFactory,
    kit::{fill, frames, link, next, send, soon, unless_stuck},
};
use crate::{
    testing::parallel::on_threads,
    transport::{Closing, Link, TrySend},
};

/// Contract 6.
pub async fn contract_06_send_waits_for_the_other_side(factory: &dyn TransportFactory) {
    let (near, far) = link(factory).await;
    for (from, to) in [(&near, &far), (&far, &near)] {
        let sent = fill(&**from).await;
        let receiving = async {
            let mut received = 0;
            while next(&**to).await.len() == 1_000_000 {
                received += 1;
            }
            // The cancelled call may have sent one more.
            assert!((sent..=sent + 1).contains(&received), "lost or repeated");
        };
        tokio::join!(send(&**from, &[b"after it"]), receiving);
    }
}

/// Contract 7.
pub async fn contract_07_what_goes_at_once_keeps_its_place(factory: &dyn TransportFactory) {
    let (near, far) = link(factory).await;
    for (from, to) in [(&near, &far), (&far, &near)] {
        let frames = frames(100, 2_000);
        let sending = async {
            let mut rest = frames.as_slice();
            while let Some((first, _)) = rest.split_first() {
                let TrySend { accepted: taken, .. } = from.try_send(rest.get(..7).unwrap_or(rest));
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
    let frames = frames(250, 60_000);
    let mut taken = Vec::new();
    // 60 MB, more than any operating system buffers for one connection.
    for frame in frames.iter().cycle().take(1_000) {
        let sent = near.try_send(std::slice::from_ref(frame));
        taken.extend(std::iter::repeat_n(frame, sent.accepted));
        if sent.pending {
            assert_eq!(near.try_send(std::slice::from_ref(frame)).accepted, 0, "takes more");
        }
        if sent.pending || sent.accepted == 0 {
            break;
        }
    }
    assert!(taken.len() < 1_000, "everything was buffered");
    // Accepted frames that are still pending are written by an empty `send`.
    let reading = async {
        for frame in &taken {
            assert!(next(&*far).await == frame.to_vec(), "lost or out of order");
        }
    };
    let (sent, ()) = soon(async { tokio::join!(near.send(&[]), reading) }).await;
    assert_eq!(sent, Ok(()));
}

/// Contract 7.
pub async fn contract_07_nothing_is_taken_by_a_link_that_has_ended(factory: &dyn TransportFactory) {
    let (near, far) = link(factory).await;
    let closed = async { tokio::join!(near.close(Closing::Done), far.recv()) };
    assert_eq!(soon(closed).await.1, Ok(None));
    assert_eq!(near.try_send(&frames(1, 100)).accepted, 0);
}

/// Contract 10.
pub async fn contract_10_a_receive_that_waits_holds_up_no_send(factory: &dyn TransportFactory) {
    let (near, far) = link(factory).await;
    let mut waiting = pin!(near.recv());
    assert!(unless_stuck(&mut waiting).await.is_none());
    send(&*near, &[b"question"]).await;
    assert_eq!(next(&*far).await, b"question");
    assert!(near.try_send(&frames(1, 10)).accepted <= 1);
    send(&*far, &[b"answer"]).await;
    let answer = soon(waiting).await;
    assert_eq!(answer.ok().flatten().as_deref(), Some(&b"answer"[..]));
}

/// Contract 10.
pub async fn contract_10_a_send_that_waits_holds_up_no_receive(factory: &dyn TransportFactory) {
    let (near, far) = link(factory).await;
    fill(&*near).await;
    let batch = frames(3, 1_000_000);
    let mut waiting = pin!(near.send(&batch));
    assert!(unless_stuck(&mut waiting).await.is_none());
    for _ in 0..3 {
        send(&*far, &[b"past it"]).await;
        assert_eq!(next(&*near).await, b"past it");
    }
    let reading = async { while soon(far.recv()).await.is_ok_and(|frame| frame.is_some()) {} };
    tokio::select! {
        sent = soon(waiting) => assert_eq!(sent, Ok(())),
        () = reading => panic!("the link ended"),
    }
}

/// Contract 10.
pub async fn contract_10_threads_send_and_receive_at_the_same_time(factory: &dyn TransportFactory) {
    let (near, far) = link(factory).await;
    let ends: [Arc<dyn Link>; 2] = [near.into(), far.into()];
    let senders = ends.clone().into_iter().map(|end| async move {
        for frame in frames(200, 20_000) {
            assert_eq!(soon(end.send(&[frame])).await, Ok(()));
        }
    });
    let receiving = async |end: &dyn Link| {
        for frame in frames(200, 20_000) {
            assert!(next(end).await == frame.to_vec(), "lost or changed");
        }
    };
    let [near, far] = &ends;
    tokio::join!(on_threads(senders), receiving(&**near), receiving(&**far));
}
