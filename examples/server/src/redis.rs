//! The connection to rooms in Redis.

use std::{sync::Arc, time::Duration};

use anocm_redis::{ConnectError, RedisOptions, RedisStore};
use tokio::time::sleep;

/// Delay between attempts to reach the servers.
const RETRY: Duration = Duration::from_secs(1);

/// Connects. Retries while servers cannot be reached, since they may start later than the relay,
/// and logs the reason, once for each reason.
pub(crate) async fn connect(options: RedisOptions) -> Result<Arc<RedisStore>, ConnectError> {
    let mut reason = None;
    loop {
        match RedisStore::connect(options.clone()).await {
            Ok(store) => {
                if reason.is_some() {
                    tracing::warn!("the store can be used: waited for it");
                }
                return Ok(store);
            }
            Err(error) if error.is_retryable() => {
                if reason.as_ref() != Some(&error) {
                    tracing::warn!("waiting for the store: {error}");
                    reason = Some(error);
                }
                sleep(RETRY).await;
            }
            Err(error) => return Err(error),
        }
    }
}
