//! Key input through crossterm.

use std::io;

use crossterm::event::{Event, EventStream};
use futures_util::StreamExt as _;
use tokio::{runtime::Handle, sync::mpsc};

use super::super::keys::{self, Key};

/// Keys of a console, read on a separate thread.
#[derive(Debug)]
pub(crate) struct Source(mpsc::Receiver<Event>);

impl Source {
    pub(crate) fn start() -> io::Result<Self> {
        let (to, events) = mpsc::channel(1);
        let runtime = Handle::current();
        std::thread::spawn(move || runtime.block_on(pass_on(to)));
        Ok(Self(events))
    }

    /// Returns the next key, or `None` when the console is gone. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Key> {
        self.0.recv().await.map(keys::read)
    }
}

async fn pass_on(to: mpsc::Sender<Event>) {
    let mut stream = EventStream::new();
    loop {
        let event = tokio::select! {
            event = stream.next() => event,
            () = to.closed() => return,
        };
        let Some(Ok(event)) = event else { return };
        if to.send(event).await.is_err() {
            return;
        }
    }
}
