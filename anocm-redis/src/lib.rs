//! The store of anocm in Redis or Valkey. Any number of relays share their rooms. Rooms outlive the
//! failure of a relay, and expire by themselves if all relays fail.
//!
//! ```text
//! relay ─┐                      ┌─ anocm:{a7}…        a room: epoch, head, bounds, token hashes
//! relay ─┼─ RedisStore ── one ──┼─ anocm:{a7}…:d      its group information
//! relay ─┘  script a step       ├─ anocm:{a7}…:12     a kept entry, with sequence number 12
//!             ▲                 ├─ anocm:{a7}…:x      index of kept entries, by expiry time
//!             └── a channel ────┤  anocm:{a7}…:e      epochs that have ended
//!                 for each room └─ anocm:{a7}         rooms of the shard, by what is due next
//! ```
//!
//! Requires Redis 7 or later, or Valkey; a single server or a cluster. A room's keys begin with its
//! address: the first byte as a hash tag, so that all rooms with that byte share a slot, and the
//! rest in base64url. In addition there is `anocm:{a7}:wash` for two seconds while one of the
//! relays overwrites the server's buffers.
//!
//! # Quick start
//! ```no_run
//! use std::sync::Arc;
//! use anocm_core::{TokioClock, relay::{Relay, RelayConfig}};
//! use anocm_redis::{RedisOptions, RedisStore};
//!
//! # async fn serve() -> Result<(), anocm_redis::ConnectError> {
//! let options = RedisOptions::new(["redis://127.0.0.1:6379"])?;
//! let store = RedisStore::connect(options).await?;
//! let relay = Relay::new(store, Arc::new(TokioClock::new()), RelayConfig::default())?;
//! # Ok(()) }
//! ```
//!
//! # Scripts
//! Each step is one script, so that every step is atomic:
//!
//! | script | what it does |
//! |---|---|
//! | `create` | opens a room, all keys with a time to live |
//! | `append` | compares the epoch, assigns the sequence number, stores the entry with its time to live, publishes it to the channel |
//! | `state`, `door`, `read` | read; an entry is returned up to the millisecond of its expiry |
//! | `touch`, `extend` | restart the linger, and extend the keys' time to live, 500 entries at a time |
//! | `void`, `settle` | roll back a commit or a join, also as a member of the previous epoch; mark a join as permanent |
//! | `close` | ends a room |
//! | `expire` | overwrites and deletes what is due in a shard, 100 entries of a room at a time |
//! | `clock`, `revive` | record that the server's clock was set; restore a room that expired because of that, or while the relay was not running |
//! | `scrub` | overwrites remnants in the server's buffers, and in those from which replicas are filled |
//!
//! # What it costs
//! A kept message is one key. With 1,000 sealed bytes it takes 1,195 bytes of the server in total:
//! the string with a header of 17 bytes, its key, its expiry, its place in the index. In a room
//! that keeps more than 128 messages it takes 1,284 bytes, since the server packs shorter indexes
//! only. A room is two keys and 2,050 bytes with the smallest group information. A third key is the
//! index, while there are messages, and a fourth holds the epochs that have ended. A message is one
//! command of a relay, nine commands inside its script, and one announcement, in two parts, to each
//! relay that watches the room: 1,240 bytes to the server and 1,230 to each of these. Measured with
//! Debian's Redis, see docs/benchmarks.md.
//!
//! # Retention
//! - No key is ever without a time to live: it is set in the step that writes. An entry's time to
//!   live is the shorter of its own and its room's, plus 3 s, so that a relay overwrites it first.
//!   A room's keys are held as long as the room is touched, and for its linger, plus a quarter of
//!   the linger (2 s to 10 s), so that not every touch has to visit every key.
//! - Every relay checks every shard each second: expired data is erased even if the relay that
//!   stored it has died.
//! - Overwriting freed memory is up to the allocator: see docs/operating.md (`junk:free`).
//!
//! # Time
//! Room time is the server's clock, which all relays share, corrected for steps by which it was
//! set. Each relay compares it with a monotonic clock of its own, passes the room time to every
//! script, and records a step as an offset of the shard (`anocm:{a7}:t`, which outlives the last
//! relay that needs it by an hour). The server counts a key's time to live by its own clock: a step
//! forward expires keys that had less than that left. A watched room whose changes were all
//! received is then revived, without its kept entries.
//!
//! # When a server is lost
//! A single server that restarts has no rooms, and guests are notified. In a cluster a replica
//! takes over; what it had not received is lost. If a single server has become a replica, its
//! connections are dropped, and its address is connected to again for the new master. A room whose
//! last epoch was lost ends, because its members would otherwise be in different epochs. The
//! sequence number of a lost entry is reassigned only by a relay without a watch of the room.
//! Connections that received the lost entry are notified that they lag behind. Slots must not be
//! migrated between servers while rooms live in them.
//!
//! # Errors
//! After [`StoreError::Unavailable`](anocm_core::store::StoreError::Unavailable) it is unknown
//! whether the operation was executed: commands whose response was lost are never retried here.
//! Clients find their own entries in the log.

#![forbid(unsafe_code)]
// Labels what needs a feature, on docs.rs.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod channels;
mod codec;
mod error;
mod fields;
mod janitor;
mod keys;
mod options;
mod posture;
mod queries;
mod script;
mod scrub;
mod servers;
mod store;
mod transport;

pub use self::{
    error::ConnectError, options::RedisOptions, servers::StoreHealth, store::RedisStore,
    transport::RedisTransport,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
