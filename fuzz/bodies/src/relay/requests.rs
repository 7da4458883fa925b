//! Builds requests from their descriptions in cases, with knowledge of the store's state, so that
//! most are valid except for what the case falsifies.

use std::{sync::LazyLock, time::Duration};

use anocm_core::{
    Epoch, Lifetime, NewRoom, Payload, Retention, RoomAddress, Secret, Seq, Token, TokenHash,
    store::{Store, StoredDoor},
    wire::{Entry, EntryKind, Genesis, NextEpoch, Policy, Request},
};

use super::case::{Ask, Next, Rules, Sealed};

/// Tokens to present where a case requests the correct one and there is none.
const OWNER: u8 = 0xee;
const DOOR: u8 = 0xdd;

static HASHES: LazyLock<Vec<TokenHash>> =
    LazyLock::new(|| (0..=u8::MAX).map(|number| token(number).hash()).collect());

fn token(number: u8) -> Token {
    Token::new(Secret::new([number; 32]))
}

/// Returns the token with that hash, if it is one of the case's tokens.
fn token_of(hash: &TokenHash) -> Option<Token> {
    let at = HASHES.iter().position(|known| known == hash)?;
    u8::try_from(at).ok().map(token)
}

/// One of three addresses.
pub(super) fn address(room: u8) -> RoomAddress {
    RoomAddress::new([room % 3; 16])
}

pub(super) async fn request(store: &impl Store, ask: &Ask) -> Request {
    let (Ask::Create { room, .. }
    | Ask::Look { room, .. }
    | Ask::Join { room, .. }
    | Ask::Enter { room, .. }
    | Ask::Read { room, .. }
    | Ask::Publish { room, .. }
    | Ask::Void { room, .. }
    | Ask::Close { room, .. }
    | Ask::Detach { room }) = ask;
    let address = address(*room);
    let view = View(store.door(&address).await.ok());
    view.request(address, ask)
}

/// The store's state of a room, if the room exists.
struct View(Option<StoredDoor>);

impl View {
    fn request(&self, address: RoomAddress, ask: &Ask) -> Request {
        match ask {
            Ask::Create { rules, .. } => Request::Create { address, genesis: genesis(rules) },
            Ask::Look { token, .. } => Request::Look { address, door: self.door(*token) },
            Ask::Join { token, entry, next, .. } => Request::Join {
                address,
                door: self.door(*token),
                entry: self.entry(entry, EntryKind::Join),
                next: self.next(next),
            },
            Ask::Enter { back, token, .. } => {
                let epoch = self.epoch(*back);
                Request::Enter { address, epoch, member: self.member(epoch, *token) }
            }
            Ask::Read { after, .. } => {
                Request::Read { address, after: Seq::new(u64::from(*after)) }
            }
            Ask::Publish { entry, next, .. } => {
                let right = next.as_ref().map_or(EntryKind::Message, |_| EntryKind::Commit);
                let next = next.as_ref().map(|next| self.next(next));
                Request::Publish { address, entry: self.entry(entry, right), next }
            }
            Ask::Void { token, seq, next, .. } => {
                let last = self.0.as_ref().and_then(|door| door.epochs.last());
                let right = last.map_or(Seq::START, |record| record.began);
                let seq = if *seq == 0 { right } else { Seq::new(u64::from(*seq)) };
                Request::Void { address, token: self.owner(*token), seq, restored: self.next(next) }
            }
            Ask::Close { token, .. } => Request::Close { address, owner: self.owner(*token) },
            Ask::Detach { .. } => Request::Detach { address },
        }
    }

    fn pick(&self, number: u8, or: u8, right: impl Fn(&StoredDoor) -> Option<TokenHash>) -> Token {
        let right = self.0.as_ref().filter(|_| number == 0).and_then(right);
        let number = if number == 0 { or } else { number };
        right.and_then(|hash| token_of(&hash)).unwrap_or_else(|| token(number))
    }

    fn door(&self, number: u8) -> Token {
        self.pick(number, DOOR, |door| Some(door.door))
    }

    fn owner(&self, number: u8) -> Token {
        self.pick(number, OWNER, |door| Some(door.owner))
    }

    fn member(&self, epoch: Epoch, number: u8) -> Token {
        self.pick(number, 1, |door| {
            let record = door.epochs.iter().find(|record| record.epoch == epoch);
            record.map(|record| record.member)
        })
    }

    fn epoch(&self, back: u8) -> Epoch {
        let current = self.0.as_ref().map_or(Epoch::FIRST, StoredDoor::epoch);
        Epoch::new(current.value().wrapping_sub(u64::from(back)))
    }

    fn entry(&self, sealed: &Sealed, right: EntryKind) -> Entry {
        let kinds = [right, EntryKind::Message, EntryKind::Commit, EntryKind::Join];
        let kind = kinds[usize::from(sealed.kind % 4)];
        let handshakes = self.0.as_ref().map(|door| door.policy.handshakes);
        let right = handshakes.filter(|_| sealed.retention == 0 && kind.begins_epoch());
        Entry {
            kind,
            epoch: self.epoch(sealed.back),
            retention: right.unwrap_or_else(|| retention(sealed.retention)),
            sealed: payload(sealed.size),
        }
    }

    fn next(&self, next: &Next) -> NextEpoch {
        NextEpoch {
            member: token(next.member).hash(),
            door: self.door(next.door).hash(),
            group_info: payload(next.size),
        }
    }
}

fn genesis(rules: &Rules) -> Genesis {
    let or = |number: u32, default: u64| if number == 0 { default } else { u64::from(number) };
    let default = NewRoom::default().policy();
    let policy = Policy {
        max_retention: if rules.max_retention == 0 {
            default.max_retention
        } else {
            retention(rules.max_retention)
        },
        handshakes: default.handshakes,
        linger: or(rules.linger, default.linger),
        max_age: or(rules.max_age, default.max_age),
        max_entries: if rules.max_entries == 0 { default.max_entries } else { rules.max_entries },
        max_bytes: or(rules.max_bytes, default.max_bytes),
    };
    let first =
        NextEpoch { member: token(1).hash(), door: token(DOOR).hash(), group_info: payload(0) };
    Genesis { policy, owner: token(OWNER).hash(), first }
}

fn retention(millis: u32) -> Retention {
    let duration = Duration::from_millis(u64::from(millis));
    Lifetime::new(duration).map_or(Retention::Live, Retention::For)
}

/// A payload of a valid size, except for the last two sizes.
fn payload(size: u8) -> Payload {
    let sizes = [1_000, 4_000, 16_000, 64_000, 999, 0];
    Payload::from(vec![size; sizes[usize::from(size) % sizes.len()]])
}
