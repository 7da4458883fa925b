//! The store contract, on a cluster of three nodes.
#![expect(clippy::unwrap_used, reason = "a test, helpers included")]

mod common;

use std::{sync::Arc, time::Duration};

use anocm_core::{store::Store, testing::store::StoreFactory};
use anocm_redis::{RedisOptions, RedisStore};
use common::Cluster;

/// A cluster for each case.
struct Three(Cluster);

impl Three {
    fn start() -> Self {
        Self(Cluster::start(0))
    }
}

#[async_trait::async_trait]
impl StoreFactory for Three {
    async fn store(&self) -> Arc<dyn Store> {
        let options = RedisOptions::new(self.0.urls()).unwrap();
        RedisStore::connect(options).await.unwrap()
    }

    async fn pass(&self, duration: Duration) {
        // The servers' clocks cannot be advanced, so this waits. A relay's clock reading may be
        // corrected by up to 50 ms, so wait a little longer.
        tokio::time::sleep(duration + duration / 10).await;
    }

    fn is_exact(&self) -> bool {
        false
    }
}

anocm_core::store_conformance!(Three::start());
