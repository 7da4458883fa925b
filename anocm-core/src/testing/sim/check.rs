//! The guarantees, each checked against the events that the guests recorded.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    guest::{Guest, Notes, SentText, Shown},
    world::World,
};
use crate::{
    id::{Epoch, MessageId, Seq},
    retention::Retention,
    room::{Confirmation, Ended, JoinFailure, Role, Trouble},
};

type Checked = Result<(), String>;

/// Checks all guarantees.
pub(super) fn promises(world: &World) -> Checked {
    for (number, guest) in world.guests.iter().enumerate() {
        let name = |what: String| format!("guest {number}: {what}");
        ended_lawfully(&guest.notes()).map_err(name)?;
        no_trouble(&guest.notes()).map_err(name)?;
        in_order_and_once(&guest.notes()).map_err(name)?;
        nothing_after_its_time(guest).map_err(name)?;
        everything_settled(guest).map_err(name)?;
    }
    one_history(world)?;
    one_roster(world)?;
    nothing_lost(world)?;
    all_are_confirmed(world)?;
    whispers_stay_between_two(world)
}

/// With the owner in the room, and after some quiet, the room is confirmed to every other guest in
/// it, and by none that may not.
fn all_are_confirmed(world: &World) -> Checked {
    let Some((owner, others)) = world.guests.split_first() else { return Ok(()) };
    if !owner.is_inside() {
        return Ok(());
    }
    for guest in others.iter().filter(|guest| guest.is_inside()) {
        match guest.view().confirmation {
            Confirmation::Confirmed { by, .. } if by.role != Role::Member => {}
            other => return Err(format!("a guest is not confirmed: {other:?}")),
        }
    }
    Ok(())
}

fn ended_lawfully(notes: &Notes) -> Checked {
    match notes.ended {
        None if notes.entered.is_some() && notes.online => Ok(()),
        None => Err("neither in nor out".to_owned()),
        Some(Ended::Left | Ended::Removed { .. } | Ended::NotLetIn(JoinFailure::LinkReplaced)) => {
            Ok(())
        }
        Some(other) => Err(format!("ended: {other:?}")),
    }
}

fn no_trouble(notes: &Notes) -> Checked {
    match notes.troubles.iter().find(|trouble| !matches!(trouble, Trouble::Missed { .. })) {
        Some(trouble) => Err(format!("{trouble:?} among honest members and an honest relay")),
        None => Ok(()),
    }
}

fn in_order_and_once(notes: &Notes) -> Checked {
    if !notes.shown.is_sorted_by(|a, b| a.seq < b.seq) {
        return Err("messages out of order".to_owned());
    }
    let ids: BTreeSet<_> = notes.shown.iter().map(|shown| shown.id).collect();
    if ids.len() == notes.shown.len() { Ok(()) } else { Err("a message doubled".to_owned()) }
}

