//! Room storage of a relay: a bounded, expiring, in-memory log with a live feed.

#[cfg(feature = "relay")]
mod feed;
#[cfg(feature = "relay")]
mod memory;
mod status;

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use futures_core::Stream;

#[cfg(feature = "relay")]
pub use feed::Feeds;
#[cfg(feature = "relay")]
pub use memory::{MemoryLimits, MemoryStore};
pub use status::{Health, Level, StoreStatus};

pub use crate::wire::SETTLES;
use crate::{
    id::{Epoch, RoomAddress, Seq},
    secret::TokenHash,
    wire::{CloseReason, Entry, Genesis, LogItem, NextEpoch, Page, Policy, Posture},
};

/// Storage for the rooms of a relay.
///
/// # Contract
/// 1. `create` is atomic: of two concurrent calls for one address exactly one succeeds. The other
///    is refused with [`StoreError::AddressInUse`] and changes nothing.
/// 2. `append` is an atomic compare-and-set: it succeeds only when `entry.epoch` is the room's
///    current epoch. Otherwise it returns [`StoreError::StaleEpoch`] and changes nothing.
/// 3. An accepted commit or join increments the epoch by one and replaces member hash, door hash
///    and group information in the same step. `next` must be present for these entries and for no
///    others.
/// 4. Sequence numbers are 1, 2, 3 … without gap or repetition, also across voids and live entries.
///    A refused entry consumes none.
/// 5. A live entry consumes a sequence number and reaches every watch. It is never returned by
///    `read`.
/// 6. `read` returns the entries after the cursor in order, each with its age, and reports how far
///    the page reaches. Within that range every kept entry is included. The page reaches to the
///    smaller of `until` and the room's head, whichever entries are kept there. Only a page with
///    `more` reaches less, and always beyond the cursor.
/// 7. An entry is never returned at or after its acceptance time plus its retention, to the
///    millisecond, by the store's clock.
/// 8. A watch yields every event that occurs after `watch` returned, in order. A watch that exceeds
///    its bound yields [`Watched::Lagged`] in place of the lost items; it never loses items
///    silently. The bound is at least [`MIN_WATCH_ITEMS`]. No watch delays an `append` or another
///    watch.
/// 9. A room is erased when its linger has passed without a touch, when it reaches its largest age,
///    or when it is closed. Its watches then yield [`Watched::Closed`] and end, and every call for
///    the room returns [`StoreError::NoSuchRoom`].
/// 10. Bounds ([`Policy::bounds`]) are enforced by refusing with [`StoreError::Full`]. An accepted
///     entry is never dropped to make room. Space is released when entries expire or are voided.
///     Live entries take no space.
/// 11. `void` voids an entry that began an epoch (a commit or a join) and every later entry,
///     restores the previous epoch, and notifies every watch. For any other entry, or when the
///     previous epoch is no longer in the door's history, it returns [`StoreError::StaleEpoch`].
/// 12. The door's history keeps the hashes of a past epoch as long as the entry that ended the
///     epoch is kept, and covers at most the last [`MAX_EPOCHS`] epochs, the current one included.
///     The current epoch is kept as long as the room. Exception: if the two oldest epochs in the
///     history are the one that an unsettled join ended and the one that it began, the newest
///     epochs before the current one are forgotten instead. Otherwise the sender could prevent the
///     join, or a later join, from being taken back, by creating many more epochs.
/// 13. The linger is counted from `create` and restarts with each `touch`. No other method counts
///     as a touch. A touch does not defer the largest age.
/// 14. [`Watched::Closed`] carries the reason that occurred first, however late the store detects
///     it: [`CloseReason::Gone`] for the linger, [`CloseReason::Age`] for the largest age, also
///     when both occur in the same millisecond. A call that finds a room past its end is answered
///     as if the room had been erased in time.
/// 15. If several reasons to refuse an `append` apply, the first of these is returned:
///     `Mismatched`, `ReadOnly`, `NoSuchRoom`, `StaleEpoch`, `Full`. For `create` at a full store
///     the choice between `AddressInUse` and `Full` is unspecified.
/// 16. Every call is atomic with respect to all others, on any thread: another call observes all of
///     its effect or none. Notifying the watches is part of the same step, so the watch items form
///     one history: every accepted entry in log order, each in the epoch that the preceding items
///     lead to, and nothing after the end.
/// 17. After a `void` the restored epoch is the current epoch in every respect. It has the hashes
///     and the group information of `restored`, whatever it had before. It does not expire with the
///     entry that had ended it. When it ends again, it is kept as long as the new entry that ended
///     it.
/// 18. Rooms are independent of each other: no operation on one room is visible in another.
/// 19. When a future is dropped, the call has had its whole effect or none, or (where the back end
///     is another process) will have. Watch items of the call are delivered exactly when its effect
///     takes place.
/// 20. An epoch that a join began is unsettled until [`settle`](Store::settle) is called for it.
///     Every other epoch is settled. While the epoch is unsettled, and from [`SETTLES`] after the
///     acceptance of the join on, `take_back` voids the join and every later entry in one step, and
///     restores member and door hash of the previous epoch from the store's own records. Otherwise
///     it returns [`StoreError::TooEarly`] or [`StoreError::Settled`]. `Settled` is also returned
///     when the epoch that the join began is no longer in the door's history. When the member hash
///     is not that of the previous epoch, or the entry is not a join, it returns
///     [`StoreError::StaleEpoch`].
/// 21. After each join that was voided, by `void` or `take_back`, the door is
///     [shut](StoredDoor::shut) to joins: for [`SHUT_FIRST`], then twice as long each time, up to
///     [`SHUT_LONGEST`]. Another door hash opens it and restarts the sequence.
/// 22. A room in which no join was ever accepted may be erased after [`UNJOINED_LINGER`] without a
///     touch, however long its linger.
/// 23. A store that bounds all rooms together refuses new rooms and messages before it refuses an
///     entry that begins an epoch or a void. Otherwise members could not be removed from any room
///     while the store is full.
///
/// # Errors
/// [`StoreError`]; after any error but [`StoreError::Unavailable`] the room is unchanged. After
/// `Unavailable` the outcome is unknown.
///
/// # Cancel safety
/// Every method is cancel safe: see 19.
///
/// # Security
/// Entries and group information are overwritten in memory when they expire or are erased, not only
/// dropped. Nothing is written to disk. A store logs no address, hash, size or payload.
#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
pub trait Store: Send + Sync + 'static {
    /// Opens a room.
    async fn create(&self, address: &RoomAddress, genesis: Genesis) -> Result<(), StoreError>;

    /// Appends an entry to the log and returns its sequence number.
    async fn append(
        &self,
        address: &RoomAddress,
        entry: Entry,
        next: Option<NextEpoch>,
    ) -> Result<Seq, StoreError>;

    /// Returns the entries after `after` up to and including `until`, as many as fit into one page
    /// (at most [`PAGE_BYTES`] of sealed bytes, but at least one entry).
    async fn read(&self, address: &RoomAddress, after: Seq, until: Seq)
    -> Result<Page, StoreError>;

    /// Returns the current epoch, group information, token hashes and policy.
    async fn door(&self, address: &RoomAddress) -> Result<StoredDoor, StoreError>;

    /// Returns a live feed of the room's events from now on.
    async fn watch(&self, address: &RoomAddress) -> Result<Watch, StoreError>;

    /// Records that a connection uses the room: restarts its linger.
    async fn touch(&self, address: &RoomAddress) -> Result<(), StoreError>;

    /// Voids the entry at `seq`, which began an epoch, and every later entry.
    async fn void(
        &self,
        address: &RoomAddress,
        seq: Seq,
        restored: NextEpoch,
    ) -> Result<(), StoreError>;

    /// Records that a member of the previous epoch has proven the epoch that the join at `began`
    /// began. Does nothing when that is already recorded, or when the entry is not a join.
    async fn settle(&self, address: &RoomAddress, began: Seq) -> Result<(), StoreError>;

    /// Voids the unsettled join at `seq` and every later entry, on behalf of a member of the
    /// previous epoch.
    async fn take_back(
        &self,
        address: &RoomAddress,
        seq: Seq,
        by: TakeBack,
    ) -> Result<(), StoreError>;

    /// Erases the room immediately.
    async fn close(&self, address: &RoomAddress, reason: CloseReason) -> Result<(), StoreError>;

    /// Returns what the store can state about its own memory-only promise.
    async fn posture(&self) -> Posture;

    /// Returns the state of the store, as far as it is known without a request to the back end.
    /// Called several times a second: must neither wait nor block. A store without such information
    /// returns the default.
    fn status(&self) -> StoreStatus {
        StoreStatus::default()
    }

    /// Signals that the relay is running. Called about every second from the first connection on.
    ///
    /// Time in which the relay did not run (its process was stopped, its container frozen, its
    /// machine swapped) is not an absence of the guests. A store that alone decides when a room's
    /// linger has passed must not count that time. Entries still expire by their retention.
    fn heartbeat(&self) {}
}

