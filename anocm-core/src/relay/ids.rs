//! Names of connections and shards within their relay.

/// Names a connection within its relay.
pub(crate) type ConnectionId = u64;

/// Names a shard of a room's fan-out within its relay.
pub(crate) type ShardId = u64;
