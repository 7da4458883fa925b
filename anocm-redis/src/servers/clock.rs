//! Room time: the server's clock, corrected for the steps by which it was set.
//!
//! Rooms are timed by the clock of the server that owns them, since all relays see that one. That
//! clock may be set: by the first synchronisation after a boot, by an operator, or on a virtual
//! machine that is resumed. So each relay compares it with its own monotonic clock, and passes the
//! room time with every script. A step is recorded in the shard, as an offset by which all relays
//! correct the server's clock from then on:
//!
//! ```text
//! room time = server's clock + offset of the shard = relay's monotonic clock + base
//! ```
//!
//! The other relays adopt the offset of the relay that records it first, so that two relays never
//! correct one another.

use std::sync::{Mutex, MutexGuard, PoisonError};

use anocm_core::{Clock, ContinuousClock, Timestamp};

use crate::keys::{SHARDS, Shard};

/// The largest deviation that is not a step, in milliseconds, beyond what the round-trip time
/// explains.
const TOLERANCE: u64 = 50;
/// Two clocks read in whole milliseconds may differ by this much at the same moment.
const ROUNDING: u64 = 2;
/// The largest drift between clocks without a step: one part in this many.
const DRIFT: u64 = 2_000;
/// How long after a forward step a missing room may have been expired by the server because of it,
/// in milliseconds.
const AFTERMATH: u64 = 60_000;
/// How long a resumed relay spares rooms whose linger ran out while it was not running, so that
/// rooms with guests are touched first, in milliseconds.
const SPARES: u64 = 5_000;
/// A relay without a heartbeat for longer than this was not running, in milliseconds.
const STOPPED: u64 = 2_000;

/// When a request was sent and its response received, by the relay's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoundTrip {
    pub(crate) sent: Timestamp,
    pub(crate) answered: Timestamp,
}

/// The clock reading in a server's response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServerTime {
    /// The server's clock, in milliseconds.
    pub(crate) wall: u64,
    /// The offset of the shard, in milliseconds, if one is recorded.
    pub(crate) offset: Option<i64>,
}

/// A step: the server's clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The size of the step in milliseconds.
    pub(crate) by: i64,
    /// The recorded offset, and the one to record in its place.
    pub(crate) old: Option<i64>,
    pub(crate) new: i64,
}

/// The clock of one shard.
#[derive(Clone, Copy)]
struct SlotClock {
    offset: i64,
    /// A pair of simultaneous times: of the relay's clock, and of room time.
    here: Timestamp,
    there: u64,
    /// How much `there` may be too early, in milliseconds: the round-trip time of the response.
    unsure: u64,
    /// When a forward step of the server's clock was last seen.
    jumped: Option<Timestamp>,
}

impl SlotClock {
    fn at(&self, here: Timestamp) -> u64 {
        let later = here.as_millis().saturating_sub(self.here.as_millis());
        let earlier = self.here.as_millis().saturating_sub(here.as_millis());
        self.there.saturating_add(later).saturating_sub(earlier)
    }
}

/// Tracks whether the relay is running.
#[derive(Clone, Copy, Default)]
struct Running {
    /// The last heartbeat. `None` before the first one, and once one was missed.
    last: Option<Timestamp>,
    /// When a gap in the heartbeats was last detected.
    stopped: Option<Timestamp>,
}

impl Running {
    /// Returns whether a gap was detected within this many milliseconds. The first caller detects
    /// it: the heartbeat itself may be the last to resume.
    fn has_stood_still(&mut self, now: Timestamp, within: u64) -> bool {
        let since = |at: Timestamp| now.as_millis().saturating_sub(at.as_millis());
        if self.last.take_if(|last| since(*last) > STOPPED).is_some() {
            self.stopped = Some(now);
        }
        self.stopped.is_some_and(|at| since(at) < within)
    }

    fn beat(&mut self, now: Timestamp) {
        self.has_stood_still(now, AFTERMATH);
        self.last = Some(now);
    }
}

