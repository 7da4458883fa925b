//! The store contract, on a single server.
#![expect(clippy::unwrap_used, reason = "a test, helpers included")]

mod common;

use std::{sync::Arc, time::Duration};

use anocm_core::{store::Store, testing::store::StoreFactory};
use anocm_redis::{RedisOptions, RedisStore};
use common::Server;

/// A server for each case.
struct Single(Server);

impl Single {
    fn start() -> Self {
        Self(Server::start(&[]))
    }
}

#[async_trait::async_trait]
impl StoreFactory for Single {
    async fn store(&self) -> Arc<dyn Store> {
        let options = RedisOptions::new([self.0.url()]).unwrap();
        RedisStore::connect(options).await.unwrap()
    }

    async fn pass(&self, duration: Duration) {
        // The server's clock cannot be advanced, so this waits. A relay's clock reading may be
        // corrected by up to 50 ms, so wait a little longer.
        tokio::time::sleep(duration + duration / 10).await;
    }

    fn is_exact(&self) -> bool {
        false
    }
}

anocm_core::store_conformance!(Single::start());
