//! What only several threads at once can do to a client. Real threads, real time.

use std::{
    collections::VecDeque,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use async_trait::async_trait;

use super::{Client, ClientConfig};
use crate::{
    id::RoomAddress,
    invite::{Invite, RelayUrl},
    room::NewRoom,
    secret::Secret,
    transport::{Link, Transport, TransportError},
};

const THREADS: u8 = 8;
/// Rooms that each thread opens and ends.
const ROUNDS: u16 = 2_000;
/// Far longer than all of it takes: who is not done by then waits for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reaches nothing, and never gives up: rooms need no relay to begin and to end.
struct Nowhere;

#[async_trait]
impl Transport for Nowhere {
    async fn connect(&self) -> Result<Box<dyn Link>, TransportError> {
        std::future::pending().await
    }
}

fn url() -> RelayUrl {
    RelayUrl::parse("http://localhost/").unwrap()
}

fn invite(thread: u8, round: u16) -> Invite {
    let mut address = [thread; 16];
    address[..2].copy_from_slice(&round.to_be_bytes());
    Invite::new(url(), RoomAddress::new(address), Secret::new([7; 32]))
}

/// Opens one room after the other, and ends each a little later.
fn come_and_go(client: &Client, thread: u8) {
    let mut open = VecDeque::new();
    for round in 0..ROUNDS {
        let room = if round % 100 == 0 {
            client.create(&NewRoom::default())
        } else {
            client.join(&invite(thread, round), "Bob".parse().unwrap())
        };
        open.push_back(room.unwrap());
        if open.len() > 16 {
            let room = open.pop_front().unwrap();
            room.wipe();
        }
    }
}

#[test]
fn rooms_that_end_hold_up_nobody_who_opens_others() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build();
    let runtime = runtime.unwrap();
    let (client, driver) = Client::new(url(), Arc::new(Nowhere), ClientConfig::default());
    runtime.spawn(driver.run());
    let (done, finished) = mpsc::channel();
    for thread in 0..THREADS {
        let (client, done) = (client.clone(), done.clone());
        // Not scoped: a thread that hangs must not keep the test from failing.
        thread::spawn(move || {
            come_and_go(&client, thread);
            done.send(()).unwrap();
        });
    }
    let all_done = (0..THREADS).all(|_| finished.recv_timeout(PATIENCE).is_ok());
    let ended = all_done
        && runtime
            .block_on(async { tokio::time::timeout(PATIENCE, client.shutdown()).await })
            .is_ok();
    // Waits for no task, which may be the one that hangs.
    runtime.shutdown_background();
    assert!(all_done, "the rooms and their driver wait for each other");
    assert!(ended, "the driver waits for ever");
}
