//! Proof of work for creating and joining rooms under load, and the rate limits of one room.

use super::*;
use crate::{
    pow::Solver,
    relay::Rate,
    wire::{Puzzle, Solution},
};

/// Half of the burst is free, and the rest has a low difficulty.
fn ten_at_once() -> RelayConfig {
    RelayConfig {
        admissions: Rate { amount: 1, period: MINUTE, burst: 10 },
        max_difficulty: 2_048,
        ..RelayConfig::default()
    }
}

fn room(n: u8) -> RoomAddress {
    RoomAddress::new([n; 16])
}

fn puzzle(answer: Result<Reply, Refusal>) -> Puzzle {
    match answer {
        Err(Refusal::WorkNeeded(puzzle)) => puzzle,
        other => panic!("no work but {other:?}"),
    }
}

fn work(address: RoomAddress, puzzle: Puzzle) -> Request {
    let solution = Solver::new(puzzle, &address).try_some(u32::MAX).unwrap();
    Request::Work { address, solution }
}

impl Guest {
    /// Sends a request that needs proof of work, and solves the puzzle.
    async fn works_for(&mut self, address: RoomAddress, request: Request) {
        let puzzle = puzzle(self.ask(request).await);
        assert_eq!(self.ask(work(address, puzzle)).await, Ok(Reply::Done));
    }

    /// Creates the room, with proof of work if needed; returns the difficulty.
    async fn opens(&mut self, n: u8) -> u32 {
        let create = || create(room(n), policy());
        let Err(refusal) = self.ask(create()).await else { return 0 };
        let puzzle = puzzle(Err(refusal));
        assert_eq!(self.ask(work(room(n), puzzle)).await, Ok(Reply::Done));
        assert_eq!(self.ask(create()).await, Ok(Reply::Done));
        puzzle.difficulty
    }
}

#[tokio::test(start_paused = true)]
async fn the_more_come_the_more_they_work_and_in_the_end_they_wait() {
    let world = World::with(ten_at_once());
    let mut difficulties = Vec::new();
    for n in 0..10 {
        difficulties.push(world.guest().await.opens(n).await);
    }
    assert_eq!(difficulties[..6], [0; 6]);
    assert!(difficulties[6..].is_sorted() && difficulties[6] > 0, "{difficulties:?}");
    let mut late = world.guest().await;
    late.works_for(room(10), create(room(10), policy())).await;
    let busy = late.ask(create(room(10), policy())).await;
    let Err(Refusal::Busy { retry_after }) = busy else { panic!("not busy") };
    tokio::time::sleep(Duration::from_millis(retry_after.into())).await;
    assert_eq!(late.ask(create(room(10), policy())).await, Ok(Reply::Done));
    // No proof of work is required when the load is over.
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(world.guest().await.opens(11).await, 0);
}

#[tokio::test(start_paused = true)]
async fn work_is_good_for_one_room_once() {
    let world = World::with(ten_at_once());
    for n in 0..6 {
        world.guest().await.opens(n).await;
    }
    let mut alice = world.guest().await;
    let for_six = puzzle(alice.ask(create(room(6), policy())).await);
    // A repeated request gets the same puzzle.
    assert_eq!(puzzle(alice.ask(create(room(6), policy())).await), for_six);
    assert_eq!(alice.ask(work(room(6), for_six)).await, Ok(Reply::Done));
    puzzle(alice.ask(create(room(7), policy())).await);
    assert_eq!(alice.ask(create(room(6), policy())).await, Ok(Reply::Done));
    let address = room(6);
    let close = Request::Close { address, owner: token(OWNER) };
    assert_eq!(alice.ask(close).await, Ok(Reply::Done));
    assert_ne!(puzzle(alice.ask(create(room(6), policy())).await).seed, for_six.seed);
}

