//! The time of rooms: the server's clock, less the steps that it made.
//!
//! Everything about rooms is timed by the clock of the server that has them, since all relays see
//! that one. But it may be set: by the first synchronisation after a boot, by an operator, on a
//! virtual machine that goes on. So each relay holds it against its own monotonic clock, and brings
//! the time along with whatever it asks of the server. A step is recorded in the slot, as an offset
//! by which all relays read the server's clock from then on:
//!
//! ```text
//! time of rooms = server's clock + offset of the slot = relay's monotonic clock + base
//! ```
//!
//! Who records it first is followed by the others, so that two relays never correct one another.

use std::sync::{Mutex, MutexGuard, PoisonError};

use anocm_core::{Clock, ContinuousClock, Timestamp};

use crate::keys::{SHARDS, Shard};

/// A deviation that is no step, in milliseconds: beyond what the time of the way explains.
const TOLERANCE: u64 = 50;
/// Whole milliseconds of two clocks differ by so many at the same moment.
const ROUNDING: u64 = 2;
/// Clocks run apart by one part in so many, at most, without a step.
const DRIFT: u64 = 2_000;
/// For how long after a forward step a room that is missing may have been expired by the server
/// because of it, in milliseconds.
const AFTERMATH: u64 = 60_000;
/// For how long a relay that goes on spares rooms that lingered out meanwhile, so that those which
/// have guests are touched first, in milliseconds.
const SPARES: u64 = 5_000;
/// A relay from which no heartbeat comes for longer did not run, in milliseconds.
const STOPPED: u64 = 2_000;

/// When a question was sent and answered, by the relay's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoundTrip {
    pub(crate) sent: Timestamp,
    pub(crate) answered: Timestamp,
}

/// What a server said in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServerTime {
    /// Its clock, in milliseconds.
    pub(crate) wall: u64,
    /// The offset of the slot, in milliseconds, if one is recorded.
    pub(crate) offset: Option<i64>,
}

/// The server's clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// By so many milliseconds.
    pub(crate) by: i64,
    /// The offset that is recorded, and the one to be recorded in its place.
    pub(crate) old: Option<i64>,
    pub(crate) new: i64,
}

/// The time in one slot.
#[derive(Clone, Copy)]
struct SlotClock {
    offset: i64,
    /// At this time by the relay's clock, that of rooms was the other one.
    here: Timestamp,
    there: u64,
    /// By how much that may be too early, in milliseconds: the answer took so long.
    unsure: u64,
    /// When the server's clock was last seen to have gone forward by a step.
    jumped: Option<Timestamp>,
}

impl SlotClock {
    fn at(&self, here: Timestamp) -> u64 {
        let later = here.as_millis().saturating_sub(self.here.as_millis());
        let earlier = self.here.as_millis().saturating_sub(here.as_millis());
        self.there.saturating_add(later).saturating_sub(earlier)
    }
}

/// When the relay ran.
#[derive(Clone, Copy, Default)]
struct Running {
    /// Its last heartbeat. `None` before the first one, and once it was missed.
    last: Option<Timestamp>,
    /// When it was last found not to have run for a while.
    stopped: Option<Timestamp>,
}

impl Running {
    /// Whether it was found within so many milliseconds that it had not run. Found out by whoever
    /// looks first: the heartbeat itself may be the last to go on.
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

/// The time in every slot.
pub(crate) struct Clocks {
    clock: ContinuousClock,
    /// By the heartbeats of the relay, once it has connections.
    running: Mutex<Running>,
    /// By what erases rooms, also those of other relays.
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

    /// The relay runs.
    pub(crate) fn heartbeat(&self) {
        lock(&self.running).beat(self.here());
    }

    /// What erases rooms runs.
    pub(crate) fn looks_after_rooms(&self) {
        lock(&self.erasing).beat(self.here());
    }

    /// Whether the relay did not run lately, so that nobody could touch its rooms.
    pub(crate) fn has_stood_still(&self) -> bool {
        lock(&self.running).has_stood_still(self.here(), AFTERMATH)
    }

    /// Whether it has gone on only just now.
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

