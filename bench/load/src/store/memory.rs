//! The memory for a kept message and for a room.

use std::sync::Arc;

use anocm_core::Retention;

use super::{
    args::Store,
    publishers::{Publishers, Until},
    redis::{Redis, State},
    share,
};
use crate::{
    failure::Failure,
    guest::{
        room::{RawRoom, greet},
        socket::Opened,
    },
    latency::Latencies,
    measure::{MeasureError, real},
    report::{Printer, Row, Value},
    server::Relay,
};

/// Messages of each room, when they are spread over rooms.
const IN_A_ROOM: u32 = 100;

pub(super) async fn run(args: &Store, printer: &mut Printer) -> Result<(), Failure> {
    printer.begin()?;
    printer.line(&kept(args, 1, args.kept).await?)?;
    printer.line(&kept(args, args.kept / IN_A_ROOM, IN_A_ROOM).await?)?;
    printer.line(&rooms(args).await?)?;
    Ok(())
}

/// Measures this many rooms with this many messages each.
async fn kept(args: &Store, rooms: u32, each: u32) -> Result<Row, Failure> {
    let mut redis = Redis::start(&args.redis).await?;
    let url = redis.url();
    let relay = Relay::wide(args.server.as_deref(), rooms, Some(&url)).await?;
    let mut publishers = Publishers::gather(&relay.target()?, rooms, args.size, args.keep).await?;
    let latencies = Arc::new(Latencies::new().map_err(MeasureError::from)?);
    let before = redis.state().await?;
    let said = publishers.publish(Until::Count(each.into()), &latencies).await?;
    let state = redis.state().await?.since(before);
    if said.lost > 0 {
        return Err(Failure::Troubles(vec![format!("{} deliveries never came", said.lost)]));
    }
    Ok(row(args, rooms, "message", said.accepted, state))
}

/// Measures empty rooms with minimal group information.
async fn rooms(args: &Store) -> Result<Row, Failure> {
    let mut redis = Redis::start(&args.redis).await?;
    let url = redis.url();
    let relay = Relay::wide(args.server.as_deref(), 1, Some(&url)).await?;
    let mut guest = Opened::new(&relay.target()?, args.size).await?;
    greet(&mut guest).await?;
    let before = redis.state().await?;
    for _ in 0..args.rooms {
        RawRoom::new(Retention::Live, 1, 1)?.open(&mut guest).await?;
    }
    let state = redis.state().await?.since(before);
    Ok(row(args, args.rooms, "room", args.rooms.into(), state))
}

fn row(args: &Store, rooms: u32, what: &str, count: u64, state: State) -> Row {
    Row::new("store")
        .with("part", Value::text("memory"))
        .with("of", Value::text(what))
        .with("count", count)
        .with("rooms", u64::from(rooms))
        .with("size", u64::try_from(args.size).unwrap_or(u64::MAX))
        .with("bytes_each", real(share(state.memory, count), 1))
        .with("keys_each", real(share(state.keys, count), 2))
}
