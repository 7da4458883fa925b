//! A transport of one's own: two queues in place of a network. `transport_conformance!` passes.
//!
//! `cargo run -p anocm-core --example own_transport`

use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::{error::Error, io, io::Write};

use anocm_core::relay::{Relay, RelayConfig};
use anocm_core::store::{MemoryLimits, MemoryStore};
use anocm_core::transport::{Closing, Link, Transport, TransportError};
use anocm_core::{NewRoom, Payload, RelayUrl, TokioClock, client::Client, wire::MAX_FRAME};
use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc};

/// Passes the far end of each new link to `accept`.
pub(crate) struct Queues<F>(pub(crate) RelayUrl, pub(crate) F);

#[async_trait]
impl<F: Fn(Box<dyn Link>) + Send + Sync + 'static> Transport for Queues<F> {
    fn relay(&self) -> &RelayUrl {
        &self.0
    }

    async fn connect(&self) -> Result<Box<dyn Link>, TransportError> {
        let (up, down) = (mpsc::channel(8), mpsc::channel(8)); // Bounded: `send` waits.
        (self.1)(Box::new(End { to: StdMutex::new(Some(down.0)), from: Mutex::new(up.1) }));
        Ok(Box::new(End { to: StdMutex::new(Some(up.0)), from: Mutex::new(down.1) }))
    }
}

struct End {
    to: StdMutex<Option<mpsc::Sender<Payload>>>, // Locked only to clone or drop the sender.
    from: Mutex<mpsc::Receiver<Payload>>,        // Held across an await: one task receives.
}

#[async_trait]
impl Link for End {
    async fn send(&self, frames: &[Payload]) -> Result<(), TransportError> {
        if frames.iter().any(|frame| frame.len() > MAX_FRAME) {
            return Err(TransportError::TooLong);
        }
        let to = self.to.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let to = to.ok_or(TransportError::Cut)?;
        for frame in frames {
            to.send(frame.clone()).await.map_err(|_| TransportError::Cut)?;
        }
        Ok(())
    }

    async fn recv(&self) -> Result<Option<Payload>, TransportError> {
        Ok(self.from.lock().await.recv().await)
    }

    async fn close(&self, _: Closing) {
        self.to.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run(io::stdout()).await
}

/// Opens a room over this transport, and prints its link without the secret part.
pub(crate) async fn run(mut output: impl Write) -> Result<(), Box<dyn Error>> {
    let clock = Arc::new(TokioClock::new());
    let store = MemoryStore::new(clock.clone(), MemoryLimits::default())?;
    let relay = Relay::new(store, clock, RelayConfig::default())?;
    let accept = move |link| {
        let relay = Arc::clone(&relay);
        tokio::spawn(async move { relay.serve(link).await });
    };
    let (client, driver) = Client::new(Queues("https://relay.example/".parse()?, accept));
    tokio::spawn(driver);
    let room = client.create(&NewRoom::default())?;
    room.entered().await?;
    writeln!(output, "a room at {}", room.view().invite.ok_or("no invite")?.relay())?;
    Ok(())
}