#[tokio::test(start_paused = true)]
async fn guessed_solutions_close_the_connection_and_unasked_ones_are_refused() {
    let config = RelayConfig { max_difficulty: Puzzle::MAX_DIFFICULTY, ..ten_at_once() };
    let world = World::with(config);
    for n in 0..6 {
        assert_eq!(world.guest().await.opens(n).await, 0);
    }
    let mut mallory = world.guest().await;
    let guess = |n| Request::Work { address: room(n), solution: Solution([0; 8]) };
    assert_eq!(mallory.ask(guess(6)).await, Err(Refusal::Unlawful));
    puzzle(mallory.ask(create(room(6), policy())).await);
    mallory.send(guess(6)).await;
    assert_eq!(mallory.last_words().await, []);
    assert!(mallory.link.send(&[encode(&guess(6))]).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_crowd_at_one_door_works_and_other_rooms_do_not_notice() {
    let config = RelayConfig {
        room_joins: Rate { amount: 1, period: MINUTE, burst: 4 },
        max_difficulty: 2_048,
        ..RelayConfig::default()
    };
    let world = World::with(config);
    let _alice = world.alice().await;
    for epoch in 0..4 {
        let mut guest = world.guest().await;
        let mut joined = guest.ask(join(DOOR, epoch)).await;
        assert_eq!(matches!(joined, Err(Refusal::WorkNeeded(_))), epoch >= 3, "{epoch}");
        // The door query requires the same, so that the join is made after the proof of work.
        if epoch >= 3 {
            assert_eq!(puzzle(guest.ask(look(DOOR)).await), puzzle(joined.clone()));
        }
        if let Err(Refusal::WorkNeeded(puzzle)) = joined {
            assert_eq!(guest.ask(work(ROOM, puzzle)).await, Ok(Reply::Done));
            joined = guest.ask(join(DOOR, epoch)).await;
        }
        assert!(joined.is_ok(), "{joined:?}");
    }
    let mut late = world.guest().await;
    late.works_for(ROOM, join(DOOR, 4)).await;
    assert!(matches!(late.ask(join(DOOR, 4)).await, Err(Refusal::Busy { .. })));
    assert_eq!(world.guest().await.opens(1).await, 0);
}

#[tokio::test(start_paused = true)]
async fn proof_of_work_is_asked_when_connections_run_out() {
    let config =
        RelayConfig { max_connections: 10, max_difficulty: 2_048, ..RelayConfig::default() };
    let world = World::with(config);
    let mut others = Vec::new();
    for _ in 0..6 {
        others.push(world.guest().await);
    }
    assert_eq!(world.guest().await.opens(1).await, 0);
    others.push(world.guest().await);
    assert!(world.guest().await.opens(2).await > 0);
}

/// The creation of a room whose door has `door` bytes, and that lingers for a day.
fn hoard(n: u8, door: usize) -> Request {
    let policy = Policy { linger: 86_400_000, ..policy() };
    let first = NextEpoch { group_info: Payload::from(vec![0; door]), ..next(0) };
    let genesis = Genesis { policy, owner: token(OWNER).hash(), first };
    Request::Create { address: room(n), genesis }
}

/// A relay whose store holds eight mebibytes.
fn small_store() -> World {
    let clock = Arc::new(TokioClock::new());
    let limits = MemoryLimits { max_bytes: 8 << 20, ..MemoryLimits::default() };
    let store = MemoryStore::new(clock.clone(), limits).unwrap();
    let config = RelayConfig { max_difficulty: 4_096, ..RelayConfig::default() };
    let relay = Relay::new(store.clone(), clock.clone(), config).unwrap();
    World { store, clock, relay }
}

#[tokio::test(start_paused = true)]
async fn memory_is_worked_for_in_proportion_to_what_is_taken() {
    let world = small_store();
    let mut mallory = world.guest().await;
    // A small room needs no proof of work while there is much memory.
    assert_eq!(mallory.ask(hoard(0, 1_000)).await, Ok(Reply::Done));
    let mut difficulties = Vec::new();
    for n in 1..6 {
        let puzzle = puzzle(mallory.ask(hoard(n, 1_000_000)).await);
        assert_eq!(mallory.ask(work(room(n), puzzle)).await, Ok(Reply::Done));
        assert_eq!(mallory.ask(hoard(n, 1_000_000)).await, Ok(Reply::Done));
        difficulties.push(puzzle.difficulty);
    }
    assert!(difficulties[0] >= 60, "{difficulties:?}");
    assert!(difficulties.is_sorted() && difficulties[4] > 16 * difficulties[0], "{difficulties:?}");
    // Then it needs proof of work for every client, but of low difficulty.
    let few = puzzle(world.guest().await.ask(hoard(6, 1_000)).await).difficulty;
    assert!(few < difficulties[4] / 4, "{few} {difficulties:?}");
}

#[tokio::test(start_paused = true)]
async fn work_for_little_memory_is_not_good_for_much() {
    let world = small_store();
    let mut mallory = world.guest().await;
    let little = puzzle(mallory.ask(hoard(1, 256_000)).await);
    assert_eq!(mallory.ask(work(room(1), little)).await, Ok(Reply::Done));
    let much = puzzle(mallory.ask(hoard(1, 1_000_000)).await);
    assert!(much.difficulty > 3 * little.difficulty && much.seed != little.seed);
    // Nor does the check at a door query cover a join that makes the door larger.
    let alice = world.alice().await;
    let mut grown = join(DOOR, 0);
    if let Request::Join { next, .. } = &mut grown {
        next.group_info = Payload::from(vec![0; 1_000_000]);
    }
    assert!(mallory.ask(look(DOOR)).await.is_ok());
    puzzle(mallory.ask(grown).await);
    drop(alice);
}

#[tokio::test(start_paused = true)]
async fn a_member_is_removed_and_another_joins_while_the_relay_is_full() {
    let world = small_store();
    let mut alice = world.alice().await;
    // Takes nearly all memory that is not reserved.
    let level = world.store.status().memory.unwrap();
    let door = usize::try_from(level.limit - level.used).unwrap() - 2_000;
    let first = NextEpoch { group_info: Payload::from(vec![0; door]), ..next(0) };
    let hoard = Genesis { policy: policy(), owner: token(OWNER).hash(), first };
    world.store.create(&room(1), hoard).await.unwrap();
    let mut mallory = world.guest().await;
    // Refused without a puzzle, which would be solved in vain.
    assert_eq!(mallory.ask(create(room(2), policy())).await, Err(Refusal::Full));
    assert_eq!(alice.say(0, kept(MINUTE)).await, Err(Refusal::Full));
    assert_eq!(alice.say(0, Retention::Live).await, Ok(1));
    assert_eq!(alice.commit(0).await, Ok(2));
    let mut bob = world.guest().await;
    bob.works_for(ROOM, join(DOOR, 1)).await;
    assert_eq!(accepted(bob.ask(join(DOOR, 1)).await), Ok(3));
}

#[tokio::test(start_paused = true)]
async fn a_rooms_rate_holds_over_all_connections() {
    let rate = |burst| Rate { amount: 1, period: SECOND, burst };
    let entries = RelayConfig { room_entries: rate(3), ..RelayConfig::default() };
    let bytes = RelayConfig {
        room_bytes: Rate { amount: 1_000, period: SECOND, burst: 3_000 },
        ..RelayConfig::default()
    };
    for config in [entries, bytes] {
        let world = World::with(config);
        let mut alice = world.alice().await;
        let mut bob = world.member().await;
        assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(1));
        assert_eq!(bob.say(0, Retention::Live).await, Ok(2));
        assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(3));
        let busy = bob.say(0, kept(MINUTE)).await;
        assert_eq!(busy, Err(Refusal::Busy { retry_after: 1_000 }));
        // A commit is not limited: otherwise a member that floods the room could not be removed.
        assert_eq!(alice.commit(0).await, Ok(4));
        assert!(bob.enter(1).await.is_ok());
        tokio::time::sleep(2 * SECOND).await;
        assert_eq!(bob.say(1, kept(MINUTE)).await, Ok(5));
    }
}