    /// The relay's own clock.
    pub(crate) fn here(&self) -> Timestamp {
        self.clock.now()
    }

    /// The time of rooms in a slot, in milliseconds, once the server was asked.
    pub(crate) fn now(&self, shard: Shard) -> Option<u64> {
        Some(self.slot(shard)?.at(self.here()))
    }

    /// Whether the server may have expired rooms of this slot lately because its clock was set.
    pub(crate) fn has_jumped(&self, shard: Shard) -> bool {
        let jumped = self.slot(shard).and_then(|slot| slot.jumped);
        jumped.is_some_and(|at| self.here().as_millis().saturating_sub(at.as_millis()) < AFTERMATH)
    }

    /// Takes what a server has told. A step is to be recorded there.
    pub(crate) fn observe(&self, shard: Shard, asked: RoundTrip, told: ServerTime) -> Option<Step> {
        let known = self.slot(shard);
        let (clock, step) = evaluate(known, asked, told);
        self.set(shard, clock);
        step
    }

    /// The offset of a slot was recorded for a step: the time goes on as if there had been none.
    pub(crate) fn recorded(&self, shard: Shard, step: Step) {
        if let Some(clock) = self.slot(shard) {
            self.set(shard, SlotClock { offset: step.new, ..clock });
        }
    }
}

/// What is known of a slot's time after a server has told its own; and a step that it made.
fn evaluate(
    known: Option<SlotClock>,
    asked: RoundTrip,
    told: ServerTime,
) -> (SlotClock, Option<Step>) {
    // A step forward may have taken the record along.
    let lost = known.filter(|_| told.offset.is_none()).map(|known| known.offset);
    let offset = told.offset.or(lost).unwrap_or(0);
    let time = told.wall.saturating_add_signed(offset);
    let took = asked.answered.as_millis().saturating_sub(asked.sent.as_millis());
    let Some(known) = known.filter(|known| known.offset == offset) else {
        // The first that is heard, or another relay has recorded a step.
        // As if it had looked at the last moment: what is learnt later brings the time forward and
        // not back, so that nothing is kept for longer.
        let here = asked.answered;
        let is_forward = known.is_some_and(|known| offset < known.offset);
        let jumped = known.and_then(|known| known.jumped);
        let jumped = if is_forward { Some(asked.answered) } else { jumped };
        let unsure = took;
        return (SlotClock { offset, here, there: time, unsure, jumped }, None);
    };
    // The server looked at its clock at some time in between.
    let nearest = time.clamp(known.at(asked.sent), known.at(asked.answered));
    let since = asked.answered.as_millis().saturating_sub(known.here.as_millis());
    let apart = time.abs_diff(nearest);
    let unsure = if time > nearest { known.unsure } else { 0 };
    if apart <= TOLERANCE + unsure + since / DRIFT {
        let apart = if apart <= ROUNDING { 0 } else { apart };
        // Follows the server where it runs faster or slower.
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
    let step = Step { by, old: told.offset, new: offset.saturating_sub(by) };
    (SlotClock { jumped, ..known }, Some(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: u64 = 1_700_000_000_000;

    const fn asked(sent: u64, answered: u64) -> RoundTrip {
        RoundTrip { sent: Timestamp::from_millis(sent), answered: Timestamp::from_millis(answered) }
    }

    fn told(wall: u64) -> ServerTime {
        ServerTime { wall, offset: None }
    }

    /// A slot that was looked at when the relay's clock stood at 1,000 ms.
    fn known() -> SlotClock {
        evaluate(None, asked(1_000, 1_000), told(WALL)).0
    }

    #[test]
    fn an_answer_that_takes_long_is_no_step() {
        // At any moment of a pause of ten seconds the server may have looked.
        for later in [0, 1, 5_000, 10_000] {
            let (clock, step) =
                evaluate(Some(known()), asked(2_000, 12_000), told(WALL + 1_000 + later));
            assert_eq!(step, None, "{later}");
            assert_eq!(clock.at(Timestamp::from_millis(12_000)), WALL + 11_000, "{later}");
        }
    }

    #[test]
    fn what_is_learnt_after_a_slow_answer_brings_the_time_forward() {
        // The server looked at the beginning of these 400 ms.
        let (clock, _) = evaluate(None, asked(1_000, 1_400), told(WALL));
        assert_eq!(clock.at(Timestamp::from_millis(1_400)), WALL);
        let (clock, step) = evaluate(Some(clock), asked(1_500, 1_500), told(WALL + 150));
        assert_eq!((clock.at(Timestamp::from_millis(1_500)), step), (WALL + 150, None));
    }

    #[test]
    fn an_answer_that_was_slow_at_first_is_no_step_later() {
        // The server looked at the beginning of these five seconds.
        let (clock, _) = evaluate(None, asked(1_000, 6_000), told(WALL));
        let (clock, step) = evaluate(Some(clock), asked(6_500, 6_500), told(WALL + 5_500));
        assert_eq!((clock.at(Timestamp::from_millis(6_500)), step), (WALL + 5_500, None));
        // From then on it is known well.
        let (_, step) = evaluate(Some(clock), asked(7_000, 7_000), told(WALL + 6_060));
        assert!(step.is_some_and(|step| step.by == 60), "{step:?}");
        // It may be too early and not too late.
        let (clock, _) = evaluate(None, asked(1_000, 6_000), told(WALL));
        let (_, step) = evaluate(Some(clock), asked(6_500, 6_500), told(WALL + 440));
        assert!(step.is_some_and(|step| step.by == -60), "{step:?}");
    }

    #[test]
    fn a_clock_that_runs_faster_or_slower_is_followed() {
        let mut clock = known();
        for second in 1..=100 {
            let here = 1_000 + 1_000 * second;
            // A quarter of a thousandth.
            let told = told(WALL + 1_000 * second + second / 4);
            let (next, step) = evaluate(Some(clock), asked(here, here), told);
            assert_eq!(step, None, "{second}");
            assert!(next.at(Timestamp::from_millis(here)).abs_diff(told.wall) <= ROUNDING);
            clock = next;
        }
        // Also when nothing was heard for an hour.
        let (_, step) = evaluate(Some(clock), asked(3_701_000, 3_701_000), told(WALL + 3_701_000));
        assert_eq!(step, None);
    }

    #[test]
    fn a_step_in_either_direction_is_found_and_time_goes_on() {
        for by in [200_000_i64, 60, -60, -200_000, 86_400_000] {
            let wall = (WALL + 1_000).saturating_add_signed(by);
            let (clock, step) = evaluate(Some(known()), asked(2_000, 2_000), told(wall));
            assert_eq!(step, Some(Step { by, old: None, new: -by }));
            assert_eq!(clock.at(Timestamp::from_millis(2_000)), WALL + 1_000);
            assert_eq!(clock.jumped.is_some(), by > 0);
            // Once it is recorded, there is none.
            let clock = SlotClock { offset: -by, ..clock };
            let told = ServerTime { wall: wall + 500, offset: Some(-by) };
            let (clock, step) = evaluate(Some(clock), asked(2_500, 2_500), told);
            assert_eq!(step, None);
            assert_eq!(clock.at(Timestamp::from_millis(2_500)), WALL + 1_500);
        }
    }

    #[test]
    fn a_record_that_was_lost_is_made_again() {
        let clock = SlotClock { offset: 500, ..known() };
        let lost = Some(Step { by: 0, old: None, new: 500 });
        assert_eq!(evaluate(Some(clock), asked(2_000, 2_000), told(WALL + 500)).1, lost);
        // And by a step that was made at the same time.
        let step = Some(Step { by: 3_600_000, old: None, new: -3_599_500 });
        let told = told(WALL + 3_600_500);
        assert_eq!(evaluate(Some(clock), asked(2_000, 2_000), told).1, step);
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
        // Without a relay there is nothing to be missed.
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
        let (clock, step) = evaluate(Some(known()), asked(2_000, 2_000), told);
        assert_eq!(step, None);
        assert_eq!(clock.at(Timestamp::from_millis(2_000)), WALL + 1_000);
        assert!(clock.jumped.is_some());
    }
}
