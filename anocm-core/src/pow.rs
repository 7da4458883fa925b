//! Proof of work: cheap to verify, expensive to solve in large numbers, with similar costs on
//! phones and on faster hardware.
//!
//! One try is Argon2id (RFC 9106) over 64 KiB: some 40 µs on a desktop. That much memory fits into
//! a processor's cache, but not into a graphics card's cache for each of its thousands of threads;
//! this keeps their costs close to each other. See docs/decisions/0009-proof-of-work.md.

use argon2::{Algorithm, Argon2, Block, Params, Version};

use crate::{
    id::RoomAddress,
    wire::{Puzzle, Solution},
};

/// The memory of one try in KiB.
const MEMORY: u32 = 64;
const LABEL: &[u8] = b"anocm/1 work";

/// Whether `solution` solves `puzzle` for the room at `address`.
#[cfg(feature = "relay")]
pub(crate) fn is_solution(puzzle: &Puzzle, address: &RoomAddress, solution: Solution) -> bool {
    Verifier::new(*puzzle, address).is_solved_by(solution)
}

/// Solves a puzzle for the room at `address`, for guests that do not use a
/// [`Client`](crate::client::Client). Blocks for about [`Puzzle::difficulty`] tries of some 40 µs
/// each; `None` after 32 times as many.
#[cfg(feature = "client")]
#[must_use]
pub fn solve(puzzle: Puzzle, address: &RoomAddress) -> Option<Solution> {
    Solver::new(puzzle, address).try_some(puzzle.difficulty.max(1).saturating_mul(32))
}

/// Searches the solution of one puzzle.
#[cfg(feature = "client")]
pub(crate) struct Solver {
    verifier: Verifier,
    next: u64,
}

#[cfg(feature = "client")]
impl Solver {
    pub(crate) fn new(puzzle: Puzzle, address: &RoomAddress) -> Self {
        Self { verifier: Verifier::new(puzzle, address), next: 0 }
    }

    /// Tries the next `tries` numbers, continuing after the previous call.
    pub(crate) fn try_some(&mut self, tries: u32) -> Option<Solution> {
        for _ in 0..tries {
            let solution = Solution(self.next.to_be_bytes());
            self.next = self.next.wrapping_add(1);
            if self.verifier.is_solved_by(solution) {
                return Some(solution);
            }
        }
        None
    }
}

/// Checks solutions of one puzzle, all in the same memory.
struct Verifier {
    difficulty: u32,
    salt: [u8; 44],
    memory: Vec<Block>,
}

impl Verifier {
    fn new(puzzle: Puzzle, address: &RoomAddress) -> Self {
        let mut salt = [0; 44];
        let parts = LABEL.iter().chain(&puzzle.seed).chain(address.as_bytes());
        for (byte, &part) in salt.iter_mut().zip(parts) {
            *byte = part;
        }
        let memory = vec![Block::default(); MEMORY as usize];
        Self { difficulty: puzzle.difficulty, salt, memory }
    }

    fn is_solved_by(&mut self, solution: Solution) -> bool {
        let digest = self.digest(solution);
        digest.is_some_and(|digest| digest <= u64::MAX / u64::from(self.difficulty.max(1)))
    }

    /// `None` would be a bug: the parameters are valid.
    fn digest(&mut self, solution: Solution) -> Option<u64> {
        let params = Params::new(MEMORY, 1, 1, None).ok()?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut digest = [0; 8];
        argon2
            .hash_password_into_with_memory(&solution.0, &self.salt, &mut digest, &mut self.memory)
            .ok()?;
        Some(u64::from_be_bytes(digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: RoomAddress = RoomAddress::new([7; 16]);

    fn puzzle(difficulty: u32) -> Puzzle {
        Puzzle { seed: [0x5E; 16], difficulty }
    }

    fn solve(puzzle: Puzzle) -> Solution {
        Solver::new(puzzle, &HERE).try_some(100 * puzzle.difficulty.max(1)).unwrap()
    }

    /// Section 15 of docs/protocol.md; computed with the reference implementation of Argon2.
    #[test]
    fn a_solution_is_as_documented() {
        let seed = std::array::from_fn(|n| 0x60 + u8::try_from(n).unwrap());
        let address = RoomAddress::new(std::array::from_fn(|n| u8::try_from(n).unwrap()));
        let mut solver = Solver::new(Puzzle { seed, difficulty: 1_000 }, &address);
        let solution = Solution(0x21a_u64.to_be_bytes());
        assert_eq!(solver.try_some(10_000), Some(solution));
        assert_eq!(solver.verifier.digest(solution), Some(0x000f_2b99_2ef0_a2f2));
    }

    #[test]
    fn a_solution_is_for_its_puzzle_and_room_only() {
        let puzzle = puzzle(500);
        let solution = solve(puzzle);
        assert!(is_solution(&puzzle, &HERE, solution));
        assert!(!is_solution(&Puzzle { seed: [0x5F; 16], ..puzzle }, &HERE, solution));
        assert!(!is_solution(&puzzle, &RoomAddress::new([8; 16]), solution));
        assert!(!is_solution(&Puzzle { difficulty: u32::MAX, ..puzzle }, &HERE, solution));
    }

    #[test]
    fn effort_is_the_number_of_tries_on_average() {
        let tries: u64 = (0..64)
            .map(|n| {
                let mut solver = Solver::new(Puzzle { seed: [n; 16], difficulty: 32 }, &HERE);
                solver.try_some(u32::MAX).unwrap();
                solver.next
            })
            .sum();
        // 64 × 32 = 2,048, give or take 256.
        assert!((1_200..3_000).contains(&tries), "{tries}");
    }

    #[test]
    fn work_goes_on_where_it_stopped() {
        let puzzle = puzzle(200);
        let at_once = solve(puzzle);
        let mut solver = Solver::new(puzzle, &HERE);
        let mut rounds = 0;
        let slowly = loop {
            rounds += 1;
            if let Some(solution) = solver.try_some(3) {
                break solution;
            }
        };
        assert_eq!(slowly, at_once);
        assert_eq!(rounds, u64::from_be_bytes(at_once.0) / 3 + 1);
    }

    #[test]
    fn no_effort_is_one_try() {
        assert_eq!(solve(puzzle(0)), Solution([0; 8]));
    }
}
