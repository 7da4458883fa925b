//! A connection to the relay, operated frame by frame.

use std::time::Duration;

use anocm_core::{
    Payload,
    transport::{Link, Transport},
    wire::{
        ClientFrame, ClientHello, Hello, MAX_FRAME, Refusal, RelayFrame, Reply, Request, decode,
        encode,
    },
};

/// The reply to a request; `None` when the relay has closed the connection.
pub type Answer = Option<Result<Reply, Refusal>>;

pub struct Line {
    link: Box<dyn Link>,
    next: u32,
}

impl Line {
    pub async fn reach(relay: &dyn Transport) -> Self {
        let link = relay.connect().await.unwrap();
        link.send(&[ClientHello::default().to_frame()]).await.unwrap();
        link.recv().await.unwrap().unwrap();
        Self { link, next: 0 }
    }

    pub async fn ask(&mut self, request: Request) -> Answer {
        self.next += 1;
        let frame = encode(&ClientFrame { id: self.next, request });
        self.link.send(&[frame]).await.ok()?;
        loop {
            match self.frame().await? {
                RelayFrame::Reply { id, result } if id == self.next => return Some(result),
                _ => {}
            }
        }
    }

    /// Sends without waiting for a reply.
    pub async fn sends(&mut self, request: Request) {
        self.sends_at_once([request]).await;
    }

    /// Sends several requests at once, so that no other guest's request comes between them.
    pub async fn sends_at_once(&mut self, requests: impl IntoIterator<Item = Request>) {
        let frames: Vec<_> = requests
            .into_iter()
            .map(|request| {
                self.next += 1;
                encode(&ClientFrame { id: self.next, request })
            })
            .collect();
        let _ = self.link.send(&frames).await;
    }

    pub async fn sends_bytes(&mut self, bytes: &[u8]) {
        let _ = self.link.send(&[Payload::copy_from_slice(bytes)]).await;
    }

    async fn frame(&mut self) -> Option<RelayFrame> {
        let frame = self.link.recv().await.ok()??;
        Some(decode(&frame, MAX_FRAME).unwrap())
    }

    /// Receives frames for a while.
    pub async fn listens(&mut self, time: Duration) {
        let listening = async { while self.frame().await.is_some() {} };
        let _ = tokio::time::timeout(time, listening).await;
    }
}
