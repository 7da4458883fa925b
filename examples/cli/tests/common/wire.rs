//! A connection to a relay that a test can cut and mend.

use std::{
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use anocm_core::{Invite, RelayUrl, Secret};

/// Passes bytes on to a relay as long as it is not cut.
pub(crate) struct Wire {
    address: String,
    open: Arc<Mutex<Option<Vec<TcpStream>>>>,
}

impl Wire {
    /// A wire to the relay at this host and port.
    pub(crate) fn to(relay: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let open = Arc::new(Mutex::new(Some(Vec::new())));
        let (to, shared) = (relay.to_owned(), open.clone());
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                // Held while connecting, so that a cut spares none.
                if let Some(open) = shared.lock().unwrap().as_mut() {
                    let far = TcpStream::connect(&to).unwrap();
                    for (from, to) in [(&near, &far), (&far, &near)] {
                        let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                        std::thread::spawn(move || pass_on(from, to));
                    }
                    open.extend([near, far]);
                }
            }
        });
        Self { address, open }
    }

    /// The same link, by way of this wire.
    pub(crate) fn link(&self, link: &str) -> String {
        let invite = Invite::parse(link).unwrap();
        let relay = RelayUrl::parse(&format!("http://{}/", self.address)).unwrap();
        let secret = Secret::new(*invite.secret().expose());
        Invite::new(relay, *invite.address(), secret).to_link().to_string()
    }

    /// Cuts all connections, and each new one at once.
    pub(crate) fn cut(&self) {
        for stream in self.open.lock().unwrap().take().into_iter().flatten() {
            // The other side may have closed it already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lets new connections through again.
    pub(crate) fn mend(&self) {
        *self.open.lock().unwrap() = Some(Vec::new());
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream) {
    // Cut or closed: the other way learns of it.
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