/// Displayed messages expire at their deadline, and none is displayed after it.
fn nothing_after_its_time(guest: &Guest) -> Checked {
    let notes = guest.notes();
    let gone: BTreeMap<_, _> = notes.expired.iter().copied().collect();
    let now = latest(&notes);
    for shown in &notes.shown {
        let Some(expires) = shown.expires else { continue };
        if shown.at >= expires {
            return Err(format!("{} shown after its time", shown.text));
        }
        match gone.get(&shown.id) {
            Some(at) if *at > expires.saturating_add(Duration::from_millis(5)) => {
                return Err(format!("{} stayed too long", shown.text));
            }
            None if notes.ended.is_none()
                && now > expires.saturating_add(Duration::from_secs(1)) =>
            {
                return Err(format!("{} was never wiped", shown.text));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Returns the latest time that a guest recorded.
fn latest(notes: &Notes) -> crate::time::Timestamp {
    let shown = notes.shown.iter().map(|shown| shown.at);
    shown.chain(notes.expired.iter().map(|&(_, at)| at)).max().unwrap_or_default()
}

/// Every message that a guest who is still in the room submitted was either sent, or reported as
/// not sent.
fn everything_settled(guest: &Guest) -> Checked {
    let notes = guest.notes();
    if notes.ended.is_some() {
        return Ok(());
    }
    let shown: BTreeSet<_> = notes.shown.iter().map(|shown| shown.id).collect();
    let dropped: BTreeSet<_> = notes.not_sent.iter().map(|&(id, _)| id).collect();
    match notes
        .submitted
        .iter()
        .find(|message| !shown.contains(&message.id) && !dropped.contains(&message.id))
    {
        Some(message) => Err(format!("{} is neither said nor refused", message.text)),
        None => Ok(()),
    }
}

/// All guests saw the same message at each log position.
fn one_history(world: &World) -> Checked {
    let mut places: BTreeMap<Seq, (MessageId, crate::id::MemberId, String)> = BTreeMap::new();
    for guest in &world.guests {
        for Shown { seq, id, from, text, .. } in &guest.notes().shown {
            let seen = (*id, *from, text.clone());
            let known = places.entry(*seq).or_insert_with(|| seen.clone());
            if *known != seen {
                return Err(format!("two histories at {seq:?}"));
            }
        }
    }
    Ok(())
}

/// In each epoch all guests saw the same members and the same safety code, and at the end all are
/// in the same epoch.
fn one_roster(world: &World) -> Checked {
    let mut epochs: BTreeMap<Epoch, super::guest::Seen> = BTreeMap::new();
    for guest in &world.guests {
        for (epoch, seen) in &guest.notes().epochs {
            let known = epochs.entry(*epoch).or_insert_with(|| seen.clone());
            if known != seen {
                return Err(format!("a fork in {epoch:?}: {known:?} and {seen:?}"));
            }
        }
    }
    let last: BTreeSet<_> = world
        .guests
        .iter()
        .filter(|guest| guest.is_inside())
        .map(|guest| guest.view().epoch)
        .collect();
    if last.len() > 1 {
        return Err(format!("guests ended in different epochs: {last:?}"));
    }
    let inside = world.guests.iter().filter(|guest| guest.is_inside()).count();
    let members = world.owner().map_or(0, |owner| owner.view().members.len());
    if members < inside {
        return Err(format!("{inside} guests are in a room of {members} members"));
    }
    Ok(())
}

/// A message to the whole room whose retention has not run out was displayed to every guest who was
/// in the room when it was submitted and still is.
fn nothing_lost(world: &World) -> Checked {
    for sender in &world.guests {
        let sent = sender.notes();
        let said: BTreeSet<_> = sent.shown.iter().filter(|s| s.own).map(|s| s.id).collect();
        let lasting = |message: &&SentText| {
            message.to.is_none()
                && said.contains(&message.id)
                && message.retention
                    > Retention::keep(Duration::from_secs(60)).unwrap_or(Retention::Live)
        };
        for message in sent.submitted.iter().filter(lasting) {
            for (number, reader) in world.guests.iter().enumerate() {
                if std::ptr::eq(reader, sender) {
                    continue;
                }
                let read = reader.notes();
                let there = read.entered.is_some_and(|entered| entered < message.at);
                let stayed = read.ended.is_none() && !read.rejoined;
                if there && stayed && !read.shown.iter().any(|shown| shown.id == message.id) {
                    return Err(format!("guest {number} never saw {}", message.text));
                }
            }
        }
    }
    Ok(())
}

fn whispers_stay_between_two(world: &World) -> Checked {
    for sender in &world.guests {
        let whispers: Vec<_> = sender
            .notes()
            .submitted
            .iter()
            .filter_map(|message| Some((message.id, message.to?)))
            .collect();
        for (id, to) in whispers {
            for reader in &world.guests {
                let meant = reader.notes().me == Some(to);
                let sees =
                    |shown: &Shown| shown.id == id && !(shown.own || meant && shown.whispered);
                if !std::ptr::eq(reader, sender) && reader.notes().shown.iter().any(sees) {
                    return Err("a whisper reached somebody else".to_owned());
                }
            }
        }
    }
    Ok(())
}
