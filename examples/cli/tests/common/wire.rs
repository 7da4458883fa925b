//! A connection to relays that a test can cut and restore.

use std::{
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use anocm_core::{Invite, RelayUrl, Secret};

/// Forwards bytes to a relay unless it is cut; with several relays, each connection goes to the
/// next one. Ended with the test.
pub(crate) struct Wire {
    address: SocketAddr,
    passing: Arc<Passing>,
    acceptor: Option<JoinHandle<()>>,
}

struct Passing {
    relays: Vec<String>,
    /// `None` while it is cut.
    open: Mutex<Option<Vec<TcpStream>>>,
    is_over: AtomicBool,
}

impl Wire {
    /// Forwards to the relay at this host and port.
    pub(crate) fn to(relay: &str) -> Self {
        Self::between("127.0.0.1:0", vec![relay.to_owned()])
    }

    /// Forwards from `here` to the relays at these hosts and ports in turn.
    pub(crate) fn between(here: &str, relays: Vec<String>) -> Self {
        let listener = TcpListener::bind(here).unwrap();
        let address = listener.local_addr().unwrap();
        let open = Mutex::new(Some(Vec::new()));
        let passing = Arc::new(Passing { relays, open, is_over: AtomicBool::new(false) });
        let shared = passing.clone();
        let acceptor = Some(std::thread::spawn(move || shared.accept(&listener)));
        Self { address, passing, acceptor }
    }

    /// Returns host and port of its near end.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Returns the same link, through this wire.
    pub(crate) fn link(&self, link: &str) -> String {
        let invite = Invite::parse(link).unwrap();
        let relay = RelayUrl::parse(&format!("http://{}/", self.address)).unwrap();
        let secret = Secret::new(*invite.secret().expose());
        Invite::new(relay, *invite.address(), secret).to_link().to_string()
    }

    /// Cuts all connections, and each new one at once.
    pub(crate) fn cut(&self) {
        for stream in self.passing.open().take().into_iter().flatten() {
            // The other side may have closed it already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lets new connections through again.
    pub(crate) fn mend(&self) {
        *self.passing.open() = Some(Vec::new());
    }
}

impl Passing {
    fn open(&self) -> MutexGuard<'_, Option<Vec<TcpStream>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(&self, listener: &TcpListener) {
        let mut turn = 0;
        for near in listener.incoming().map_while(Result::ok) {
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            // The lock is held while connecting, so that a cut affects every connection.
            if let Some(open) = self.open().as_mut()
                // A relay that has ended is skipped.
                && let Some(far) = (0..self.relays.len()).find_map(|_| self.connect(&mut turn))
            {
                for (from, to) in [(&near, &far), (&far, &near)] {
                    // Disables Nagle's algorithm; this fails if the connection is closed already.
                    let _ = to.set_nodelay(true);
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    std::thread::spawn(move || pass_on(from, to));
                }
                open.extend([near, far]);
            }
        }
    }

    fn connect(&self, turn: &mut usize) -> Option<TcpStream> {
        let relay = self.relays.get(*turn % self.relays.len())?;
        *turn += 1;
        TcpStream::connect(relay).ok()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.cut();
        self.passing.is_over.store(true, Ordering::Relaxed);
        // Only a connection wakes the acceptor; then the address is free again.
        let _ = TcpStream::connect(self.address);
        let _ = self.acceptor.take().map(JoinHandle::join);
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream) {
    // Cut or closed: shutting down both directions ends the other thread.
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
