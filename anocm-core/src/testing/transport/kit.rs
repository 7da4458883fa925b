//! Shared helpers of the cases: links and a timeout.

use std::{future::Future, time::Duration};

use super::{Accepted, TransportFactory};
use crate::{
    secret::Payload,
    transport::{Link, Transport},
};

/// The timeout for every operation, in real time. Only a failing case waits this long.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// The two ends of a link.
pub(super) type Ends = (Box<dyn Link>, Box<dyn Link>);

/// Returns the two ends of a fresh link of a fresh transport.
pub(super) async fn link(factory: &dyn TransportFactory) -> Ends {
    let (transport, mut accepted) = factory.start().await;
    connect(&*transport, &mut accepted).await
}

/// Returns the two ends of one more link of a transport.
pub(super) async fn connect(transport: &dyn Transport, accepted: &mut Accepted) -> Ends {
    match soon(transport.connect()).await {
        Ok(near) => (near, accepted.next().await),
        Err(error) => panic!("cannot connect: {error}"),
    }
}

pub(super) async fn send(link: &dyn Link, frames: &[&[u8]]) {
    let frames: Vec<Payload> = frames.iter().map(|frame| Payload::copy_from_slice(frame)).collect();
    assert_eq!(soon(link.send(&frames)).await, Ok(()));
}

/// Returns the next frame.
pub(super) async fn next(link: &dyn Link) -> Vec<u8> {
    match soon(link.recv()).await {
        Ok(Some(frame)) => frame.to_vec(),
        Ok(None) => panic!("the link was closed"),
        Err(error) => panic!("the link died: {error}"),
    }
}

/// Awaits a future, with a timeout.
pub(super) async fn soon<T>(what: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, what).await {
        Ok(value) => value,
        Err(_) => panic!("took too long"),
    }
}

/// Returns the output of a future, or `None` if it is blocked. It counts as blocked when it is
/// still pending after all other tasks have run many times, not after a time.
pub(super) async fn unless_stuck<T>(what: impl Future<Output = T>) -> Option<T> {
    let others = async {
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        value = what => Some(value),
        () = others => None,
    }
}

/// Sends frames of a megabyte until a send blocks, and returns how many calls returned. The last
/// one is cancelled.
pub(super) async fn fill(link: &dyn Link) -> usize {
    let frame = Payload::from(vec![7; 1_000_000]);
    // More than any operating system buffers for one connection.
    for sent in 0..256 {
        match unless_stuck(link.send(std::slice::from_ref(&frame))).await {
            Some(sent) => assert_eq!(sent, Ok(())),
            None => return sent,
        }
    }
    panic!("everything was buffered");
}

/// Returns `count` frames of one length, each filled with its number.
pub(super) fn frames(count: u8, length: usize) -> Vec<Payload> {
    (0..count).map(|n| Payload::from(vec![n; length])).collect()
}
