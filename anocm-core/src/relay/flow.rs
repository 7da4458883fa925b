//! How the entries of one room flow to one connection.

use super::{hub::HubId, told::Fanned};
use crate::id::Seq;

/// How the entries of one room flow to one connection.
pub(super) struct Flow {
    state: State,
    /// The hub that tells. Another one may still be telling a room that was here before.
    from: Option<HubId>,
    /// The last place that was handed to the link, or that the connection knows to read up to.
    delivered: Seq,
}

enum State {
    /// Admission is being decided: what comes is kept back.
    Holding(Vec<Fanned>),
    /// Entries after `floor` are told.
    Flowing { floor: Seq },
    /// Too much waited. Entries up to `skipped` were left out, and all that come are.
    Suspended { skipped: Seq },
}

/// What becomes of an entry.
pub(super) enum Taken {
    /// To be sent.
    Now,
    /// Held back.
    Later,
    /// Known already, or left out like those before it.
    No,
    /// It does not fit.
    TooMuch,
}

impl Default for Flow {
    fn default() -> Self {
        Self { state: State::Holding(Vec::new()), from: None, delivered: Seq::START }
    }
}

impl Flow {
    /// From here on this hub tells, and no other.
    pub(super) fn comes_from(&mut self, hub: HubId) {
        self.from = Some(hub);
    }

    pub(super) fn is_from(&self, hub: HubId) -> bool {
        self.from == Some(hub)
    }

    pub(super) fn hold(&mut self) {
        if matches!(self.state, State::Suspended { .. }) {
            self.state = State::Holding(Vec::new());
        }
    }

    pub(super) fn is_holding(&self) -> bool {
        matches!(self.state, State::Holding(_))
    }

    pub(super) fn take(&mut self, fanned: &Fanned, fits: bool) -> Taken {
        match &mut self.state {
            State::Flowing { floor } if fanned.seq <= *floor => Taken::No,
            State::Suspended { skipped } => {
                *skipped = fanned.seq.max(*skipped);
                Taken::No
            }
            _ if !fits => Taken::TooMuch,
            State::Flowing { floor } => {
                *floor = fanned.seq;
                Taken::Now
            }
            State::Holding(held) => {
                held.push(fanned.clone());
                Taken::Later
            }
        }
    }

    /// Whether an entry at `seq` would be sent.
    pub(super) fn flows_to(&self, seq: Seq) -> bool {
        matches!(self.state, State::Flowing { floor } if floor < seq)
    }

    /// Entries up to `seq` were handed to the link without waiting. Only when it
    /// [`flows_to`](Self::flows_to) the first of them.
    pub(super) fn passed(&mut self, seq: Seq) {
        if let State::Flowing { floor } = &mut self.state {
            *floor = seq.max(*floor);
        }
        self.sent(seq);
    }

    /// Begins to leave out. Gives what was held back, and after which place the connection must
    /// be told to read, unless it knows or nothing was promised to it yet.
    pub(super) fn suspend(&mut self, skipped: Seq) -> (Vec<Fanned>, Option<Seq>) {
        let (skipped, held, say) = match &mut self.state {
            State::Holding(held) => {
                let last = held.iter().map(|fanned| fanned.seq).max();
                let skipped = skipped.max(last.unwrap_or_default());
                (skipped, std::mem::take(held), None)
            }
            State::Flowing { .. } => (skipped, Vec::new(), Some(self.delivered)),
            State::Suspended { skipped: before } => (skipped.max(*before), Vec::new(), None),
        };
        self.state = State::Suspended { skipped };
        (held, say)
    }

    /// Where the log ends for this connection, when the store has said that it ends at `head`: not
    /// before what the connection was told meanwhile.
    pub(super) fn head(&self, head: Seq) -> Seq {
        match self.state {
            State::Flowing { floor } => head.max(floor),
            State::Holding(_) | State::Suspended { .. } => head,
        }
    }

    /// Ends the holding back. Gives what was held back, and whether some of it was lost.
    pub(super) fn release(&mut self, floor: Seq) -> (Vec<Fanned>, bool) {
        match &mut self.state {
            State::Flowing { .. } => (Vec::new(), false),
            State::Holding(held) => {
                let held = std::mem::take(held);
                self.state = State::Flowing { floor };
                self.delivered = floor;
                (held, false)
            }
            State::Suspended { .. } => {
                self.delivered = floor;
                (Vec::new(), true)
            }
        }
    }

    /// The connection has read up to `reaches`: flows on from there, unless more was left out.
    pub(super) fn resume(&mut self, reaches: Seq) -> bool {
        if let State::Suspended { skipped } = self.state {
            if skipped > reaches {
                return false;
            }
            self.state = State::Flowing { floor: reaches };
            self.delivered = reaches;
        }
        true
    }

    pub(super) fn sent(&mut self, seq: Seq) {
        self.delivered = seq.max(self.delivered);
    }
}
