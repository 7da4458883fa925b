//! A guest's end-to-end operations, next to the same operations of the bare MLS library. Criterion
//! does not pair them; for their ratio see `ratios`.

mod common;

use std::{hint::black_box, time::Duration};

use common::{
    Room,
    anocm::Anocm,
    bare::Bare,
    letters,
    talk::{Talk, Visit, growth},
};
use criterion::{BenchmarkId, Criterion, SamplingMode, criterion_group, criterion_main};

const ROOMS: [usize; 3] = [2, 16, 256];

/// A room that is created when it is first needed: benchmark filters skip most of them.
struct Lazy<R: Room> {
    members: usize,
    talk: Option<Talk<R>>,
}

impl<R: Room> Lazy<R> {
    fn of(members: usize) -> Self {
        Self { members, talk: None }
    }

    fn get(&mut self) -> &mut Talk<R> {
        self.talk.get_or_insert_with(|| Talk::of(self.members))
    }
}

/// Sealing and opening a message.
fn messages<R: Room>(c: &mut Criterion) {
    for members in ROOMS {
        let mut talk = Lazy::<R>::of(members);
        for (length, called) in [(100, "100 B"), (1_000, "1,000 B")] {
            let text = letters(length);
            let mut seal = c.benchmark_group(format!("seal {called}"));
            seal.bench_function(BenchmarkId::new(R::NAME, members), |b| {
                b.iter_custom(|iters| talk.get().exchange(iters, &text).0);
            });
            seal.finish();
            let mut open = c.benchmark_group(format!("open {called}"));
            open.bench_function(BenchmarkId::new(R::NAME, members), |b| {
                b.iter_custom(|iters| talk.get().exchange(iters, &text).1);
            });
            open.finish();
        }
    }
}

/// Joining and removing, for the acting guest and for a member who follows.
fn membership<R: Room>(c: &mut Criterion) {
    for members in ROOMS {
        let mut talk = Lazy::<R>::of(members);
        for (called, part) in Visit::PARTS {
            let mut group = c.benchmark_group(called);
            group.sample_size(20).sampling_mode(SamplingMode::Flat);
            group.bench_function(BenchmarkId::new(R::NAME, members), |b| {
                b.iter_custom(|iters| (0..iters).map(|_| part(&talk.get().visit())).sum());
            });
            group.finish();
        }
    }
}

/// Opening a room, and its whole growth to 256 members.
fn rooms<R: Room>(c: &mut Criterion) {
    c.bench_function(&format!("create/{}", R::NAME), |b| b.iter(|| black_box(R::open())));
    let mut group = c.benchmark_group("growth");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.bench_function(BenchmarkId::new(R::NAME, 256), |b| {
        b.iter_custom(|iters| (0..iters).map(|_| growth::<R>(256)).sum());
    });
    group.finish();
}

/// The safety code of the epoch, as it is displayed.
fn safety_code(c: &mut Criterion) {
    let room = Anocm::open();
    c.bench_function("safety code", |b| {
        b.iter(|| black_box(room.alice()).safety_code().map(ToString::to_string));
    });
}

criterion_group! {
    name = session;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = messages::<Anocm>, messages::<Bare>, membership::<Anocm>, membership::<Bare>,
        rooms::<Anocm>, rooms::<Bare>, safety_code
}
criterion_main!(session);
