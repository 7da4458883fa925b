//! A minimal broadcast server: a task for each connection and one channel.
//!
//! Every message is broadcast to all connections, and nothing else happens. Runs as a child
//! process.

use std::{
    io::{self, Write},
    net::Ipv4Addr,
};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::broadcast::{
        self,
        error::{RecvError, TryRecvError},
    },
};
use tokio_websockets::{Config, Error, Message, ServerBuilder, WebSocketStream};

/// Capacity of the channel in messages. More than are ever in flight here.
const CHANNEL: usize = 4_096;
/// Messages per write.
const TOGETHER: usize = 64;
/// Bytes at which they are flushed in any case; as in the relay's transport.
const WRITE_AT: usize = 64 * 1_024;

/// Serves until the process ends.
pub(crate) async fn serve() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let mut out = io::stdout();
    writeln!(out, "listening on {}", listener.local_addr()?)?;
    out.flush()?;
    let (all, _) = broadcast::channel(CHANNEL);
    loop {
        let (tcp, _) = listener.accept().await?;
        let all = all.clone();
        tokio::spawn(async move {
            // An ended connection needs no further handling.
            let _ = connection(tcp, all).await;
        });
    }
}

async fn connection(tcp: TcpStream, all: broadcast::Sender<Bytes>) -> Result<(), Error> {
    tcp.set_nodelay(true)?;
    // Subscribe before the upgrade is answered: a client that has the response receives everything.
    let mut mine = all.subscribe();
    let config = Config::default().flush_threshold(WRITE_AT);
    let (_, mut socket) = ServerBuilder::new().config(config).accept(tcp).await?;
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(message) => {
                    // This cannot fail: this connection is subscribed itself.
                    let _ = all.send(message?.into_payload().into());
                }
                None => return Ok(()),
            },
            told = mine.recv() => match told {
                Ok(message) => forward(&mut socket, message, &mut mine).await?,
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
        }
    }
}

/// Writes a message and those queued behind it.
async fn forward(
    socket: &mut WebSocketStream<TcpStream>,
    first: Bytes,
    mine: &mut broadcast::Receiver<Bytes>,
) -> Result<(), Error> {
    socket.feed(Message::binary(first)).await?;
    for _ in 1..TOGETHER {
        match mine.try_recv() {
            Ok(message) => socket.feed(Message::binary(message)).await?,
            Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        }
    }
    socket.flush().await
}
