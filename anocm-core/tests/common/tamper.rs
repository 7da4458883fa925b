//! A relay that lies: a transport that alters, drops, repeats and invents frames in transit.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
};

use anocm_core::{
    Payload, RelayUrl,
    transport::{Closing, Link, Transport, TransportError, TrySend},
    wire::{
        ClientFrame, Event, LogItem, MAX_FRAME, RelayFrame, Reply, Request, RequestId, decode,
        encode,
    },
};
use async_trait::async_trait;
use tokio::sync::{Notify, watch};

/// A client that sends more frames than this is in a loop; it is blocked so that the test ends.
const FLOOD: u64 = 5_000;

/// Handles a frame of the client: returns whether it is passed on, and adds replies to send
/// instead.
type Up = Box<dyn FnMut(&mut ClientFrame, &mut Vec<RelayFrame>) -> bool + Send>;
/// Handles a frame of the relay: returns the frames to deliver in its place.
type Down = Box<dyn FnMut(RelayFrame) -> Vec<RelayFrame> + Send>;

/// A transport to a relay that tampers with its frames.
pub struct Tamper {
    relay: Arc<dyn Transport>,
    shared: Arc<Shared>,
}

struct Shared {
    lies: Mutex<Lies>,
    invented: Notify,
    cut: watch::Sender<u64>,
}

#[derive(Default)]
struct Lies {
    up: Option<Up>,
    down: Option<Down>,
    hello: Option<Payload>,
    arriving: VecDeque<Payload>,
    sent: u64,
}

impl Shared {
    fn lies(&self) -> MutexGuard<'_, Lies> {
        self.lies.lock().unwrap()
    }
}

impl Tamper {
    pub fn new(relay: Arc<dyn Transport>) -> Arc<Self> {
        let shared =
            Shared { lies: Mutex::default(), invented: Notify::new(), cut: watch::Sender::new(0) };
        Arc::new(Self { relay, shared: Arc::new(shared) })
    }

    /// Stops all tampering.
    pub fn honest(&self) {
        let mut lies = self.shared.lies();
        (lies.up, lies.down, lies.hello) = (None, None, None);
    }

    /// Cuts the connection; the client may reconnect.
    pub fn cut(&self) {
        self.shared.cut.send_modify(|cuts| *cuts += 1);
    }

    /// Returns how many frames the client has sent.
    pub fn sent(&self) -> u64 {
        self.shared.lies().sent
    }

    /// Sends these bytes as the greeting from now on.
    pub fn greet(&self, hello: &[u8]) {
        self.shared.lies().hello = Some(Payload::copy_from_slice(hello));
    }

    /// Sends the client an invented frame.
    pub fn invent(&self, frame: &RelayFrame) {
        self.invent_bytes(&encode(frame));
    }

    pub fn invent_bytes(&self, bytes: &[u8]) {
        self.shared.lies().arriving.push_back(Payload::copy_from_slice(bytes));
        self.shared.invented.notify_one();
    }

    /// Modifies frames from the relay.
    pub fn down(&self, down: impl FnMut(RelayFrame) -> Vec<RelayFrame> + Send + 'static) {
        self.shared.lies().down = Some(Box::new(down));
    }

    /// Modifies frames to the relay; false withholds the frame.
    pub fn up(
        &self,
        up: impl FnMut(&mut ClientFrame, &mut Vec<RelayFrame>) -> bool + Send + 'static,
    ) {
        self.shared.lies().up = Some(Box::new(up));
    }

    /// Modifies granted replies.
    pub fn replies(&self, mut change: impl FnMut(&mut Reply) + Send + 'static) {
        self.down(move |mut frame| {
            if let RelayFrame::Reply { result: Ok(reply), .. } = &mut frame {
                change(reply);
            }
            vec![frame]
        });
    }

    /// Modifies every entry, in events and in pages.
    pub fn entries(&self, mut change: impl FnMut(&mut LogItem) + Send + 'static) {
        self.down(move |mut frame| {
            match &mut frame {
                RelayFrame::Event(Event::Entry { item, .. }) => change(item),
                RelayFrame::Reply { result: Ok(Reply::Page(page)), .. } => {
                    page.items.iter_mut().for_each(&mut change);
                }
                _ => {}
            }
            vec![frame]
        });
    }

