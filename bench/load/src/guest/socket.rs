//! A plain WebSocket connection that stores nothing of what it reads.

use std::{cell::RefCell, collections::VecDeque, io};

use http::{HeaderValue, header::SEC_WEBSOCKET_PROTOCOL};
use tokio::{
    net::{TcpSocket, TcpStream, lookup_host},
    sync::Mutex,
    time::timeout,
};
use tokio_websockets::ClientBuilder;

use super::{
    GuestError, PATIENCE,
    frames::{BINARY, Framed, Frames, PONG, Seen},
};

/// Bytes per read.
const SCRATCH: usize = 64 * 1_024;

thread_local! {
    /// Data is processed immediately, so one buffer serves all connections of a thread.
    static SHARED: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH]);
}

/// Where a server listens for WebSockets, without TLS.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) path: String,
    /// The subprotocol to request.
    pub(crate) protocol: Option<&'static str>,
    /// Size of the kernel's receive buffer; `None` for the default.
    pub(crate) receive_buffer: Option<u32>,
}

impl Target {
    /// Connects, without any WebSocket traffic.
    pub(crate) async fn connect(&self) -> io::Result<TcpStream> {
        let (host, port) = (self.host.as_str(), self.port);
        let Some(bytes) = self.receive_buffer else {
            return TcpStream::connect((host, port)).await;
        };
        let mut places = lookup_host((host, port)).await?;
        let place = places.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let tcp = if place.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Before connecting, since it determines the announced TCP window.
        tcp.set_recv_buffer_size(bytes)?;
        tcp.connect(place).await
    }

    /// Opens the WebSocket on a connection.
    ///
    /// The library drops what it has read beyond the response. That is nothing: no server here sends
    /// before a guest has.
    async fn upgrade(&self, tcp: &mut TcpStream) -> Result<(), GuestError> {
        let refused = |_| GuestError::NoWebSocket;
        let Self { host, port, path, protocol, .. } = self;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let uri = format!("ws://{host}:{port}{path}");
        let mut request = ClientBuilder::new().uri(&uri).map_err(|_| GuestError::NoWebSocket)?;
        if let Some(name) = protocol {
            let name = HeaderValue::from_static(name);
            request = request.add_header(SEC_WEBSOCKET_PROTOCOL, name).map_err(refused)?;
        }
        match request.connect_on(tcp).await {
            Ok(_) => Ok(()),
            Err(tokio_websockets::Error::Io(error)) => Err(GuestError::Cut(error)),
            Err(error) => Err(refused(error)),
        }
    }
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Socket {
    tcp: TcpStream,
    /// Held while frames are written, so that they are not interleaved.
    writing: Mutex<()>,
    key: [u8; 4],
}

impl Socket {
    /// Connects and upgrades.
    pub(crate) async fn open(target: &Target) -> Result<Self, GuestError> {
        match timeout(PATIENCE, Self::connect(target)).await {
            Ok(opened) => opened,
            Err(_) => Err(GuestError::Silent),
        }
    }

    async fn connect(target: &Target) -> Result<Self, GuestError> {
        let mut tcp = target.connect().await.map_err(GuestError::Unreachable)?;
        tcp.set_nodelay(true).map_err(GuestError::Unreachable)?;
        target.upgrade(&mut tcp).await?;
        let mut key = [0; 4];
        getrandom::fill(&mut key).map_err(|_| GuestError::NoRandomness)?;
        Ok(Self { tcp, writing: Mutex::new(()), key })
    }

    /// Waits for bytes and passes them on, once.
    pub(crate) async fn read(&self, mut with: impl FnMut(&[u8])) -> Result<(), GuestError> {
        loop {
            self.tcp.readable().await.map_err(GuestError::Cut)?;
            let read = SHARED.with_borrow_mut(|scratch| {
                let read = self.tcp.try_read(scratch)?;
                with(scratch.get(..read).unwrap_or_default());
                Ok::<_, io::Error>(read)
            });
            match read {
                Ok(0) => return Err(GuestError::Cut(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(GuestError::Cut(error)),
            }
        }
    }

    /// Writes bytes that are complete frames.
    pub(crate) async fn write(&self, bytes: &[u8]) -> Result<(), GuestError> {
        let _turn = self.writing.lock().await;
        let mut left = bytes;
        while !left.is_empty() {
            self.tcp.writable().await.map_err(GuestError::Cut)?;
            match self.tcp.try_write(left) {
                Ok(written) => left = left.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(GuestError::Cut(error)),
            }
        }
        Ok(())
    }

    /// Sends a message.
    pub(crate) async fn send(&self, message: &[u8]) -> Result<(), GuestError> {
        self.write(self.framed(message).as_bytes()).await
    }

    /// Returns a message as it is sent on this connection.
    pub(crate) fn framed(&self, message: &[u8]) -> Framed {
        Framed::new(BINARY, message, self.key)
    }

    /// Answers a ping, unless a write is in progress: that shows liveness already.
    pub(crate) async fn pong(&self, ping: &[u8]) -> Result<(), GuestError> {
        if self.writing.try_lock().is_err() {
            return Ok(());
        }
        self.write(Framed::new(PONG, ping, self.key).as_bytes()).await
    }
}

/// A connection used for requests and responses in turn, before it is shared between tasks.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) socket: Socket,
    pub(crate) frames: Frames,
    waiting: VecDeque<Vec<u8>>,
}

impl Opened {
    pub(crate) async fn new(target: &Target, size: usize) -> Result<Self, GuestError> {
        let socket = Socket::open(target).await?;
        Ok(Self { socket, frames: Frames::new(size), waiting: VecDeque::new() })
    }

    /// Returns the next short message.
    pub(crate) async fn next(&mut self) -> Result<Vec<u8>, GuestError> {
        let waiting = &mut self.waiting;
        loop {
            if let Some(message) = waiting.pop_front() {
                return Ok(message);
            }
            let mut fed = Ok(());
            let read = self.socket.read(|bytes| fed = self.frames.feed(bytes, keep(waiting)));
            timeout(PATIENCE, read).await.map_err(|_| GuestError::Silent)??;
            fed?;
        }
    }

    /// Sends a message and returns the next one received.
    pub(crate) async fn ask(&mut self, message: &[u8]) -> Result<Vec<u8>, GuestError> {
        self.socket.send(message).await?;
        self.next().await
    }
}

fn keep(waiting: &mut VecDeque<Vec<u8>>) -> impl FnMut(Seen<'_>) {
    |seen| {
        if let Seen::Short(message) = seen {
            waiting.push_back(message.to_vec());
        }
    }
}
