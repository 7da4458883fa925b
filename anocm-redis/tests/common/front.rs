//! A TCP proxy in front of a server that can be redirected to another one.

use std::{
    io,
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    thread,
};

/// Accepts connections and forwards them to the current server.
pub(crate) struct Front {
    port: u16,
    to: Arc<AtomicU16>,
}

impl Front {
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let front = Self {
            port: listener.local_addr().unwrap().port(),
            to: Arc::new(AtomicU16::new(port)),
        };
        let to = Arc::clone(&front.to);
        // The thread ends with the process.
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // If no server is there, the client's connection is closed.
                let server = TcpStream::connect((Ipv4Addr::LOCALHOST, to.load(Ordering::Relaxed)));
                if let Ok(server) = server {
                    let (back, forth) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                    thread::spawn(move || copy(client, server));
                    thread::spawn(move || copy(back, forth));
                }
            }
        });
        front
    }

    /// Forwards new connections to another port from now on.
    pub(crate) fn turn_to(&self, port: u16) {
        self.to.store(port, Ordering::Relaxed);
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
