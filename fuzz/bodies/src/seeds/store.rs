use super::{Named, named};
use crate::{
    seed::Seed,
    store::case::{Case, Rules, Sealed, Step},
};

const ROOMY: Rules =
    Rules { linger: 120_000, max_age: 600_000, max_entries: 1_000, max_bytes: 10_000_000 };
const SEALED: Sealed = Sealed { kind: 0, off: 0, retention: 60_000, size: 1_000, mark: 7 };

pub(super) fn files() -> Vec<Named> {
    let cases = [
        ("append_and_read", vec![create(ROOMY), say(), say(), read(), DOOR]),
        ("live", vec![create(ROOMY), WATCH, live(), say(), live(), read()]),
        ("expires", vec![create(ROOMY), say(), advance(59_999), read(), advance(1), read()]),
        ("epochs", vec![create(ROOMY), commit(1), DOOR, commit(2), DOOR, say(), read()]),
        ("end_of_an_epoch_expires", vec![create(ROOMY), commit(1), advance(60_000), DOOR]),
        ("live_commit", vec![create(ROOMY), live_commit(), DOOR, void(1), DOOR]),
        ("void", vec![create(ROOMY), WATCH, commit(1), say(), void(1), DOOR, read(), say()]),
        ("void_of_two", vec![create(ROOMY), commit(1), commit(2), void(1), DOOR, commit(3), DOOR]),
        ("void_of_what_began_a_forgotten_epoch", forgotten()),
        ("taken_back", taken_back()),
        ("settled", settled()),
        ("shut", shut()),
        ("void_of_nothing", vec![create(ROOMY), say(), void(1), void(0), void(9)]),
        ("stale", vec![create(ROOMY), stale(), commit(1), stale(), DOOR]),
        ("mismatched", vec![create(ROOMY), mismatched(None), mismatched(Some(10)), read()]),
        ("address_in_use", vec![create(ROOMY), create(ROOMY), CLOSE, create(ROOMY)]),
        ("no_such_room", vec![read(), DOOR, say(), WATCH, TOUCH, void(1), CLOSE]),
        ("lingers_out", vec![create(ROOMY), WATCH, say(), advance(120_000), DOOR]),
        ("touched", vec![create(ROOMY), advance(119_999), TOUCH, advance(119_999), DOOR]),
        ("too_old", aged()),
        ("closed", vec![create(ROOMY), WATCH, say(), CLOSE, read(), create(ROOMY), DOOR]),
        ("full_of_entries", full(Rules { max_entries: 2, ..ROOMY })),
        ("full_of_bytes", full(Rules { max_bytes: 2_500, ..ROOMY })),
        ("last_tenth", tenth()),
        ("long_log", long_log()),
        ("lagging_watch", lagging()),
        ("gone_at_once", vec![create(Rules { linger: 0, ..ROOMY }), DOOR]),
    ];
    let case = |max_rooms, max_bytes, steps| Case { max_rooms, max_bytes, steps };
    let mut files: Vec<Named> = cases
        .into_iter()
        .map(|(name, steps)| named(name, &case(9, 10_000_000, steps).to_bytes()))
        .collect();
    let other = |room| Step::Create { room, rules: ROOMY, door: 100 };
    let rooms = vec![other(0), other(1), other(2), Step::Close { room: 1 }, other(2)];
    files.push(named("full_of_rooms", &case(2, 10_000, rooms).to_bytes()));
    let bytes = vec![other(0), other(1), say(), say(), say(), commit(1), advance(60_000), say()];
    files.push(named("full_store", &case(3, 2_300, bytes).to_bytes()));
    files
}

const DOOR: Step = Step::Door { room: 0 };
const WATCH: Step = Step::Watch { room: 0, lazy: false };
const TOUCH: Step = Step::Touch { room: 0 };
const CLOSE: Step = Step::Close { room: 0 };

fn create(rules: Rules) -> Step {
    Step::Create { room: 0, rules, door: 1_000 }
}

fn append(entry: Sealed, next: Option<u16>) -> Step {
    Step::Append { room: 0, entry, next }
}

fn say() -> Step {
    append(SEALED, None)
}

fn live() -> Step {
    append(Sealed { retention: 0, ..SEALED }, None)
}

fn commit(mark: u8) -> Step {
    append(Sealed { kind: 1, mark, ..SEALED }, Some(1_000))
}

