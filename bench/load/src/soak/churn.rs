//! Rooms that open and end, and their guests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anocm_core::{
    Command, Invite, NewRoom, RelayUrl, Retention, RoomEvent,
    room::{Connection, Ended, Trouble},
};
use tokio::{sync::watch, task::JoinSet, time::Instant};

use crate::{
    guest::clients::Troubles,
    member::{Member, MemberError},
    report::Row,
};

/// The linger of a room: the minimum.
const LINGER: Duration = Duration::from_secs(1);
/// Retention of messages: the minimum.
const KEPT: Duration = Duration::from_secs(1);

/// The settings and counters that all rooms share.
#[derive(Debug)]
pub(super) struct Churn {
    relay: RelayUrl,
    /// Guests of each room, besides its owner.
    guests: u32,
    /// Timeout for each step.
    within: Duration,
    pub(super) troubles: Troubles,
    rooms: AtomicU64,
    joins: AtomicU64,
    expired: AtomicU64,
    cuts: AtomicU64,
    left: AtomicU64,
    vanished: AtomicU64,
}

/// How a guest leaves, or the owner together with the room.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Leaves properly.
    Leaves,
    /// Disappears abruptly.
    Vanishes,
    /// Loses its connection, reconnects, sends another message, and leaves.
    IsCut,
    /// Shuts down its client.
    Ends,
}

const FATES: [Fate; 4] = [Fate::Leaves, Fate::Vanishes, Fate::IsCut, Fate::Ends];

impl Churn {
    pub(super) fn new(relay: RelayUrl, guests: u32, within: Duration) -> Self {
        Self {
            relay,
            guests,
            within,
            troubles: Troubles::default(),
            rooms: AtomicU64::new(0),
            joins: AtomicU64::new(0),
            expired: AtomicU64::new(0),
            cuts: AtomicU64::new(0),
            left: AtomicU64::new(0),
            vanished: AtomicU64::new(0),
        }
    }

    /// Opens one room after the other until `end`.
    pub(super) async fn rooms(self: Arc<Self>, end: Instant) {
        let mut closes = true;
        while Instant::now() < end {
            if let Err(error) = Arc::clone(&self).room(closes).await {
                self.troubles.note(error.to_string());
            }
            closes = !closes;
        }
    }

    /// Runs a room from its opening until its owner closes it, or disappears last.
    async fn room(self: Arc<Self>, closes: bool) -> Result<(), MemberError> {
        let mut owner =
            Member::open(&self.relay, &NewRoom { linger: LINGER, ..NewRoom::default() })?;
        owner.enter(self.within).await?;
        count(&self.rooms);
        let invite = owner.invite()?;
        let (end, over) = watch::channel(());
        let owning = tokio::spawn(Arc::clone(&self).own(owner, over));
        let mut visits = JoinSet::new();
        for fate in FATES.into_iter().cycle().take(usize::try_from(self.guests).unwrap_or(0)) {
            visits.spawn(Arc::clone(&self).visit(invite.clone(), fate));
        }
        while let Some(visited) = visits.join_next().await {
            if let Ok(Err(error)) = visited {
                self.troubles.note(error.to_string());
            }
        }
        drop(end);
        let Ok(Ok(mut owner)) = owning.await else {
            return Err(MemberError::Silent);
        };
        if !closes {
            owner.vanish();
            count(&self.vanished);
            return Ok(());
        }
        owner.room.close_for_all()?;
        owner.until(self.within, |event| matches!(event, RoomEvent::Ended(_)).then_some(())).await
    }

    /// Runs the owner until the room is over.
    async fn own(
        self: Arc<Self>,
        mut owner: Member,
        mut over: watch::Receiver<()>,
    ) -> Result<Member, MemberError> {
        loop {
            tokio::select! {
                event = owner.room.next_event() => match event {
                    Some(event) => self.check(&event),
                    None => return Err(MemberError::Ended(Ended::Wiped)),
                },
                _ = over.changed() => return Ok(owner),
            }
        }
    }

    /// Joins, sends a message, sees it expire, and leaves.
    async fn visit(self: Arc<Self>, invite: Invite, fate: Fate) -> Result<(), MemberError> {
        let mut guest = Member::join(&invite)?;
        guest.enter(self.within).await?;
        count(&self.joins);
        self.say(&mut guest).await?;
        match fate {
            Fate::Vanishes => {
                guest.vanish();
                count(&self.vanished);
                return Ok(());
            }
            Fate::Ends => {
                guest.end().await;
                return Ok(());
            }
            Fate::Leaves => {}
            Fate::IsCut => {
                guest.cut();
                let back = |event: &RoomEvent| match event {
                    RoomEvent::Connection(Connection::Online) => Some(()),
                    _ => None,
                };
                self.until(&mut guest, back).await?;
                count(&self.cuts);
                self.say(&mut guest).await?;
            }
        }
        guest.room.command(Command::Leave)?;
        let left = |event: &RoomEvent| matches!(event, RoomEvent::Ended(Ended::Left)).then_some(());
        self.until(&mut guest, left).await?;
        count(&self.left);
        guest.end().await;
        Ok(())
    }

    /// Sends a message with a short retention, and waits until it has expired.
    async fn say(&self, guest: &mut Member) -> Result<(), MemberError> {
        let retention = Retention::keep(KEPT).ok();
        let id = guest.room.command(Command::Send { text: "here I am".to_owned(), retention })?;
        let gone = |event: &RoomEvent| match event {
            RoomEvent::Expired { id: gone } if Some(*gone) == id => Some(()),
            _ => None,
        };
        self.until(guest, gone).await?;
        count(&self.expired);
        Ok(())
    }

    async fn until(
        &self,
        guest: &mut Member,
        mut wanted: impl FnMut(&RoomEvent) -> Option<()>,
    ) -> Result<(), MemberError> {
        let seeing = guest.until(self.within, |event| {
            self.check(event);
            wanted(event)
        });
        seeing.await
    }

    /// Accepts what may happen to guests that are only cut off now and then, and reports the rest.
    fn check(&self, event: &RoomEvent) {
        match event {
            RoomEvent::Trouble(Trouble::Missed { .. } | Trouble::Rejoined) => {}
            RoomEvent::Trouble(trouble) => self.troubles.note(format!("trouble: {trouble:?}")),
            RoomEvent::NotSent { why, .. } => self.troubles.note(format!("not sent: {why}")),
            _ => {}
        }
    }

    pub(super) fn row(&self) -> Row {
        let value = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Row::default()
            .with("rooms", value(&self.rooms))
            .with("joins", value(&self.joins))
            .with("expired", value(&self.expired))
            .with("cuts", value(&self.cuts))
            .with("left", value(&self.left))
            .with("vanished", value(&self.vanished))
            .with("errors", self.troubles.total())
    }
}

fn count(what: &AtomicU64) {
    what.fetch_add(1, Ordering::Relaxed);
}
