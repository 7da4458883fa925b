//! Connections that fill the memory of a relay with kept messages, each in a room of its own.
//!
//! At half of the memory they are refused more, while other rooms still get space; no accepted
//! entry is lost; when the kept entries expire, there is space again.

use std::{collections::HashMap, time::Duration};

use anocm_core::{
    Payload, Seq,
    transport::Link,
    wire::{Refusal, Reply},
};
use anocm_ws::client::{WsOptions, WsTransport};
use futures_util::future::try_join_all;
use tokio::time::{Instant, sleep};

use super::{
    adversary::Adversary,
    link::{ask, greet, kept, sealed},
};
use crate::{
    failure::Failure,
    guest::{GuestError, room::RawRoom},
    member::MemberError,
};

/// Sealed bytes of the filling messages: large ones at first, then what still fits, which is less
/// than a room takes.
const SIZES: [usize; 2] = [16_000, 1_000];
/// The limits of a room, as requested from the relay.
const ENTRIES: u32 = 50_000;
const BYTES: u64 = 64 << 20;
/// Minimum retention of the filling messages: the relay has to stay full for a while.
const KEPT: Duration = Duration::from_secs(5);
/// How long it may take after that until there is space again.
const RECOVERS: Duration = Duration::from_secs(60);
/// Interval between attempts to open a room.
const TRY: Duration = Duration::from_millis(200);
/// A relay with little memory never accepts so many entries.
const NEVER: usize = 20_000;

/// An accepted entry.
struct Taken {
    seq: Seq,
    sealed: Payload,
    /// When it was sent. Its retention starts later.
    sent: Instant,
}

/// A guest that fills a room.
struct Filler<'a> {
    adversary: &'a Adversary,
    transport: &'a WsTransport,
    link: Box<dyn Link>,
    room: RawRoom,
    keep: Duration,
    taken: Vec<Taken>,
}

pub(super) async fn run(adversary: &Adversary) -> Result<(), Failure> {
    let keep = adversary.span.max(KEPT);
    let transport =
        WsTransport::new(&adversary.url, WsOptions::default()).map_err(MemberError::from)?;
    let fillers = (0..adversary.abusers).map(|_| Filler::begin(adversary, &transport, keep));
    let fillers = try_join_all(fillers).await?;
    try_join_all(fillers.into_iter().map(Filler::run)).await?;
    Ok(())
}

impl<'a> Filler<'a> {
    async fn begin(
        adversary: &'a Adversary,
        transport: &'a WsTransport,
        keep: Duration,
    ) -> Result<Self, GuestError> {
        let room = RawRoom::new(kept(keep)?, ENTRIES, BYTES)?;
        let link = greet(transport).await?;
        match ask(&*link, room.creation()).await? {
            Ok(_) => Ok(Self { adversary, transport, link, room, keep, taken: Vec::new() }),
            Err(refusal) => Err(GuestError::Refused(refusal)),
        }
    }

    async fn run(mut self) -> Result<(), GuestError> {
        if !self.fill().await? {
            self.adversary.trouble("the relay takes more than its memory");
            return Ok(());
        }
        let full = Instant::now();
        // Proof of work may be required, but there is space.
        if self.open_another(&*self.link).await? == Some(Refusal::Full) {
            self.adversary.trouble("who takes little is refused because others take much");
        }
        self.read_all().await?;
        self.recover(full).await
    }

    /// Publishes until there is no space for even the smallest message. Returns false when there
    /// always is.
    async fn fill(&mut self) -> Result<bool, GuestError> {
        for size in SIZES {
            while self.publish(size).await? {
                if self.taken.len() > NEVER {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Publishes a message to be kept. Returns false when it is refused for lack of space.
    async fn publish(&mut self, size: usize) -> Result<bool, GuestError> {
        let sealed = sealed(size)?;
        let sent = Instant::now();
        loop {
            match ask(&*self.link, self.room.publication(sealed.clone())).await? {
                Ok(Reply::Accepted { seq }) => {
                    self.adversary.count("kept", 1);
                    self.taken.push(Taken { seq, sealed, sent });
                    return Ok(true);
                }
                Err(Refusal::Full) => {
                    self.adversary.count("refused_full", 1);
                    return Ok(false);
                }
                Err(Refusal::Busy { retry_after }) => {
                    sleep(Duration::from_millis(retry_after.into())).await;
                }
                Err(refusal) => return Err(GuestError::Refused(refusal)),
                Ok(_) => return Err(GuestError::Protocol),
            }
        }
    }

    /// Opens another room. Returns the refusal, if there was one.
    async fn open_another(&self, link: &dyn Link) -> Result<Option<Refusal>, GuestError> {
        let room = RawRoom::new(kept(self.keep)?, ENTRIES, BYTES)?;
        Ok(ask(link, room.creation()).await?.err())
    }

    /// Reads the log. A missing entry must have expired, and a present one must be what was
    /// accepted.
    async fn read_all(&self) -> Result<(), GuestError> {
        let (mut read, mut after) = (HashMap::new(), Seq::START);
        loop {
            let Ok(Reply::Page(page)) = ask(&*self.link, self.room.catching_up(after)).await?
            else {
                return Err(GuestError::Protocol);
            };
            read.extend(page.items.into_iter().map(|item| (item.seq, item.entry.sealed)));
            after = page.reaches;
            if !page.more {
                break;
            }
        }
        for taken in &self.taken {
            match read.get(&taken.seq) {
                Some(sealed) if *sealed == taken.sealed => self.adversary.count("read_back", 1),
                Some(_) => self.adversary.trouble("what was kept is not what was sent"),
                // Sent so long ago that it may have expired.
                None if taken.sent.elapsed() >= self.keep => {}
                None => self.adversary.trouble("what was taken was not kept"),
            }
        }
        Ok(())
    }

    /// Retries until there is space again, for messages and for rooms.
    async fn recover(&mut self, full: Instant) -> Result<(), GuestError> {
        let patience = self.keep.saturating_add(RECOVERS);
        while !self.publish(1_000).await? {
            if full.elapsed() > patience {
                self.adversary.trouble("there is no space again for messages");
                return Ok(());
            }
        }
        self.adversary.took("ms_until_space_again", full.elapsed());
        loop {
            // Each over a connection of its own, since one connection may open only a few rooms.
            let link = greet(self.transport).await?;
            match self.open_another(&*link).await? {
                None => break,
                Some(Refusal::Full | Refusal::WorkNeeded(_)) if full.elapsed() < patience => {
                    sleep(TRY).await;
                }
                Some(refusal) => {
                    self.adversary.trouble(format!("no room can be opened again: {refusal}"));
                    break;
                }
            }
        }
        Ok(())
    }
}
