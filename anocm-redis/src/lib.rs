//! The store of anocm in Redis or Valkey: any number of relays share their rooms, which live on
//! when one of them dies, and end by themselves when all do.
//!
//! ```text
//! relay ─┐                      ┌─ anocm:{a7}…        a room: epoch, place, bounds, token hashes
//! relay ─┼─ RedisStore ── one ──┼─ anocm:{a7}…:d      its group information
//! relay ─┘  script a step       ├─ anocm:{a7}…:12     a kept entry, at place 12
//!             ▲                 ├─ anocm:{a7}…:x      which are kept, by time of death
//!             └── a channel ────┤  anocm:{a7}…:e      epochs that have ended
//!                 for each room └─ anocm:{a7}         rooms of the slot, by what is due next
//! ```
//!
//! Redis 7 or later, or Valkey; a single server or a cluster. A room's keys begin with its address:
//! the first byte as a hash tag, so that all rooms of that byte share a slot, and the rest in
//! base64url. Beside these there is `anocm:{a7}:wash` for two seconds, while one of the relays
//! overwrites the server's buffers.
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
//! Each step is one script, so that nothing is ever half done:
//!
//! | script | what it does |
//! |---|---|
//! | `create` | opens a room, all keys with a time to live |
//! | `append` | compares the epoch, gives the place, keeps the entry with its time to live, tells the channel |
//! | `state`, `door`, `read` | look; an entry is shown up to the millisecond of its death |
//! | `touch`, `extend` | the linger starts anew, and the keys are held for longer, 500 entries at a time |
//! | `void`, `settle` | take back a commit or a join, also as a member of the epoch before; note that a join stays |
//! | `close` | ends a room |
//! | `tend` | overwrites and deletes what is due in a slot, 100 entries of a room at a time |
//! | `clock`, `revive` | record that the server's clock was set; bring a room back that was expired by that, or while the relay did not run |
//! | `wash` | overwrites what is left in the server's buffers, and in those by which replicas are filled |
//!
//! # What it costs
//! A kept message is one key, and 1,000 sealed bytes are 1,195 of the server, all told: the string
//! with a head of 17 bytes, its key, its expiry, its place in the index. In a room that keeps more
//! than 128 they are 1,284, since the server packs shorter indexes only. A room is two keys and
//! 2,050 bytes with the smallest group information; a third key is the index, while there are
//! messages, and a fourth the epochs that have ended. A message is one command of a relay, nine
//! commands inside of its script, and one announcement, in two parts, to each relay that watches
//! the room: 1,240 bytes to the server and 1,230 to each of these. Measured with Debian's Redis,
//! see docs/benchmarks.md.
//!
//! # Retention
//! - No key is ever without a time to live: it is set in the step that writes. An entry's is the
//!   shortest of its own and its room's, and 3 s more, so that a relay comes first and overwrites
//!   it. A room's keys are held as long as somebody touches it, and for its linger; a quarter of
//!   the linger more (2 s to 10 s), so that not every touch visits every key.
//! - Every relay looks at every slot each second: what is due is erased although the relay it came
//!   from is no more.
//! - Freed memory is the allocator's to overwrite: see docs/operating.md (`junk:free`).
//!
//! # Time
//! Rooms are timed by the server's clock, which all relays share, less the steps by which it was
//! set: each relay holds it against a monotonic clock of its own, brings the time along with every
//! script, and records a step as an offset for the slot (`anocm:{a7}:t`, which lives for an hour
//! longer than a relay that needs it). A key's time to live is the server's to count: a step
//! forward takes what had less than that left. A room that is watched, and all of whose changes
//! were heard, is then brought back, without what was kept in it.
//!
//! # When a server is lost
//! A single server that starts anew has no rooms, and guests are told. In a cluster a replica takes
//! over; what it had not received is lost. A single server that has become a replica is let go
//! of, and its address asked for the new one. A room whose last epoch was lost ends, rather than
//! having its members in different ones. The place of a lost entry is given again only by a relay
//! without a watch of the room; connections that were told the lost entry are told that they lag
//! behind. Slots are not
//! to be moved between servers while rooms live in them.
//!
//! # Errors
//! After [`StoreError::Unavailable`](anocm_core::store::StoreError::Unavailable) nobody knows
//! whether it was done: commands whose answer was lost are never repeated here. Clients find their
//! own entries in the log.

#![forbid(unsafe_code)]

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
