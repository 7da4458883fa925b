use super::{Named, named};
use crate::{
    relay::case::{Ask, Case, Next, Rules, Sealed, Step},
    seed::Seed,
};

const DEFAULT: Rules =
    Rules { max_retention: 0, linger: 0, max_age: 0, max_entries: 0, max_bytes: 0 };
const SEALED: Sealed = Sealed { kind: 0, back: 0, retention: 0, size: 0 };

pub(super) fn files() -> Vec<Named> {
    let easy = [
        ("talk", talk()),
        ("join_and_enter", join_and_enter()),
        ("lapse", expire()),
        ("walk_through_epochs", walk()),
        ("void", void()),
        ("taken_back", taken_back()),
        ("settled", settled()),
        ("close", close()),
        ("detach", detach()),
        ("wrong_tokens", wrong_tokens()),
        ("unlawful", unlawful()),
        ("stale", stale()),
        ("no_frame", no_frame()),
        ("no_hello", no_hello()),
        ("harmed", harmed()),
        ("room_ends_by_age", ends_by_age()),
        ("a_new_room_at_the_address", again()),
        ("posture", posture()),
        ("expired_before_it_is_read", expired()),
    ];
    let tight = [
        ("lagging", lagging()),
        ("busy", busy()),
        ("full_room", full_room()),
        ("more_requests_than_allowed", many_requests()),
        ("too_many_connections", too_many_connections()),
    ];
    let file = |tight| move |(name, steps)| named(name, &Case { tight, steps }.to_bytes());
    easy.into_iter().map(file(false)).chain(tight.into_iter().map(file(true))).collect()
}

fn connect(guest: u8) -> Step {
    Step::Connect { guest, greets: true, deaf: false }
}

fn ask(guest: u8, ask: Ask) -> Step {
    Step::Ask { guest, ask, soon: false }
}

fn advance(millis: u32) -> Step {
    Step::Advance { millis }
}

fn create(guest: u8) -> Step {
    ask(guest, Ask::Create { room: 0, rules: DEFAULT })
}

fn enter(guest: u8) -> Step {
    ask(guest, Ask::Enter { room: 0, back: 0, token: 0 })
}

fn read(guest: u8) -> Step {
    ask(guest, Ask::Read { room: 0, after: 0 })
}

fn say(guest: u8, retention: u32) -> Step {
    let entry = Sealed { retention, ..SEALED };
    ask(guest, Ask::Publish { room: 0, entry, next: None })
}

/// The values of a next epoch with this member token.
fn next(member: u8) -> Next {
    Next { member, door: 0, size: 0 }
}

fn commit(guest: u8, member: u8) -> Step {
    ask(guest, Ask::Publish { room: 0, entry: SEALED, next: Some(next(member)) })
}

fn join(guest: u8, member: u8) -> Step {
    ask(guest, Ask::Join { room: 0, token: 0, entry: SEALED, next: next(member) })
}

/// Alice opens a room, and Bob enters it.
fn two() -> Vec<Step> {
    vec![connect(0), create(0), connect(1), enter(1)]
}

fn then(mut steps: Vec<Step>, more: impl IntoIterator<Item = Step>) -> Vec<Step> {
    steps.extend(more);
    steps
}

fn talk() -> Vec<Step> {
    then(two(), [say(0, 60_000), say(1, 0), say(1, 5_000), read(0), read(1)])
}

fn join_and_enter() -> Vec<Step> {
    let look = ask(1, Ask::Look { room: 0, token: 0 });
    vec![connect(0), create(0), connect(1), look, join(1, 2), enter(1), enter(0), say(1, 1_000)]
}

fn expire() -> Vec<Step> {
    let steps = [commit(0, 2), say(0, 60_000), enter(0), advance(10_001), say(0, 60_000), read(1)];
    then(two(), steps)
}

fn walk() -> Vec<Step> {
    let back = |back| ask(2, Ask::Enter { room: 0, back, token: 0 });
    let steps = [say(0, 60_000), commit(0, 2), enter(0), say(0, 60_000), commit(0, 3), enter(0)];
    let reads = [connect(2), back(2), read(2), back(1), read(2), back(0), read(2)];
    then(then(two(), steps), reads)
}

fn void() -> Vec<Step> {
    let void = ask(0, Ask::Void { room: 0, token: 0, seq: 0, next: next(1) });
    let steps = [commit(1, 2), say(1, 60_000), enter(1), void, read(0), say(0, 60_000), read(1)];
    then(two(), steps)
}

/// A join that no member has proven.
fn joined() -> Vec<Step> {
    then(two(), [connect(2), join(2, 2)])
}

/// A void as a member of the first epoch, with the token of that epoch.
fn take_back(guest: u8) -> Step {
    ask(guest, Ask::Void { room: 0, token: 1, seq: 0, next: next(9) })
}

fn taken_back() -> Vec<Step> {
    let steps = [take_back(0), advance(3_000), take_back(2), take_back(0), take_back(1)];
    // The door is shut to guests who are not members.
    then(then(joined(), steps), [say(0, 60_000), read(1), join(2, 3), join(1, 4), enter(1)])
}

fn settled() -> Vec<Step> {
    then(joined(), [enter(0), advance(3_000), take_back(1), say(0, 60_000)])
}

fn close() -> Vec<Step> {
    then(two(), [say(0, 60_000), ask(0, Ask::Close { room: 0, token: 0 }), read(1), enter(1)])
}

