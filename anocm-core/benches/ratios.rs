//! The cost of a session relative to the bare MLS library, as a ratio. The two alternate, so that
//! noise of the machine affects both alike, and only CPU time counts. Each round gives a ratio; the
//! median and quartiles of the ratios are printed.
#![expect(clippy::print_stdout, reason = "a benchmark tells what it found")]

mod common;

use std::{env, time::Duration};

use common::{
    Room,
    anocm::Anocm,
    bare::Bare,
    letters,
    talk::{Part, Talk, Visit, growth},
};

/// The times of both in each round.
type Rounds = Vec<(Duration, Duration)>;

fn main() {
    // Without `--bench` it runs as a test: one small round.
    let (rounds, members, messages) =
        if env::args().any(|arg| arg == "--bench") { (25, 256, 200) } else { (1, 2, 1) };
    println!("{:36} {:>14} {:>14}   ratio [quartiles]", "", Anocm::NAME, Bare::NAME);
    for members in [2, 16, 256].into_iter().filter(|size| *size <= members) {
        talking(rounds, members, messages);
    }
    coming_and_going(rounds, members);
    let grown = interleaved(rounds.min(7), || growth::<Anocm>(members), || growth::<Bare>(members));
    report(&format!("growth to {members} by joins"), 1, &grown);
}

/// Sealing and opening messages in a room.
fn talking(rounds: usize, members: usize, messages: u64) {
    let (mut ours, mut theirs) = (Talk::<Anocm>::of(members), Talk::<Bare>::of(members));
    for (length, called) in [(100, "100 B"), (1_000, "1,000 B")] {
        let text = letters(length);
        let both = interleaved(
            rounds,
            || ours.exchange(messages, &text),
            || theirs.exchange(messages, &text),
        );
        let parts: [Part<(Duration, Duration)>; 3] = [
            ("seal", |(seal, _)| *seal),
            ("open", |(_, open)| *open),
            ("seal and open", |(seal, open)| *seal + *open),
        ];
        for (part, of) in parts {
            let name = format!("{part} {called}, {members} members");
            report(&name, messages, &both.iter().map(|(a, b)| (of(a), of(b))).collect());
        }
    }
}

/// Joining and removing in a room.
fn coming_and_going(rounds: usize, members: usize) {
    let (mut ours, mut theirs) = (Talk::<Anocm>::of(members), Talk::<Bare>::of(members));
    let both = interleaved(rounds, || ours.visit(), || theirs.visit());
    for (part, of) in Visit::PARTS {
        let name = format!("{part}, {members} members");
        report(&name, 1, &both.iter().map(|(a, b)| (of(a), of(b))).collect());
    }
}

/// Alternates the two; each goes first every other round.
fn interleaved<T>(
    rounds: usize,
    mut ours: impl FnMut() -> T,
    mut theirs: impl FnMut() -> T,
) -> Vec<(T, T)> {
    (0..rounds)
        .map(|round| {
            if round % 2 == 0 {
                let ours = ours();
                (ours, theirs())
            } else {
                let theirs = theirs();
                (ours(), theirs)
            }
        })
        .collect()
}

/// Prints the median time of one of `each`, and the median and quartiles of the ratio.
fn report(name: &str, each: u64, rounds: &Rounds) {
    let micros = |took: Duration| took.as_secs_f64() * 1e6 / each as f64;
    let ours = sorted(rounds.iter().map(|(ours, _)| micros(*ours)));
    let theirs = sorted(rounds.iter().map(|(_, theirs)| micros(*theirs)));
    let ratios = sorted(rounds.iter().map(|(a, b)| a.as_secs_f64() / b.as_secs_f64()));
    let (ours, theirs) = (quartile(&ours, 2), quartile(&theirs, 2));
    let [low, median, high] = [1, 2, 3].map(|nth| quartile(&ratios, nth));
    println!("{name:36} {ours:11.1} µs {theirs:11.1} µs   {median:.3} [{low:.3} – {high:.3}]");
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn quartile(sorted: &[f64], nth: usize) -> f64 {
    let at = sorted.len().saturating_sub(1) * nth / 4;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
