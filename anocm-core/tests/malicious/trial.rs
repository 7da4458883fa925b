//! One attempt against one room, and the checks of the room afterwards.

use std::{panic::AssertUnwindSafe, time::Duration};

use anocm_core::{Invite, MemberId, Retention, session::Member, transport::Transport};
use futures_util::future::LocalBoxFuture;

use super::{
    forge::{Forger, line::Line},
    party::{Fault, Party},
};

/// The time within which each present honest guest receives the messages of each other one.
pub const WITHIN: Duration = Duration::from_secs(60);
/// The time within which a newcomer joins, and a member is removed.
pub const CHANGED_WITHIN: Duration = Duration::from_secs(150);

/// The honest guests that are connected during the attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// All of them.
    Online,
    /// All but the owner, who comes back afterwards.
    OwnerAway,
    /// None; they come back one by one, the owner last.
    AllAway,
}

/// What the attacker has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Membership like any other member's.
    Member,
    /// Only the link.
    LinkHolder,
}

/// The consequence for the room.
#[derive(Clone, Copy, Debug)]
pub enum Then {
    /// It continues for the honest guests.
    GoesOn,
    /// It waits for the owner, which docs/threat-model.md says in these words; members are told.
    AwaitsOwner(&'static str),
    /// It may end, which docs/threat-model.md says in these words; members are told.
    MayEnd(&'static str),
}

/// The inputs of an attempt.
pub struct Attack<'a> {
    /// A connection that has proven nothing.
    pub line: Line,
    pub invite: Invite,
    /// Alice, Bob and Carol as listed in the roster.
    pub honest: Vec<Member>,
    pub by: By,
    pub mallory: Option<Forger>,
    /// Connections that stay open.
    pub lines: Vec<Line>,
    pub relay: &'a dyn Transport,
}

impl Attack<'_> {
    pub fn mallory(&mut self) -> &mut Forger {
        self.mallory.as_mut().unwrap()
    }
}

/// A row, whose block is the attempt. Captured values that are not `Copy` are listed before it.
macro_rules! row {
    ($by:expr, $name:expr, [$captured:ident] |$attack:ident| $block:block) => {
        $crate::trial::Row::new($by, $name, move |$attack| {
            let $captured = $captured.clone();
            ::std::boxed::Box::pin(async move { $block })
        })
    };
    ($by:expr, $name:expr, |$attack:ident| $block:block) => {
        $crate::trial::Row::new($by, $name, move |$attack| {
            ::std::boxed::Box::pin(async move { $block })
        })
    };
}
pub(crate) use row;

type Attempt = Box<dyn for<'a> Fn(&'a mut Attack<'_>) -> LocalBoxFuture<'a, ()>>;

/// A row of the table. Its name continues a sentence that starts with "after".
pub struct Row {
    pub name: String,
    pub by: By,
    pub then: Then,
    /// The words of docs/threat-model.md for messages that can be lost during the attempt.
    pub loses: Option<&'static str>,
    within: Duration,
    /// The retention of the honest guests' messages afterwards.
    kept: Retention,
    attempt: Attempt,
}

impl Row {
    pub fn new(
        by: By,
        name: impl Into<String>,
        attempt: impl for<'a> Fn(&'a mut Attack<'_>) -> LocalBoxFuture<'a, ()> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            by,
            then: Then::GoesOn,
            loses: None,
            within: WITHIN,
            kept: super::hour(),
            attempt: Box::new(attempt),
        }
    }

    pub fn loses(self, quote: &'static str) -> Self {
        Self { loses: Some(quote), ..self }
    }

    /// For attempts after which only live messages are accepted for a while.
    pub fn live(self) -> Self {
        Self { kept: Retention::Live, ..self }
    }

    /// For attempts after which members must rejoin through the door, and wait for each other.
    pub fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }

    pub fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }
}

/// Tries each row in a room of its own, and reports all failures.
pub fn run(setting: Setting, rows: &[Row]) {
    let wanted = std::env::var("ANOCM_ROW").unwrap_or_default();
    let rows: Vec<_> = rows.iter().filter(|row| row.name.contains(&wanted)).collect();
    let faults: Vec<_> = rows.iter().filter_map(|row| fault(setting, row)).collect();
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), rows.len(), faults.join("\n"));
}