fn detach() -> Vec<Step> {
    then(two(), [ask(1, Ask::Detach { room: 0 }), say(0, 60_000), read(1), enter(1), read(1)])
}

fn wrong_tokens() -> Vec<Step> {
    let asks = [
        Ask::Look { room: 0, token: 9 },
        Ask::Join { room: 0, token: 9, entry: SEALED, next: next(2) },
        Ask::Enter { room: 0, back: 0, token: 9 },
        Ask::Read { room: 0, after: 0 },
        Ask::Publish { room: 0, entry: SEALED, next: None },
        Ask::Void { room: 0, token: 9, seq: 0, next: next(1) },
        Ask::Close { room: 0, token: 9 },
        Ask::Look { room: 1, token: 0 },
    ];
    then(vec![connect(0), create(0), say(0, 60_000), connect(1)], asks.map(|it| ask(1, it)))
}

fn unlawful() -> Vec<Step> {
    let odd = Sealed { size: 4, ..SEALED };
    let asks = [
        Ask::Publish { room: 0, entry: odd, next: None },
        Ask::Publish { room: 0, entry: Sealed { kind: 2, ..SEALED }, next: None },
        Ask::Publish { room: 0, entry: SEALED, next: Some(Next { size: 5, ..next(2) }) },
        Ask::Publish { room: 0, entry: Sealed { retention: 90_000_000, ..SEALED }, next: None },
        Ask::Create { room: 0, rules: DEFAULT },
        Ask::Create { room: 1, rules: Rules { linger: 1, ..DEFAULT } },
        Ask::Join { room: 0, token: 0, entry: SEALED, next: Next { door: 9, ..next(2) } },
    ];
    then(vec![connect(0), create(0)], asks.map(|it| ask(0, it)))
}

fn stale() -> Vec<Step> {
    let late = Sealed { back: 1, retention: 1_000, ..SEALED };
    let late = ask(0, Ask::Publish { room: 0, entry: late, next: None });
    then(two(), [commit(0, 2), enter(0), late, join(1, 3), say(0, 60_000)])
}

fn no_frame() -> Vec<Step> {
    let soon = Step::Ask { guest: 1, ask: Ask::Read { room: 0, after: 0 }, soon: true };
    then(two(), [soon, Step::Raw { guest: 1, bytes: vec![0xff; 20] }, read(1), say(0, 60_000)])
}

fn no_hello() -> Vec<Step> {
    let silent = Step::Connect { guest: 0, greets: false, deaf: false };
    let hello = b"anocm\x02\x09".to_vec();
    vec![
        silent.clone(),
        Step::Raw { guest: 0, bytes: hello },
        silent.clone(),
        Step::Raw { guest: 0, bytes: vec![1] },
        silent,
        advance(10_000),
    ]
}

fn harmed() -> Vec<Step> {
    let harmed = |at, bit| Step::Harmed { guest: 1, ask: Ask::Detach { room: 0 }, at, bit };
    then(two(), [harmed(0, 1), harmed(10, 0), harmed(1, 0), say(0, 60_000)])
}

fn ends_by_age() -> Vec<Step> {
    let rules = Rules { max_age: 5_000, ..DEFAULT };
    let create = ask(0, Ask::Create { room: 0, rules });
    vec![connect(0), create, say(0, 60_000), advance(4_999), read(0), advance(1), read(0)]
}

fn again() -> Vec<Step> {
    let close = ask(0, Ask::Close { room: 0, token: 0 });
    then(two(), [say(0, 60_000), close, create(1), say(1, 60_000), enter(0), read(0), read(1)])
}

fn posture() -> Vec<Step> {
    then(two(), [Step::Posture { to: 2 }, advance(60_000), Step::HangUp { guest: 0 }])
}

fn expired() -> Vec<Step> {
    then(two(), [say(0, 1_000), say(0, 2_000), advance(1_000), read(1), advance(1_000), read(1)])
}

fn lagging() -> Vec<Step> {
    let deaf = Step::Connect { guest: 1, greets: true, deaf: true };
    let say_much = Step::Ask {
        guest: 0,
        ask: Ask::Publish {
            room: 0,
            entry: Sealed { size: 2, retention: 60_000, ..SEALED },
            next: None,
        },
        soon: true,
    };
    then(vec![connect(0), create(0), deaf, enter(1)], [say_much.clone(), say_much, read(1)])
}

fn busy() -> Vec<Step> {
    let create = |room| ask(0, Ask::Create { room, rules: DEFAULT });
    let enter_other = ask(0, Ask::Enter { room: 2, back: 0, token: 0 });
    vec![connect(0), create(0), create(1), create(2), create(0), enter_other]
}

fn full_room() -> Vec<Step> {
    let rules = Rules { max_entries: 2, ..DEFAULT };
    let create = ask(0, Ask::Create { room: 0, rules });
    vec![
        connect(0),
        create,
        say(0, 1_000),
        say(0, 1_000),
        say(0, 1_000),
        advance(1_000),
        say(0, 1_000),
    ]
}

fn many_requests() -> Vec<Step> {
    let read = Step::Ask { guest: 0, ask: Ask::Read { room: 0, after: 0 }, soon: true };
    then(vec![connect(0), create(0)], vec![read; 20])
}

fn too_many_connections() -> Vec<Step> {
    then(two(), [connect(2), enter(2), Step::HangUp { guest: 0 }, connect(2), enter(2)])
}
