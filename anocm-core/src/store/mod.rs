//! Where a relay keeps rooms: a bounded, expiring, in-memory log with a live feed.

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

/// Where a relay keeps rooms.
///
/// # Contract
/// 1. `create` is atomic: of two for one address exactly one succeeds, the other is refused with
///    [`StoreError::AddressInUse`] and changes nothing.
/// 2. `append` is an atomic compare-and-set: it succeeds only when `entry.epoch` is the room's
///    current epoch, else [`StoreError::StaleEpoch`] and nothing changes.
/// 3. An accepted commit or join moves the epoch by one and replaces member hash, door hash and
///    group information in the same step. `next` must be present exactly then.
/// 4. Places are 1, 2, 3 … without gap or repetition, also across voids and live entries. A
///    refused entry takes none.
/// 5. A live entry takes a place and reaches every watch, and is never returned by `read`.
/// 6. `read` returns entries after the cursor in order, each with its age, and says how far it
///    reaches. Within what it reaches, every kept entry is there. It reaches to `until` or to the
///    room's head, whichever is less, whatever is kept there; only a page with `more` reaches less,
///    and always beyond the cursor.
/// 7. An entry is never returned at or after its acceptance plus its retention, to the
///    millisecond, by the store's clock.
/// 8. A watch yields everything that happens after `watch` returned, in order. One that falls
///    behind its bound yields [`Watched::Lagged`] in place of what it lost, never nothing. The
///    bound is at least [`MIN_WATCH_ITEMS`], and no watch holds up an `append` or another watch.
/// 9. A room is erased when its linger has passed without a touch, or at its largest age, or when
///    it is closed; its watches then yield [`Watched::Closed`] and end, and everything about it
///    answers [`StoreError::NoSuchRoom`].
/// 10. Bounds ([`Policy::bounds`]) are kept by refusing with [`StoreError::Full`]: nothing that was accepted is ever
///     dropped to make room, and space returns when entries expire or are voided. Live entries
///     take none.
/// 11. `void` takes back an entry that began an epoch, a commit or a join, and everything after it,
///     restores the epoch before, and tells every watch. Of any other entry, or when the epoch
///     before is not in the door's history any more: [`StoreError::StaleEpoch`].
/// 12. The hashes of past epochs stay in the door's history as long as the entry that
///     ended them is kept, of the last [`MAX_EPOCHS`] epochs at most, the current one included. The
///     current epoch stays known as long as the room. If the first epochs that are known are that
///     which an unsettled join ended and the one it began, the last ones before the current epoch are
///     forgotten in their place: or the sender could keep the join, or one that follows it, from
///     being taken back by many epochs more.
/// 13. The linger is counted from `create` and anew from each `touch`, and from nothing else: no
///     other method counts as a touch. A touch does not defer the largest age.
/// 14. [`Watched::Closed`] gives the reason that came first, however late the store finds out:
///     [`CloseReason::Gone`] for the linger, [`CloseReason::Age`] for the largest age, also when
///     both come in the same millisecond. A call that finds a room past its end is answered as if
///     the room had been erased in time.
/// 15. Of several reasons to refuse an `append` the first of these is given: `Mismatched`,
///     `ReadOnly`, `NoSuchRoom`, `StaleEpoch`, `Full`. Which of `AddressInUse` and `Full` a full
///     store answers to `create` is left open.
/// 16. Every call is one step to all others, on whatever thread they run: another call sees all of
///     it or nothing. To tell the watches is part of that step, so that what they are told is one
///     history: every accepted entry in the order of the places, each in the epoch that what was
///     told before leads to, and nothing after the end.
/// 17. After a `void` the restored epoch is the current one in every respect: it has the hashes and
///     the group information of `restored`, whatever it had before, it does not expire with the
///     entry that had ended it, and when it ends again, it stays known as long as the new entry.
/// 18. Rooms are independent of each other: nothing that is done to one shows at another.
/// 19. A dropped future had its whole effect or none, or (where the back end is another process)
///     will have: what it was to tell is told exactly when its effect is there.
/// 20. An epoch that a join began is unsettled until [`settle`](Store::settle) is called for it;
///     every other one is settled. While it is unsettled, and from [`SETTLES`] after the join's
///     acceptance, `take_back` voids the join and everything after it in one step, and restores
///     member and door hash of the epoch before from the store's own records. Else
///     [`StoreError::TooEarly`] or [`StoreError::Settled`], which is also answered when the epoch
///     that the join began is not in the door's history any more; when the member hash is not
///     that of the epoch before, or no join stands there, [`StoreError::StaleEpoch`].
/// 21. After each join that was voided, by `void` or `take_back`, the door is
///     [shut](StoredDoor::shut) to joins: for [`SHUT_FIRST`], then twice as long each time, up to
///     [`SHUT_LONGEST`]. Another door hash opens it and begins anew.
/// 22. A room in which no join was ever accepted may be erased once nobody touched it for
///     [`UNJOINED_LINGER`], however long its linger.
/// 23. A store that bounds all rooms together refuses new rooms and messages before it refuses what
///     begins an epoch or voids one: or members could not be removed anywhere while it is full.
///
/// # Errors
/// [`StoreError`]; after any error but [`StoreError::Unavailable`] the room is as it was.
/// After `Unavailable` the outcome is unknown.
///
/// # Cancel safety
/// Every method is cancel safe: see 19.
///
/// # Security
/// Entries and group information are overwritten when they expire or are erased, not only
/// forgotten. Nothing is written to a disk. A store logs no address, hash, size or payload.
#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
pub trait Store: Send + Sync + 'static {
    /// Opens a room.
    async fn create(&self, address: &RoomAddress, genesis: Genesis) -> Result<(), StoreError>;

    /// Appends an entry to the log, and gives its place.
    async fn append(
        &self,
        address: &RoomAddress,
        entry: Entry,
        next: Option<NextEpoch>,
    ) -> Result<Seq, StoreError>;

    /// Entries after `after` and up to and including `until`, as many as a reasonable page holds
    /// (at most [`PAGE_BYTES`] of sealed bytes, but at least one entry).
    async fn read(&self, address: &RoomAddress, after: Seq, until: Seq)
    -> Result<Page, StoreError>;

    /// The current epoch, group information, token hashes and policy.
    async fn door(&self, address: &RoomAddress) -> Result<StoredDoor, StoreError>;

    /// A live feed of what happens to the room from now on.
    async fn watch(&self, address: &RoomAddress) -> Result<Watch, StoreError>;

    /// Says that a connection uses the room: its linger starts anew.
    async fn touch(&self, address: &RoomAddress) -> Result<(), StoreError>;

    /// Takes back the entry at `seq`, which began an epoch, and everything after it.
    async fn void(
        &self,
        address: &RoomAddress,
        seq: Seq,
        restored: NextEpoch,
    ) -> Result<(), StoreError>;

    /// Notes that a member of the epoch before has proven the epoch that the join at `began`
    /// began. Does nothing when that is known, or when no join stands there.
    async fn settle(&self, address: &RoomAddress, began: Seq) -> Result<(), StoreError>;

    /// Takes back the unsettled join at `seq`, and everything after it, as a member of the epoch
    /// before.
    async fn take_back(
        &self,
        address: &RoomAddress,
        seq: Seq,
        by: TakeBack,
    ) -> Result<(), StoreError>;

    /// Erases the room now.
    async fn close(&self, address: &RoomAddress, reason: CloseReason) -> Result<(), StoreError>;

    /// What the store can say about its own memory-only promise.
    async fn posture(&self) -> Posture;

    /// How the store is doing, as far as it knows without asking anybody: called several times a
    /// second, and must neither wait nor block. A store that can tell nothing says so.
    fn status(&self) -> StoreStatus {
        StoreStatus::default()
    }

    /// Says that the relay runs. Called about every second from the first connection on.
    ///
    /// Time in which the relay did not run (its process was stopped, its container frozen, its
    /// machine swapped) is nobody's absence. A store that alone decides when a room has lingered
    /// for long enough must not count it; what expires by its retention expires all the same.
    fn heartbeat(&self) {}
}