fn fault(setting: Setting, row: &Row) -> Option<String> {
    let tried = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().unwrap();
        runtime.block_on(try_row(setting, row))
    }));
    let fault = match tried {
        Ok(Ok(())) => return None,
        Ok(Err(fault)) => fault,
        Err(_) => "the test itself panicked".to_owned(),
    };
    Some(format!("- {setting:?}, {:?}: after {}: {fault}", row.by, row.name))
}

async fn try_row(setting: Setting, row: &Row) -> Result<(), Fault> {
    let mut party = Party::new().await;
    let relay = party.stage.reach();
    let invite = party.honest[0].guest.invite();
    let honest = party.honest[0].guest.room.view().members;
    let mallory = match row.by {
        By::Member => Some(Forger::joins(&*relay, &invite).await),
        By::LinkHolder => None,
    };
    let (line, by) = (Line::reach(&*relay).await, row.by);
    let mut attack =
        Attack { line, invite, honest, by, mallory, lines: Vec::new(), relay: &*relay };
    party.talk(WITHIN).await?;
    party.passes(Duration::from_secs(3)).await;
    if let Some(mallory) = &mut attack.mallory {
        mallory.catches_up().await;
    }
    let away: &[&str] = match setting {
        Setting::Online => &[],
        Setting::OwnerAway => &["Alice"],
        Setting::AllAway => &["Alice", "Bob", "Carol"],
    };
    for name in away {
        party.away(name, true);
    }
    party.passes(Duration::from_secs(1)).await;
    party.speaks();
    (row.attempt)(&mut attack).await;
    party.kept = row.kept;
    let member = attack
        .mallory
        .as_ref()
        .map(|mallory| MemberId::new(mallory.who.id.clone().try_into().unwrap_or_default()));
    goes_on(&mut party, setting, row, member).await
}

async fn goes_on(
    party: &mut Party,
    setting: Setting,
    row: &Row,
    mallory: Option<MemberId>,
) -> Result<(), Fault> {
    let within = row.within;
    if let Then::MayEnd(_) = row.then {
        for name in ["Bob", "Carol", "Alice"] {
            party.away(name, false);
        }
        return goes_on_or_is_told(party, within).await;
    }
    let waits = matches!(row.then, Then::AwaitsOwner(_));
    for name in back(setting) {
        if *name == "Alice" {
            break;
        }
        party.away(name, false);
        stage(party, waits, within).await?;
    }
    if setting == Setting::OwnerAway {
        stage(party, waits, within).await?;
        if !waits {
            party.newcomer(CHANGED_WITHIN).await?;
            party.talk(within).await?;
            party.changes(CHANGED_WITHIN).await?;
        }
    }
    party.away("Alice", false);
    party.talk(within).await?;
    if !party.honest.iter().any(|honest| honest.name == "Dave") {
        party.newcomer(CHANGED_WITHIN).await?;
        party.talk(within).await?;
    }
    party.changes(CHANGED_WITHIN).await?;
    party.removal(mallory, CHANGED_WITHIN).await?;
    party.talk(within).await?;
    party.judge(row.loses.is_some())
}

const fn back(setting: Setting) -> &'static [&'static str] {
    match setting {
        Setting::AllAway => &["Bob", "Carol", "Alice"],
        Setting::Online | Setting::OwnerAway => &[],
    }
}

/// Without the owner: the room continues, or the present guests are told that it does not.
async fn stage(party: &mut Party, waits: bool, within: Duration) -> Result<(), Fault> {
    if waits {
        party.passes(Duration::from_secs(10)).await;
        party.told()
    } else {
        party.talk(within).await
    }
}

/// Guests who were told that the room does not continue are excluded; it continues for the others,
/// if any.
async fn goes_on_or_is_told(party: &mut Party, within: Duration) -> Result<(), Fault> {
    if party.talk(within).await.is_err() {
        party.passes(Duration::from_secs(200)).await;
        party.leave_out_who_is_told();
    }
    party.talk(within).await
}
