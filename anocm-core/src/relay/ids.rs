//! Ids of connections and shards within their relay.

/// Identifies a connection within its relay.
pub(crate) type ConnectionId = u64;

/// Identifies a shard of a room's fan-out within its relay.
pub(crate) type ShardId = u64;