/// How long a room is kept at least without a touch, or for its linger if that is shorter, while no
/// join was accepted in it: only its maker can miss it. Ten minutes.
pub const UNJOINED_LINGER: Duration = Duration::from_secs(600);

/// How many epochs, the current one included, a door's history holds at most. A member that was
/// away for longer goes through the door again.
pub const MAX_EPOCHS: usize = 1_024;

/// For how long the door is shut to joins after the first one that was voided.
pub const SHUT_FIRST: Duration = Duration::from_secs(10);

/// For how long the door is shut to joins at most.
pub const SHUT_LONGEST: Duration = Duration::from_secs(120);

/// How many items a watch holds back at least before it lags, as long as they have no more than
/// [`PAGE_BYTES`] sealed bytes together.
pub const MIN_WATCH_ITEMS: usize = 128;

/// How many sealed bytes a page holds at most, unless its first entry alone is larger.
pub const PAGE_BYTES: usize = 256_000;

/// What a store knows of a room's door and epochs.
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
    /// The last place in the log.
    pub head: Seq,
    /// For how long joins are not taken yet, since others were voided: zero as a rule. It is for
    /// the relay to refuse them, which knows who has proven an epoch.
    pub shut: Duration,
    /// The current epoch is the last of these; earlier ones are those whose ends are still kept.
    pub epochs: Vec<EpochRecord>,
}

impl StoredDoor {
    /// The current epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epochs.last().map_or(Epoch::FIRST, |record| record.epoch)
    }
}

/// What a store keeps of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochRecord {
    /// The epoch.
    pub epoch: Epoch,
    /// Hash of its member token.
    pub member: TokenHash,
    /// Hash of its door token.
    pub door: TokenHash,
    /// The place of the entry that began it; [`Seq::START`] for epoch 0.
    pub began: Seq,
    /// Whether members of the epoch before can no longer take back the join that began it.
    pub settled: bool,
}

/// What a member brings who takes a join back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate take it apart")]
pub struct TakeBack {
    /// The member hash of the epoch before, which was shown to be theirs.
    pub member: TokenHash,
    /// The sealed group information of the epoch before.
    pub group_info: crate::secret::Payload,
}

/// Something that happened to a watched room.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "stores outside this crate build it")]
pub enum Watched {
    /// A new entry. Its payload is shared, not copied.
    Entry(LogItem),
    /// A commit or join was taken back.
    Voided {
        /// Its place.
        seq: Seq,
        /// The epoch that goes on.
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
    /// Makes a watch of any stream.
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

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such room, or no longer.
    #[error("there is no such room")]
    NoSuchRoom,
    /// Another room has this address.
    #[error("the address is in use")]
    AddressInUse,
    /// The room is not in the epoch that was named.
    #[error("the room is in another epoch")]
    StaleEpoch {
        /// The room's epoch.
        current: Epoch,
    },
    /// The join is not old enough to be taken back.
    #[error("the join is not old enough to be taken back")]
    TooEarly {
        /// How long until it is.
        wait: Duration,
    },
    /// A member of the epoch before has proven the epoch that the join began.
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
    /// The back end answered something it should not.
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
