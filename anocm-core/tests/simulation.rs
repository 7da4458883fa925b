//! Thousands of conversations in virtual time, each generated from a seed.
//!
//! `ANOCM_SIM_SEEDS` sets how many (default 500); `ANOCM_SIM_SEED` replays one.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use anocm_core::testing::sim::{Plan, simulate};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_promise_holds_for_every_seed() {
    if let Some(seed) = number("ANOCM_SIM_SEED") {
        simulate(seed, Plan::default()).unwrap();
        return;
    }
    let seeds = number("ANOCM_SIM_SEEDS").unwrap_or(500);
    let next = AtomicU64::new(0);
    let (guests, shown) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return Ok::<(), anocm_core::testing::sim::Violation>(());
            }
            // Mostly small rooms; one in eight may grow to twelve guests.
            let plan = match seed % 8 {
                0 => Plan::default(),
                small => {
                    Plan { guests: 2 + usize::try_from(small).unwrap() / 2, ..Plan::default() }
                }
            };
            let report = simulate(seed, plan)?;
            guests.fetch_add(report.guests, Ordering::Relaxed);
            shown.fetch_add(report.shown, Ordering::Relaxed);
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            if let Err(violation) = worker.join().unwrap() {
                panic!("{violation}");
            }
        }
    });
    println!("{seeds} conversations, {guests:?} guests, {shown:?} messages on screens");
    // Guards against a simulator in which nothing happens any more.
    assert!(guests.into_inner() as u64 > seeds * 2);
    assert!(shown.into_inner() as u64 > seeds * 4);
}

#[test]
fn the_same_seed_gives_the_same_conversation_to_the_frame() {
    for seed in 0..number("ANOCM_SIM_REPEATS").unwrap_or(60) {
        let plan = Plan { guests: 2 + usize::try_from(seed % 6).unwrap(), ..Plan::default() };
        let [first, second] = [(), ()].map(|()| simulate(seed, plan).unwrap());
        assert_eq!(first, second, "seed {seed}");
    }
}
