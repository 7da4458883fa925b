//! How the entries of one room flow to one connection.

use crate::{
    id::Seq,
    relay::{delivery::broadcast::EncodedEntry, ids::ShardId},
};

/// How the entries of one room flow to one connection.
pub(crate) struct RoomFlow {
    state: State,
    /// The shard that tells. Another one may still be telling a room that was here before.
    shard: Option<ShardId>,
    /// The last place that was handed to the link, or that the connection knows to read up to.
    delivered: Seq,
}

enum State {
    /// Admission is being decided: what comes is kept back.
    Holding(Vec<EncodedEntry>),
    /// Entries after `floor` are told.
    Flowing { floor: Seq },
    /// Too much waited. Entries up to `skipped` were left out, and all that come are.
    Suspended { skipped: Seq },
}

/// What becomes of an entry.
pub(crate) enum Offer {
    /// To be sent.
    Now,
    /// Held back.
    Later,
    /// Known already, or left out like those before it.
    No,
    /// It does not fit.
    TooMuch,
}

impl Default for RoomFlow {
    fn default() -> Self {
        Self { state: State::Holding(Vec::new()), shard: None, delivered: Seq::START }
    }
}

impl RoomFlow {
    /// From here on this shard tells, and no other.
    pub(crate) fn set_shard(&mut self, shard: ShardId) {
        self.shard = Some(shard);
    }

    pub(crate) fn is_from(&self, shard: ShardId) -> bool {
        self.shard == Some(shard)
    }

    pub(crate) fn hold(&mut self) {
        if matches!(self.state, State::Suspended { .. }) {
            self.state = State::Holding(Vec::new());
        }
    }

    pub(crate) fn is_holding(&self) -> bool {
        matches!(self.state, State::Holding(_))
    }

    pub(crate) fn offer(&mut self, entry: &EncodedEntry, fits: bool) -> Offer {
        match &mut self.state {
            State::Flowing { floor } if entry.seq <= *floor => Offer::No,
            State::Suspended { skipped } => {
                *skipped = entry.seq.max(*skipped);
                Offer::No
            }
            _ if !fits => Offer::TooMuch,
            State::Flowing { floor } => {
                *floor = entry.seq;
                Offer::Now
            }
            State::Holding(held) => {
                held.push(entry.clone());
                Offer::Later
            }
        }
    }

    /// Whether an entry at `seq` would be sent.
    pub(crate) fn would_send(&self, seq: Seq) -> bool {
        matches!(self.state, State::Flowing { floor } if floor < seq)
    }

    /// Entries up to `seq` were handed to the link without waiting. Only when it
    /// [`would_send`](Self::would_send) the first of them.
    pub(crate) fn sent_direct(&mut self, seq: Seq) {
        if let State::Flowing { floor } = &mut self.state {
            *floor = seq.max(*floor);
        }
        self.sent(seq);
    }

    /// Begins to leave out. Gives what was held back, and after which place the connection must
    /// be told to read, unless it knows or nothing was promised to it yet.
    pub(crate) fn suspend(&mut self, skipped: Seq) -> (Vec<EncodedEntry>, Option<Seq>) {
        let (skipped, held, say) = match &mut self.state {
            State::Holding(held) => {
                let last = held.iter().map(|entry| entry.seq).max();
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
    pub(crate) fn head(&self, head: Seq) -> Seq {
        match self.state {
            State::Flowing { floor } => head.max(floor),
            State::Holding(_) | State::Suspended { .. } => head,
        }
    }

    /// Ends the holding back. Gives what was held back, and whether some of it was lost.
    pub(crate) fn release(&mut self, floor: Seq) -> (Vec<EncodedEntry>, bool) {
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
    pub(crate) fn resume(&mut self, reaches: Seq) -> bool {
        if let State::Suspended { skipped } = self.state {
            if skipped > reaches {
                return false;
            }
            self.state = State::Flowing { floor: reaches };
            self.delivered = reaches;
        }
        true
    }

    pub(crate) fn sent(&mut self, seq: Seq) {
        self.delivered = seq.max(self.delivered);
    }
}
