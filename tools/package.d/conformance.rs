//! The conformance suites of the package, as an embedder runs them on a back end.

use std::{sync::Arc, time::Duration};

use anocm_core::{
    store::{MemoryLimits, MemoryStore, Store},
    testing::{
        ManualClock,
        store::StoreFactory,
        transport::{Accepted, TransportFactory},
    },
    transport::{InProcess, Transport},
};
use async_trait::async_trait;

struct Memory(Arc<ManualClock>);

#[async_trait]
impl StoreFactory for Memory {
    async fn store(&self) -> Arc<dyn Store> {
        MemoryStore::new(self.0.clone(), MemoryLimits::default()).unwrap()
    }
    async fn pass(&self, duration: Duration) {
        self.0.advance(duration);
    }
    fn is_exact(&self) -> bool {
        true
    }
}

struct Pipes;

#[async_trait]
impl TransportFactory for Pipes {
    async fn start(&self) -> (Box<dyn Transport>, Accepted) {
        let (accept, accepted) = Accepted::new();
        (Box::new(InProcess::new(move |link| accept(link))), accepted)
    }
}

mod store {
    use super::*;
    anocm_core::store_conformance!(Memory(Arc::new(ManualClock::new())));
}

mod transport {
    use super::*;
    anocm_core::transport_conformance!(Pipes);
}
