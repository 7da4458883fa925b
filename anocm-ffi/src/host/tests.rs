//! The transport conformance tests with a host written in Rust, and misbehaviour of hosts.

use std::time::Duration;

use anocm_core::{
    testing::transport::{Accepted, TransportFactory},
    transport::InProcess,
};
use tokio::time::timeout;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn relay() -> RelayUrl {
    RelayUrl::parse("https://relay.example/").unwrap()
}

/// Does what the packages do, over links within this process.
struct Host;

#[async_trait]
impl TransportFactory for Host {
    async fn start(&self) -> (Box<dyn Transport>, Accepted) {
        let (accept, accepted) = Accepted::new();
        let host = HostTransport::new();
        let transport = host.take(relay()).unwrap();
        let inner = InProcess::new(accept);
        tokio::spawn(async move {
            while let Some(dial) = host.dial().await {
                let link: Arc<dyn Link> = inner.connect().await.unwrap().into();
                tokio::spawn(carry(dial.connected(), link));
            }
        });
        (Box::new(transport), accepted)
    }

    async fn oversized(&self, length: usize) -> Box<dyn Link> {
        let (link, pipe) = dialled(&HostTransport::new()).await;
        tokio::spawn(async move { pipe.incoming(vec![0; length]).await });
        link
    }
}

async fn carry(pipe: Arc<Pipe>, link: Arc<dyn Link>) {
    let out = async {
        while let Some(frames) = pipe.outgoing().await {
            let frames: Vec<Payload> = frames.into_iter().map(Payload::from).collect();
            link.send(&frames).await?;
        }
        link.close(Closing::Done).await;
        Ok::<(), TransportError>(())
    };
    let back = async {
        while let Some(frame) = link.recv().await? {
            if !pipe.incoming(frame.to_vec()).await {
                break;
            }
        }
        Ok(())
    };
    let ended = tokio::select! { out = out => out, back = back => back };
    pipe.ended(ended.err().map(Into::into));
}

anocm_core::transport_conformance!(Host);

/// Returns a connected link and the pipe at its other end.
async fn dialled(host: &HostTransport) -> (Box<dyn Link>, Arc<Pipe>) {
    let dialer = host.take(relay()).unwrap();
    let connecting = tokio::spawn(async move { dialer.connect().await });
    let pipe = host.dial().await.unwrap().connected();
    let link = timeout(PATIENCE, connecting).await.unwrap().unwrap();
    (link.ok().unwrap(), pipe)
}

#[tokio::test]
async fn what_the_host_says_of_a_failure_is_told() {
    let host = HostTransport::new();
    let dialer = host.take(relay()).unwrap();
    let connecting = tokio::spawn(async move { dialer.connect().await.err() });
    host.dial().await.unwrap().failed(TransportFailure::Untrusted);
    assert_eq!(connecting.await.unwrap(), Some(TransportError::Untrusted));
}

#[tokio::test]
async fn a_dial_that_is_let_go_of_is_a_failure() {
    let host = HostTransport::new();
    let dialer = host.take(relay()).unwrap();
    let connecting = tokio::spawn(async move { dialer.connect().await.err() });
    drop(host.dial().await.unwrap());
    assert_eq!(connecting.await.unwrap(), Some(TransportError::Unreachable));
}

#[tokio::test]
async fn a_cancelled_dial_gives_a_closed_pipe() {
    let host = HostTransport::new();
    let dialer = host.take(relay()).unwrap();
    let connecting = tokio::spawn(async move { dialer.connect().await.err() });
    let dial = host.dial().await.unwrap();
    connecting.abort();
    let _ = connecting.await;
    let pipe = dial.connected();
    assert_eq!(timeout(PATIENCE, pipe.outgoing()).await.unwrap(), None);
    assert!(!pipe.incoming(vec![1]).await);
    // A second result has no effect.
    dial.failed(TransportFailure::Refused);
}

#[tokio::test]
async fn the_host_is_told_of_a_cancelled_dial() {
    let host = HostTransport::new();
    let dialer = host.take(relay()).unwrap();
    let connecting = tokio::spawn(async move { dialer.connect().await.err() });
    let dial = host.dial().await.unwrap();
    let mut given_up = std::pin::pin!(dial.given_up());
    assert!(futures_util::poll!(&mut given_up).is_pending());
    connecting.abort();
    timeout(PATIENCE, given_up).await.unwrap();
}

#[tokio::test]
async fn dials_end_with_the_client() {
    let host = HostTransport::new();
    drop(host.dialer.lock().unwrap().take());
    assert!(timeout(PATIENCE, host.dial()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_pipe_that_is_let_go_of_is_a_cut() {
    let host = HostTransport::new();
    let (link, pipe) = dialled(&host).await;
    assert!(pipe.incoming(vec![7]).await);
    drop(pipe);
    assert_eq!(link.recv().await.unwrap().unwrap().as_ref(), [7]);
    assert_eq!(link.recv().await, Err(TransportError::Cut));
    assert_eq!(link.send(&[Payload::from(vec![1])]).await, Err(TransportError::Cut));
}

#[tokio::test]
async fn the_first_end_is_the_one_that_counts() {
    let host = HostTransport::new();
    let (link, pipe) = dialled(&host).await;
    pipe.ended(None);
    pipe.ended(Some(TransportFailure::Protocol));
    assert_eq!(link.recv().await, Ok(None));
    assert_eq!(link.recv().await, Ok(None));
    assert!(!pipe.incoming(vec![1]).await);
}

#[tokio::test]
async fn a_host_that_sends_faster_than_is_read_waits() {
    let host = HostTransport::new();
    let (link, pipe) = dialled(&host).await;
    for _ in 0..INCOMING {
        assert!(timeout(PATIENCE, pipe.incoming(vec![1])).await.unwrap());
    }
    let waiting = tokio::spawn({
        let pipe = pipe.clone();
        async move { pipe.incoming(vec![2]).await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    link.recv().await.unwrap().unwrap();
    assert!(timeout(PATIENCE, waiting).await.unwrap().unwrap());
}

#[tokio::test]
async fn an_empty_frame_is_a_frame() {
    let host = HostTransport::new();
    let (link, pipe) = dialled(&host).await;
    assert!(pipe.incoming(Vec::new()).await);
    assert_eq!(link.recv().await.unwrap().unwrap().as_ref(), [0_u8; 0]);
    link.send(&[Payload::from(Vec::new())]).await.unwrap();
    assert_eq!(pipe.outgoing().await, Some(vec![Vec::new()]));
}