fn lock(running: &Mutex<Running>) -> MutexGuard<'_, Running> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The clocks of all shards.
pub(crate) struct Clocks {
    clock: ContinuousClock,
    /// Fed by the heartbeats of the relay, once it has connections.
    running: Mutex<Running>,
    /// Fed by the janitor, which also erases rooms of other relays.
    erasing: Mutex<Running>,
    // Short sections, none across an await.
    slots: Mutex<Vec<Option<SlotClock>>>,
}

impl Clocks {
    pub(crate) fn new() -> Self {
        Self {
            clock: ContinuousClock::new(),
            running: Mutex::default(),
            erasing: Mutex::default(),
            slots: Mutex::new(vec![None; SHARDS]),
        }
    }

    /// Records a heartbeat of the relay.
    pub(crate) fn heartbeat(&self) {
        lock(&self.running).beat(self.here());
    }

    /// Records a heartbeat of the janitor.
    pub(crate) fn looks_after_rooms(&self) {
        lock(&self.erasing).beat(self.here());
    }

    /// Returns whether the relay was not running for a while lately, so that its rooms were not
    /// touched.
    pub(crate) fn has_stood_still(&self) -> bool {
        lock(&self.running).has_stood_still(self.here(), AFTERMATH)
    }

    /// Returns whether it has just resumed.
    pub(crate) fn has_just_gone_on(&self) -> bool {
        let now = self.here();
        [&self.running, &self.erasing].iter().any(|runs| lock(runs).has_stood_still(now, SPARES))
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Option<SlotClock>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, shard: Shard) -> Option<SlotClock> {
        self.slots().get(shard.index()).copied().flatten()
    }

    fn set(&self, shard: Shard, clock: SlotClock) {
        if let Some(slot) = self.slots().get_mut(shard.index()) {
            *slot = Some(clock);
        }
    }