/// The minimum time for which a room without an accepted join is kept without a touch (or its
/// linger, if that is shorter): only its creator can miss it. Ten minutes.
pub const UNJOINED_LINGER: Duration = Duration::from_secs(600);

/// The maximum number of epochs in a door's history, the current one included. A member that was
/// away for longer rejoins through the door.
pub const MAX_EPOCHS: usize = 1_024;

/// How long the door is shut to joins after the first voided join.
pub const SHUT_FIRST: Duration = Duration::from_secs(10);

/// The maximum time for which the door is shut to joins.
pub const SHUT_LONGEST: Duration = Duration::from_secs(120);

/// The minimum number of items that a watch buffers before it lags, as long as they have no more
/// than [`PAGE_BYTES`] sealed bytes together.
pub const MIN_WATCH_ITEMS: usize = 128;

/// The maximum number of sealed bytes in a page, unless its first entry alone is larger.
pub const PAGE_BYTES: usize = 256_000;

/// The state of a room's door and its epochs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDoor {
    /// The public part of the room's rules.
    pub policy: Policy,
    /// Hash of the owner token.
    pub owner: TokenHash,
    /// Hash of the door token.
    pub door: TokenHash,
    /// The sealed group information of the current epoch.
    pub group_info: crate::secret::Payload,
    /// The last sequence number in the log.
    pub head: Seq,
    /// How long joins are still refused because earlier joins were voided; zero as a rule. The
    /// relay enforces it, since it knows which connections have proven an epoch.
    pub shut: Duration,
    /// The epoch records in order; the last one is the current epoch. An earlier epoch is listed as
    /// long as the entry that ended it is kept.
    pub epochs: Vec<EpochRecord>,
}