    /// Replies to some requests itself; the relay never receives them.
    pub fn answers(
        &self,
        mut answer: impl FnMut(&Request) -> Option<Result<Reply, anocm_core::wire::Refusal>>
        + Send
        + 'static,
    ) {
        self.up(move |frame, replies| match answer(&frame.request) {
            Some(result) => {
                let id: RequestId = frame.id;
                replies.push(RelayFrame::Reply { id, result });
                false
            }
            None => true,
        });
    }
}

#[async_trait]
impl Transport for Tamper {
    fn relay(&self) -> &RelayUrl {
        self.relay.relay()
    }

    async fn connect(&self) -> Result<Box<dyn Link>, TransportError> {
        let link: Arc<dyn Link> = Arc::from(self.relay.connect().await?);
        let mut cut = self.shared.cut.subscribe();
        cut.mark_unchanged();
        self.shared.lies().arriving.clear();
        Ok(Box::new(Bent {
            link: Mutex::new(Some(link)),
            shared: self.shared.clone(),
            cut,
            greeted: Mutex::new((false, false)),
        }))
    }
}

struct Bent {
    link: Mutex<Option<Arc<dyn Link>>>,
    shared: Arc<Shared>,
    cut: watch::Receiver<u64>,
    /// Whether the first frame in each direction (up, down) has passed.
    greeted: Mutex<(bool, bool)>,
}

impl Bent {
    fn link(&self) -> Result<Arc<dyn Link>, TransportError> {
        if self.cut.has_changed().unwrap_or(true) {
            self.link.lock().unwrap().take();
        }
        self.link.lock().unwrap().clone().ok_or(TransportError::Cut)
    }

    fn sending(&self, frame: &Payload) -> Option<Payload> {
        let mut lies = self.shared.lies();
        if !std::mem::replace(&mut self.greeted.lock().unwrap().0, true) {
            return Some(frame.clone());
        }
        lies.sent += 1;
        let mut frame: ClientFrame = decode(frame, MAX_FRAME).unwrap();
        let mut replies = Vec::new();
        let passes = lies.up.as_mut().is_none_or(|up| up(&mut frame, &mut replies));
        lies.arriving.extend(replies.iter().map(encode));
        self.shared.invented.notify_one();
        passes.then(|| encode(&frame))
    }

    fn receiving(&self, frame: Payload) {
        let mut lies = self.shared.lies();
        if !std::mem::replace(&mut self.greeted.lock().unwrap().1, true) {
            let hello = lies.hello.clone().unwrap_or(frame);
            lies.arriving.push_back(hello);
            return;
        }
        let frames = match (&mut lies.down, decode(&frame, MAX_FRAME)) {
            (Some(down), Ok(decoded)) => down(decoded).iter().map(encode).collect(),
            _ => vec![frame],
        };
        lies.arriving.extend(frames);
    }
}

#[async_trait]
impl Link for Bent {
    async fn send(&self, frames: &[Payload]) -> Result<(), TransportError> {
        for frame in frames {
            if let Some(frame) = self.sending(frame) {
                self.link()?.send(&[frame]).await?;
            }
            if self.shared.lies().sent > FLOOD {
                std::future::pending::<()>().await;
            }
        }
        Ok(())
    }

    fn try_send(&self, _: &[Payload]) -> TrySend {
        TrySend::default()
    }

    async fn recv(&self) -> Result<Option<Payload>, TransportError> {
        loop {
            if let Some(frame) = self.shared.lies().arriving.pop_front() {
                return Ok(Some(frame));
            }
            let link = self.link()?;
            let mut cut = self.cut.clone();
            tokio::select! {
                _ = cut.changed() => {}
                () = self.shared.invented.notified() => {}
                received = link.recv() => match received? {
                    Some(frame) => self.receiving(frame),
                    None => return Ok(None),
                },
            }
        }
    }

    async fn close(&self, why: Closing) {
        if let Ok(link) = self.link() {
            link.close(why).await;
        }
    }
}
