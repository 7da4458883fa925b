//! The flow control of one room's entries to one connection.

use crate::{
    id::Seq,
    relay::{delivery::broadcast::EncodedEntry, ids::ShardId},
};

/// The flow control of one room's entries to one connection.
pub(crate) struct RoomFlow {
    state: State,
    /// The shard that sends. A shard of an earlier room at the address may still be sending, too.
    shard: Option<ShardId>,
    /// The last sequence number that was handed to the link, or up to which the connection knows to
    /// read.
    delivered: Seq,
}

enum State {
    /// Admission is being decided: entries are held back.
    Holding(Vec<EncodedEntry>),
    /// Entries after `floor` are sent.
    Flowing { floor: Seq },
    /// The queue was full. Entries up to `skipped` were dropped, and so are all new ones.
    Suspended { skipped: Seq },
}

/// What is to be done with an entry.
pub(crate) enum Offer {
    /// Send it.
    Now,
    /// Hold it back: send it later.
    Later,
    /// Ignore it: it was sent already, or is dropped like those before it.
    No,
    /// It does not fit into the queue.
    TooMuch,
}

impl Default for RoomFlow {
    fn default() -> Self {
        Self { state: State::Holding(Vec::new()), shard: None, delivered: Seq::START }
    }
}

impl RoomFlow {
    /// From here on this shard sends, and no other.
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

    /// Returns whether an entry at `seq` would be sent.
    pub(crate) fn would_send(&self, seq: Seq) -> bool {
        matches!(self.state, State::Flowing { floor } if floor < seq)
    }

    /// Records that entries up to `seq` were handed to the link without queueing. Only to be called
    /// when it [`would_send`](Self::would_send) the first of them.
    pub(crate) fn sent_direct(&mut self, seq: Seq) {
        if let State::Flowing { floor } = &mut self.state {
            *floor = seq.max(*floor);
        }
        self.sent(seq);
    }

    /// Suspends the flow. Returns the held back entries, and the sequence number to send in the
    /// lagging notice, after which the connection has to read. There is none if the connection was
    /// notified already or was promised nothing yet.
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

    /// Returns the end of the log for this connection, when the store has returned `head`: not
    /// before the entries that the connection was sent meanwhile.
    pub(crate) fn head(&self, head: Seq) -> Seq {
        match self.state {
            State::Flowing { floor } => head.max(floor),
            State::Holding(_) | State::Suspended { .. } => head,
        }
    }

    /// Ends the holding back. Returns the held back entries, and whether some were dropped.
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

    /// Resumes after the connection has read up to `reaches`. Returns false if later entries were
    /// dropped.
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