fn live_commit() -> Step {
    append(Sealed { kind: 2, retention: 0, ..SEALED }, Some(900))
}

fn stale() -> Step {
    append(Sealed { off: 1, ..SEALED }, None)
}

fn mismatched(next: Option<u16>) -> Step {
    let kind = u8::from(next.is_none());
    append(Sealed { kind, ..SEALED }, next)
}

fn read() -> Step {
    Step::Read { room: 0, after: 0, until: None }
}

fn void(seq: u8) -> Step {
    Step::Void { room: 0, seq, door: 1_100 }
}

/// All joins have the same mark, so their member hashes and door hashes are equal.
fn join() -> Step {
    append(Sealed { kind: 2, ..SEALED }, Some(1_000))
}

fn settle(began: u8) -> Step {
    Step::Settle { room: 0, began }
}

fn take_back(seq: u8, member: u8) -> Step {
    Step::TakeBack { room: 0, seq, member, door: 1_200 }
}

/// A later epoch is forgotten before an earlier one.
fn forgotten() -> Vec<Step> {
    let short = append(Sealed { kind: 1, retention: 1_000, ..SEALED }, Some(1_000));
    let mut steps = vec![create(ROOMY), join(), short, commit(1), advance(1_000), DOOR];
    steps.extend([advance(5_000), take_back(1, 0), void(1), DOOR]);
    steps
}

/// The first epoch has the mark 0, each other one that of its sealed entry.
fn taken_back() -> Vec<Step> {
    let mut steps = vec![create(ROOMY), WATCH, join(), say(), commit(1), take_back(1, 0)];
    steps.extend([advance(2_999), take_back(1, 0), advance(1), take_back(1, 7), take_back(1, 0)]);
    steps.extend([DOOR, read(), take_back(1, 0), say(), join(), advance(3_000), void(5), DOOR]);
    steps
}

fn settled() -> Vec<Step> {
    let mut steps = vec![create(ROOMY), join(), join(), settle(1), settle(1), DOOR];
    steps.extend([settle(0), settle(9), take_back(1, 0), advance(3_000), take_back(1, 0)]);
    steps.extend([take_back(2, 7), DOOR, take_back(1, 0), void(1), DOOR, commit(1)]);
    steps.extend([advance(3_000), take_back(3, 0xee)]);
    steps
}

/// Longer each time, but not for an entry with another door.
fn shut() -> Vec<Step> {
    let mut steps = vec![create(ROOMY)];
    for seq in 1..=6 {
        steps.extend([join(), advance(3_000), void(seq), DOOR]);
    }
    steps.extend([commit(1), DOOR, void(7), DOOR, TOUCH, advance(119_999), DOOR, TOUCH]);
    steps.extend([advance(1), DOOR]);
    steps
}

fn advance(millis: u32) -> Step {
    Step::Advance { millis }
}

fn aged() -> Vec<Step> {
    let mut steps = vec![create(ROOMY), WATCH];
    steps.extend(std::iter::repeat_n([advance(100_000), TOUCH], 6).flatten());
    steps
}

fn full(rules: Rules) -> Vec<Step> {
    vec![create(rules), say(), say(), say(), live(), advance(60_000), say()]
}

/// A part of the room's space is reserved for commits.
fn tenth() -> Vec<Step> {
    let mut steps = vec![create(Rules { max_entries: 10, ..ROOMY })];
    steps.extend(vec![say(); 10]);
    steps.extend([commit(1), say(), commit(2), read()]);
    steps
}

fn long_log() -> Vec<Step> {
    let long = append(Sealed { size: 60_000, ..SEALED }, None);
    let mut steps = vec![create(ROOMY)];
    steps.extend(vec![long; 6]);
    let page = |after, until| Step::Read { room: 0, after, until: Some(until) };
    steps.extend([read(), page(4, 255), page(1, 2), page(6, 6), page(9, 1)]);
    steps
}

fn lagging() -> Vec<Step> {
    let long = append(Sealed { size: 64_000, ..SEALED }, None);
    let mut steps = vec![create(ROOMY), Step::Watch { room: 0, lazy: true }];
    steps.extend(vec![long; 20]);
    steps.extend([Step::Hear, say(), Step::Hear, CLOSE]);
    steps
}