#[tokio::test(start_paused = true)]
async fn cheap_work_cannot_be_hoarded() {
    let world = World::with(ten_at_once());
    // Being in a room of her own, she is never subject to the idle timeout.
    let mut mallory = world.guest().await;
    for n in 0..6 {
        mallory.opens(n).await;
    }
    let cheap = puzzle(mallory.ask(create(room(6), policy())).await);
    mallory.works_for(room(7), create(room(7), policy())).await;
    for n in 8..11 {
        world.guest().await.opens(n).await;
    }
    // Some of the bucket is refilled meanwhile, but less than was taken.
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!(mallory.ask(work(room(6), cheap)).await, Err(Refusal::Unlawful));
    for n in [6, 7] {
        assert!(puzzle(mallory.ask(create(room(n), policy())).await).difficulty > cheap.difficulty);
    }
}

#[tokio::test(start_paused = true)]
async fn rooms_without_joins_leave_no_state() {
    let world = World::new();
    let mut alice = world.alice().await;
    let mut bob = world.guest().await;
    assert!(bob.ask(look(DOOR)).await.is_ok());
    assert_eq!(accepted(bob.ask(join(DOOR, 0)).await), Ok(1));
    let remembered = || (world.relay.pow.remembered(), world.relay.join_pacing.remembered());
    assert_eq!(remembered(), (1, 1));
    assert_eq!(alice.ask(close(OWNER)).await, Ok(Reply::Done));
    tokio::time::sleep(3 * MINUTE).await;
    assert_eq!(remembered(), (0, 0));
}
