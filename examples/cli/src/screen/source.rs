//! Keys as they are pressed.

use std::io;

use crossterm::event::{Event, EventStream};
use futures_util::StreamExt as _;
use tokio::{runtime::Handle, sync::mpsc};

/// What the terminal tells.
///
/// Read on a thread of its own: once a window is closed, the library may look for a key in it
/// without ever coming back.
#[derive(Debug)]
pub(super) struct Source(mpsc::Receiver<io::Result<Event>>);

impl Source {
    /// Starts to read. Ends when dropped, if the terminal still answers.
    pub(super) fn start() -> Self {
        let (to, keys) = mpsc::channel(1);
        let runtime = Handle::current();
        std::thread::spawn(move || runtime.block_on(pass_on(to)));
        Self(keys)
    }

    /// The next key, or `None` when the terminal is gone. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<io::Result<Event>> {
        self.0.recv().await
    }
}

async fn pass_on(to: mpsc::Sender<io::Result<Event>>) {
    let mut stream = EventStream::new();
    loop {
        let key = tokio::select! {
            key = stream.next() => key,
            () = to.closed() => return,
        };
        let Some(key) = key else { return };
        if to.send(key).await.is_err() {
            return;
        }
    }
}
