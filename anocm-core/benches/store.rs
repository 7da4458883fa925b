//! The memory store, alone and with many rooms. Entries have 1,000 bytes. Creating the appended
//! entries and erasing the kept ones is not timed.

mod common;

use std::time::Duration;

use anocm_core::{
    Retention, Seq,
    store::{Store, Watched},
    wire::{CloseReason, Entry, NextEpoch},
};
use common::{
    shelf::{Shelf, address, done, genesis, kept, now},
    timed,
};
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, criterion_group, criterion_main,
    measurement::WallTime,
};
use futures_util::StreamExt;

type Group<'a> = BenchmarkGroup<'a, WallTime>;

const ROOMS: [u64; 3] = [1, 1_000, 100_000];
/// The number of calls in one timed batch.
const BATCH: u64 = 256;
/// The number of entries that expire at the same time.
const DUE: u64 = 10_000;

/// Runs `act` for `iters` iterations in batches; only the time that it returns counts.
fn in_batches(iters: u64, mut act: impl FnMut(u64) -> Duration) -> Duration {
    let (mut took, mut left) = (Duration::ZERO, iters);
    while left > 0 {
        let count = left.min(BATCH);
        left -= count;
        took += act(count);
    }
    took
}

fn store(c: &mut Criterion) {
    for rooms in ROOMS {
        let mut shelf = Shelf::of(rooms);
        let mut group = c.benchmark_group(format!("store of {rooms}"));
        appending(&mut group, &mut shelf);
        watching(&mut group, &mut shelf);
        reading(&mut group, &shelf);
        opening_and_closing(&mut group, &shelf, rooms);
        sweeping(&mut group, &mut shelf);
        group.finish();
    }
}

fn appending(group: &mut Group<'_>, shelf: &mut Shelf) {
    for (called, retention) in [("live", Retention::Live), ("kept", kept())] {
        append(group, shelf, called, |shelf, room| (shelf.message(room, retention), None));
    }
    append(group, shelf, "commit", |shelf, room| {
        let (commit, next) = shelf.commit(room);
        (commit, Some(next))
    });
}

/// Appends the entries that `make` returns, to all rooms in turn.
fn append(
    group: &mut Group<'_>,
    shelf: &mut Shelf,
    called: &str,
    make: impl Fn(&mut Shelf, usize) -> (Entry, Option<NextEpoch>),
) {
    group.bench_function(BenchmarkId::new("append", called), |b| {
        b.iter_custom(|iters| {
            in_batches(iters, |count| {
                let made: Vec<_> = (0..count)
                    .map(|_| {
                        let room = shelf.turn();
                        (shelf.address(room), make(shelf, room))
                    })
                    .collect();
                let (took, ()) = timed(|| {
                    for (room, (entry, next)) in made {
                        done(shelf.store.append(&room, entry, next));
                    }
                });
                shelf.expire();
                shelf.sweep();
                took
            })
        });
    });
}

/// A live entry, from the append to its one subscriber.
fn watching(group: &mut Group<'_>, shelf: &mut Shelf) {
    let room = shelf.turn();
    let address = shelf.address(room);
    let mut watch = done(shelf.store.watch(&address));
    group.bench_function("append and watch", |b| {
        b.iter_custom(|iters| {
            in_batches(iters, |count| {
                let entries: Vec<_> =
                    (0..count).map(|_| shelf.message(room, Retention::Live)).collect();
                let (took, ()) = timed(|| {
                    for entry in entries {
                        done(shelf.store.append(&address, entry, None));
                        assert!(matches!(now(watch.next()), Some(Watched::Entry(_))));
                    }
                });
                took
            })
        });
    });
}

/// A full page: 256 entries.
fn reading(group: &mut Group<'_>, shelf: &Shelf) {
    let address = shelf.address(0);
    let before = done(shelf.store.door(&address)).head;
    for _ in 0..300 {
        done(shelf.store.append(&address, shelf.message(0, kept()), None));
    }
    group.bench_function("read a page", |b| {
        b.iter(|| {
            let page = done(shelf.store.read(&address, before, Seq::new(u64::MAX)));
            assert_eq!(page.items.len(), 256);
        });
    });
    shelf.expire();
    shelf.sweep();
}

fn opening_and_closing(group: &mut Group<'_>, shelf: &Shelf, rooms: u64) {
    // Opens and closes `count` rooms; returns the total time of each.
    let come_and_go = |count| {
        let made: Vec<_> = (rooms..rooms + count).map(|room| (address(room), genesis())).collect();
        let addresses: Vec<_> = made.iter().map(|(address, _)| *address).collect();
        let (opening, ()) = timed(|| {
            for (address, genesis) in made {
                done(shelf.store.create(&address, genesis));
            }
        });
        let (closing, ()) = timed(|| {
            for address in &addresses {
                done(shelf.store.close(address, CloseReason::Owner));
            }
        });
        (opening, closing)
    };
    group.bench_function("create a room", |b| {
        b.iter_custom(|iters| in_batches(iters, |count| come_and_go(count).0));
    });
    group.bench_function("close a room", |b| {
        b.iter_custom(|iters| in_batches(iters, |count| come_and_go(count).1));
    });
}

/// Entries of all rooms expire at once.
fn sweeping(group: &mut Group<'_>, shelf: &mut Shelf) {
    group.sample_size(20).sampling_mode(SamplingMode::Flat);
    group.bench_function("sweep 10,000 entries", |b| {
        b.iter_custom(|iters| {
            in_batches(iters, |count| {
                (0..count)
                    .map(|_| {
                        shelf.fill(DUE);
                        shelf.expire();
                        timed(|| shelf.sweep()).0
                    })
                    .sum()
            })
        });
    });
}

criterion_group! {
    name = memory_store;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = store
}
criterion_main!(memory_store);