impl StoredDoor {
    /// Returns the current epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epochs.last().map_or(Epoch::FIRST, |record| record.epoch)
    }
}

/// The record of one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochRecord {
    /// The epoch.
    pub epoch: Epoch,
    /// Hash of its member token.
    pub member: TokenHash,
    /// Hash of its door token.
    pub door: TokenHash,
    /// The sequence number of the entry that began it; [`Seq::START`] for epoch 0.
    pub began: Seq,
    /// Whether members of the previous epoch can no longer take back the join that began it.
    pub settled: bool,
}

/// What a member presents to take back a join.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate take it apart")]
pub struct TakeBack {
    /// The member hash of the previous epoch; the member has proven the matching token.
    pub member: TokenHash,
    /// The sealed group information of the previous epoch.
    pub group_info: crate::secret::Payload,
}

/// An event of a watched room.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "stores outside this crate build it")]
pub enum Watched {
    /// A new entry. Its payload is shared, not copied.
    Entry(LogItem),
    /// A commit or join was voided.
    Voided {
        /// Its sequence number.
        seq: Seq,
        /// The restored epoch.
        epoch: Epoch,
    },
    /// The watch fell behind; read the log to catch up.
    Lagged,
    /// The room has ended. The last item.
    Closed(CloseReason),
}

/// A live feed of a room. Ends after [`Watched::Closed`].
pub struct Watch(Pin<Box<dyn Stream<Item = Watched> + Send>>);

impl Watch {
    /// Wraps a stream as a watch.
    #[must_use]
    pub fn new(stream: impl Stream<Item = Watched> + Send + 'static) -> Self {
        Self(Box::pin(stream))
    }
}

impl Stream for Watch {
    type Item = Watched;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Watched>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch(..)")
    }
}

/// Why a store refused or failed a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The room does not exist, or no longer exists.
    #[error("there is no such room")]
    NoSuchRoom,
    /// Another room has this address.
    #[error("the address is in use")]
    AddressInUse,
    /// The room is not in the named epoch.
    #[error("the room is in another epoch")]
    StaleEpoch {
        /// The room's epoch.
        current: Epoch,
    },
    /// The join is not old enough to be taken back.
    #[error("the join is not old enough to be taken back")]
    TooEarly {
        /// Time until it is.
        wait: Duration,
    },
    /// A member of the previous epoch has proven the epoch that the join began.
    #[error("the join is settled")]
    Settled,
    /// A bound of the room or of the store is reached.
    #[error("full")]
    Full,
    /// A commit without its next epoch, or a message with one.
    #[error("entry and next epoch do not belong together")]
    Mismatched,
    /// The store's memory-only promise is broken; it takes nothing new.
    #[error("read-only: the memory-only promise is broken")]
    ReadOnly,
    /// The back end cannot be reached; the outcome is unknown.
    #[error("the back end cannot be reached")]
    Unavailable,
    /// The back end returned an invalid response.
    #[error("the back end failed")]
    Backend,
}

impl StoreError {
    /// Whether the same call can succeed later without any change.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Full | Self::ReadOnly | Self::Unavailable)
    }
}