    /// Returns the time of the relay's own clock.
    pub(crate) fn here(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns the room time of a shard in milliseconds, once the server's clock was read.
    pub(crate) fn now(&self, shard: Shard) -> Option<u64> {
        Some(self.slot(shard)?.at(self.here()))
    }

    /// Returns whether the server may have expired rooms of this shard lately because its clock was
    /// set.
    pub(crate) fn has_jumped(&self, shard: Shard) -> bool {
        let jumped = self.slot(shard).and_then(|slot| slot.jumped);
        jumped.is_some_and(|at| self.here().as_millis().saturating_sub(at.as_millis()) < AFTERMATH)
    }

    /// Applies a server's clock reading. Returns a step that has to be recorded there.
    pub(crate) fn observe(&self, shard: Shard, asked: RoundTrip, told: ServerTime) -> Option<Step> {
        let known = self.slot(shard);
        let (clock, step) = evaluate(known, asked, told);
        self.set(shard, clock);
        step
    }

    /// Notes that the offset for a step was recorded: room time continues as if there had been no
    /// step.
    pub(crate) fn recorded(&self, shard: Shard, step: Step) {
        if let Some(clock) = self.slot(shard) {
            self.set(shard, SlotClock { offset: step.new, ..clock });
        }
    }
}

/// Returns the clock of a shard after a server's clock reading, and the step it reveals, if any.
fn evaluate(
    known: Option<SlotClock>,
    asked: RoundTrip,
    server: ServerTime,
) -> (SlotClock, Option<Step>) {
    // A forward step may have expired the recorded offset.
    let lost = known.filter(|_| server.offset.is_none()).map(|known| known.offset);
    let offset = server.offset.or(lost).unwrap_or(0);
    let time = server.wall.saturating_add_signed(offset);
    let took = asked.answered.as_millis().saturating_sub(asked.sent.as_millis());
    let Some(known) = known.filter(|known| known.offset == offset) else {
        // The first reading, or another relay has recorded a step. Assumes that the server read its
        // clock at the last moment: later corrections then move the time forward and never back, so
        // that nothing is kept for longer.
        let here = asked.answered;
        let is_forward = known.is_some_and(|known| offset < known.offset);
        let jumped = known.and_then(|known| known.jumped);
        let jumped = if is_forward { Some(asked.answered) } else { jumped };
        let unsure = took;
        return (SlotClock { offset, here, there: time, unsure, jumped }, None);
    };
    // The server read its clock at some moment of the round trip.
    let nearest = time.clamp(known.at(asked.sent), known.at(asked.answered));
    let since = asked.answered.as_millis().saturating_sub(known.here.as_millis());
    let apart = time.abs_diff(nearest);
    let unsure = if time > nearest { known.unsure } else { 0 };
    if apart <= TOLERANCE + unsure + since / DRIFT {
        let apart = if apart <= ROUNDING { 0 } else { apart };
        // Follows the server's clock if it runs faster or slower.
        let there = known.at(asked.answered);
        let there =
            if time < nearest { there.saturating_sub(apart) } else { there.saturating_add(apart) };
        let again = Step { by: 0, old: None, new: offset };
        let again = lost.filter(|lost| *lost != 0).map(|_| again);
        let unsure = known.unsure.min(took);
        return (SlotClock { here: asked.answered, there, unsure, ..known }, again);
    }
    let by = i64::try_from(apart).unwrap_or(i64::MAX);
    let by = if time < nearest { -by } else { by };
    let jumped = if by > 0 { Some(asked.answered) } else { known.jumped };
    let step = Step { by, old: server.offset, new: offset.saturating_sub(by) };
    (SlotClock { jumped, ..known }, Some(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: u64 = 1_700_000_000_000;

    const fn round_trip(sent: u64, answered: u64) -> RoundTrip {
        RoundTrip { sent: Timestamp::from_millis(sent), answered: Timestamp::from_millis(answered) }
    }

    fn server_time(wall: u64) -> ServerTime {
        ServerTime { wall, offset: None }
    }

    /// A shard whose clock was read when the relay's clock stood at 1,000 ms.
    fn known() -> SlotClock {
        evaluate(None, round_trip(1_000, 1_000), server_time(WALL)).0
    }

    #[test]
    fn an_answer_that_takes_long_is_no_step() {
        // The server may have read its clock at any moment of a pause of ten seconds.
        for later in [0, 1, 5_000, 10_000] {
            let (clock, step) = evaluate(
                Some(known()),
                round_trip(2_000, 12_000),
                server_time(WALL + 1_000 + later),
            );
            assert_eq!(step, None, "{later}");
            assert_eq!(clock.at(Timestamp::from_millis(12_000)), WALL + 11_000, "{later}");
        }
    }

    #[test]
    fn what_is_learnt_after_a_slow_answer_brings_the_time_forward() {
        // The server read its clock at the beginning of these 400 ms.
        let (clock, _) = evaluate(None, round_trip(1_000, 1_400), server_time(WALL));
        assert_eq!(clock.at(Timestamp::from_millis(1_400)), WALL);
        let (clock, step) =
            evaluate(Some(clock), round_trip(1_500, 1_500), server_time(WALL + 150));
        assert_eq!((clock.at(Timestamp::from_millis(1_500)), step), (WALL + 150, None));
    }

    #[test]
    fn an_answer_that_was_slow_at_first_is_no_step_later() {
        // The server read its clock at the beginning of these five seconds.
        let (clock, _) = evaluate(None, round_trip(1_000, 6_000), server_time(WALL));
        let (clock, step) =
            evaluate(Some(clock), round_trip(6_500, 6_500), server_time(WALL + 5_500));
        assert_eq!((clock.at(Timestamp::from_millis(6_500)), step), (WALL + 5_500, None));
        // From then on the uncertainty is small.
        let (_, step) = evaluate(Some(clock), round_trip(7_000, 7_000), server_time(WALL + 6_060));
        assert!(step.is_some_and(|step| step.by == 60), "{step:?}");
        // The estimate may be too early, but not too late.
        let (clock, _) = evaluate(None, round_trip(1_000, 6_000), server_time(WALL));
        let (_, step) = evaluate(Some(clock), round_trip(6_500, 6_500), server_time(WALL + 440));
        assert!(step.is_some_and(|step| step.by == -60), "{step:?}");
    }

    #[test]
    fn a_clock_that_runs_faster_or_slower_is_followed() {
        let mut clock = known();
        for second in 1..=100 {
            let here = 1_000 + 1_000 * second;
            // A drift of 0.25 ‰.
            let told = server_time(WALL + 1_000 * second + second / 4);
            let (next, step) = evaluate(Some(clock), round_trip(here, here), told);
            assert_eq!(step, None, "{second}");
            assert!(next.at(Timestamp::from_millis(here)).abs_diff(told.wall) <= ROUNDING);
            clock = next;
        }
        // Also after an hour without a reading.
        let (_, step) =
            evaluate(Some(clock), round_trip(3_701_000, 3_701_000), server_time(WALL + 3_701_000));
        assert_eq!(step, None);
    }

    #[test]
    fn a_step_in_either_direction_is_found_and_time_goes_on() {
        for by in [200_000_i64, 60, -60, -200_000, 86_400_000] {
            let wall = (WALL + 1_000).saturating_add_signed(by);
            let (clock, step) =
                evaluate(Some(known()), round_trip(2_000, 2_000), server_time(wall));
            assert_eq!(step, Some(Step { by, old: None, new: -by }));
            assert_eq!(clock.at(Timestamp::from_millis(2_000)), WALL + 1_000);
            assert_eq!(clock.jumped.is_some(), by > 0);
            // Once the offset is recorded, there is no step.
            let clock = SlotClock { offset: -by, ..clock };
            let told = ServerTime { wall: wall + 500, offset: Some(-by) };
            let (clock, step) = evaluate(Some(clock), round_trip(2_500, 2_500), told);
            assert_eq!(step, None);
            assert_eq!(clock.at(Timestamp::from_millis(2_500)), WALL + 1_500);
        }
    }

    #[test]
    fn a_record_that_was_lost_is_made_again() {
        let clock = SlotClock { offset: 500, ..known() };
        let lost = Some(Step { by: 0, old: None, new: 500 });
        assert_eq!(
            evaluate(Some(clock), round_trip(2_000, 2_000), server_time(WALL + 500)).1,
            lost
        );
        // Also combined with a step made at the same time.
        let step = Some(Step { by: 3_600_000, old: None, new: -3_599_500 });
        let told = server_time(WALL + 3_600_500);
        assert_eq!(evaluate(Some(clock), round_trip(2_000, 2_000), told).1, step);
    }

    #[test]
    fn a_missed_heartbeat_is_noticed_once_and_remembered_for_a_minute() {
        let mut running = Running::default();
        let mut stood_still = |at, beats: bool| {
            let now = Timestamp::from_millis(at);
            let stood_still = running.has_stood_still(now, AFTERMATH);
            if beats {
                running.last = Some(now);
            }
            stood_still
        };
        // Before the first heartbeat none can be missed.
        assert!(!stood_still(10_000, true));
        assert!(!stood_still(12_000, true));
        assert!(stood_still(14_001, false) && stood_still(14_002, true));
        assert!(stood_still(15_500, true));
        for at in (17_000..70_000).step_by(1_000) {
            stood_still(at, true);
        }
        assert!(stood_still(74_000, false));
        assert!(!stood_still(140_000, false));
    }

    #[test]
    fn what_another_relay_has_recorded_is_followed() {
        let told = ServerTime { wall: WALL + 201_000, offset: Some(-200_000) };
        let (clock, step) = evaluate(Some(known()), round_trip(2_000, 2_000), told);
        assert_eq!(step, None);
        assert_eq!(clock.at(Timestamp::from_millis(2_000)), WALL + 1_000);
        assert!(clock.jumped.is_some());
    }
}
