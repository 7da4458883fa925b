//! The store of anocm in Redis or Valkey.

mod channels;
mod codec;
mod error;
mod janitor;
mod keys;
mod look;
mod options;
mod posture;
mod script;
mod servers;
mod store;
mod transport;
mod wash;

pub use self::{
    error::ConnectError, options::RedisOptions, store::RedisStore, transport::RedisTransport,
};
