//! A client that can deviate arbitrarily: a second implementation of the protocol from
//! docs/protocol.md, without the library's session, so that it controls every byte that it sends.

mod commit;
pub mod join;
pub mod keys;
pub mod liar;
pub mod line;
pub mod who;

use anocm_core::{
    Epoch, Invite, Payload, Retention, RoomAddress, Seq,
    session::Settings,
    transport::Transport,
    wire::{self, Entry, EntryKind, LogItem, NextEpoch, Policy, Refusal, Reply, Request},
};
use openmls::{
    prelude::{
        BasicCredential, LeafNodeIndex, MlsGroup, MlsMessageBodyIn, MlsMessageIn, OpenMlsProvider,
        ProcessedMessageContent,
    },
    schedule::PreSharedKeyId,
};
use tls_codec::{Deserialize as _, Serialize as _};

pub use commit::Builder;
use join::Shape;
use keys::{Door, Place};
use liar::Provider;
use line::{Answer, Line};
use who::{SETTINGS, Who, random};

/// A member with such a client.
pub struct Forger {
    pub line: Line,
    pub invite: Invite,
    pub door: Door,
    pub who: Who,
    pub group: MlsGroup,
    pub provider: Provider,
    pub policy: Policy,
    /// The last log position that was read.
    pub cursor: Seq,
    /// All entries that were read, including her own.
    pub seen: Vec<LogItem>,
    /// The member tokens of her epochs.
    pub tokens: Vec<(Epoch, [u8; 32])>,
    /// The envelope keys of these epochs.
    pub envelopes: Vec<[u8; 32]>,
    pub counter: u64,
}

impl Forger {
    /// Joins in the regular way, and enters.
    pub async fn joins(relay: &dyn Transport, invite: &Invite) -> Self {
        Self::joins_as(relay, invite, Shape::of(Who::random())).await
    }

    pub async fn joins_as(relay: &dyn Transport, invite: &Invite, shape: Shape) -> Self {
        let mut forger = Self::joins_telling(relay, invite, shape, |_| ()).await;
        forger.enters().await;
        forger
    }

    /// Joins, but `lie` changes the values that the relay is given for the new epoch. Does not
    /// enter.
    pub async fn joins_telling(
        relay: &dyn Transport,
        invite: &Invite,
        shape: Shape,
        lie: impl FnOnce(&mut NextEpoch),
    ) -> Self {
        let mut line = Line::reach(relay).await;
        let shown = looks(&mut line, invite).await;
        let made = join::make(invite, &shown, shape);
        let (entry, mut next) = made.sealed(invite, &shown);
        lie(&mut next);
        let door = Door::derive(invite.address(), invite.secret().expose());
        let (address, token) = (*invite.address(), keys::token(door.token));
        let joined = line.ask(Request::Join { address, door: token, entry, next }).await;
        let Some(Ok(Reply::Accepted { seq })) = joined else {
            panic!("the join was not accepted: {joined:?}");
        };
        Self {
            line,
            invite: invite.clone(),
            door,
            who: made.who,
            group: made.group,
            provider: made.provider,
            policy: shown.policy,
            cursor: seq,
            seen: Vec::new(),
            tokens: Vec::new(),
            envelopes: Vec::new(),
            counter: 0,
        }
    }

    pub fn address(&self) -> RoomAddress {
        *self.invite.address()
    }

    pub fn epoch(&self) -> Epoch {
        Epoch::new(self.group.epoch().as_u64())
    }

    fn export(&self, label: &str) -> [u8; 32] {
        let address = self.address();
        let secret =
            self.group.export_secret(self.provider.crypto(), label, address.as_bytes(), 32);
        secret.unwrap().try_into().unwrap()
    }

    pub fn member_token(&self) -> [u8; 32] {
        self.export("anocm/1 member token")
    }

    pub fn envelope_key(&self) -> [u8; 32] {
        self.export("anocm/1 envelope key")
    }

    /// Proves her current epoch.
    pub async fn enters(&mut self) -> Answer {
        let (address, epoch) = (self.address(), self.epoch());
        let member = self.member_token();
        self.tokens.push((epoch, member));
        self.envelopes.push(self.envelope_key());
        self.line.ask(Request::Enter { address, epoch, member: keys::token(member) }).await
    }

    /// Reads and applies all new entries.
    pub async fn catches_up(&mut self) {
        loop {
            let (address, after) = (self.address(), self.cursor);
            let page = match self.line.ask(Request::Read { address, after }).await {
                Some(Ok(Reply::Page(page))) => page,
                other => panic!("no page: {other:?}"),
            };
            self.cursor = page.reaches;
            let mut moved = false;
            for item in page.items {
                moved |= item.entry.kind.begins_epoch() && self.follows(&item.entry);
                self.seen.push(item);
            }
            if moved {
                self.enters().await;
            } else if !page.more {
                return;
            }
        }
    }

    /// Unseals an entry of her epoch.
    pub fn unseals(&self, entry: &Entry) -> Option<Vec<u8>> {
        let key = match entry.kind {
            EntryKind::Join => self.door.key,
            _ => self.envelope_key(),
        };
        keys::open(&key, &self.place(entry.kind, entry.retention), &entry.sealed)
    }

    fn follows(&mut self, entry: &Entry) -> bool {
        if entry.epoch != self.epoch() {
            return false;
        }
        let Some(bytes) = self.unseals(entry) else { return false };
        let message = MlsMessageIn::tls_deserialize_exact(bytes).unwrap().extract();
        let MlsMessageBodyIn::PublicMessage(message) = message else { return false };
        let psk = PreSharedKeyId::external(self.door.psk_id.to_vec(), Vec::new());
        psk.store(&self.provider, &self.door.psk).unwrap();
        let Ok(processed) = self.group.process_message(&self.provider, message) else {
            return false;
        };
        let ProcessedMessageContent::StagedCommitMessage(staged) = processed.into_content() else {
            return false;
        };
        self.group.merge_staged_commit(&self.provider, *staged).is_ok() && self.group.is_active()
    }

    pub fn place(&self, kind: EntryKind, retention: Retention) -> Place {
        let (address, epoch) = (self.address(), self.epoch());
        Place { address, epoch, kind: keys::number(kind), retention }
    }

    /// An entry of her epoch with `content` in a valid seal.
    pub fn seals(&self, kind: EntryKind, content: &[u8]) -> Entry {
        self.seals_with(kind, random(), content)
    }

    pub fn seals_with(&self, kind: EntryKind, nonce: [u8; 24], content: &[u8]) -> Entry {
        self.sealed(kind, nonce, self.retention(kind), content)
    }

    pub fn seals_for(&self, kind: EntryKind, retention: Retention, content: &[u8]) -> Entry {
        self.sealed(kind, random(), retention, content)
    }

    fn sealed(
        &self,
        kind: EntryKind,
        nonce: [u8; 24],
        retention: Retention,
        content: &[u8],
    ) -> Entry {
        let key = if kind == EntryKind::Join { self.door.key } else { self.envelope_key() };
        let sealed = keys::seal(&key, nonce, &self.place(kind, retention), content);
        Entry { kind, epoch: self.epoch(), retention, sealed }
    }

    /// The usual retention: the policy's for commits and joins.
    pub fn retention(&self, kind: EntryKind) -> Retention {
        if kind.begins_epoch() { self.policy.handshakes } else { super::hour() }
    }

    /// An entry with these bytes in place of a seal.
    pub fn bare(&self, kind: EntryKind, sealed: Vec<u8>) -> Entry {
        let (epoch, retention) = (self.epoch(), self.retention(kind));
        Entry { kind, epoch, retention, sealed: Payload::from(sealed) }
    }

    /// An MLS message with this authenticated data.
    pub fn wraps(&mut self, aad: &[u8], content: &[u8]) -> Vec<u8> {
        self.group.set_aad(aad.to_vec());
        let message = self.group.create_message(&self.provider, &self.who, content).unwrap();
        message.tls_serialize_detached().unwrap()
    }

    /// An MLS message that contains such an envelope.
    pub fn envelope(&mut self, counter: u64, id: [u8; 16], kind: u16, body: &[u8]) -> Vec<u8> {
        let envelope = wire::encode(&(counter, id, kind, body.to_vec()));
        self.wraps(&super::hour().as_millis().to_be_bytes(), &envelope)
    }

    /// A message that is valid except for the fields that the caller chooses.
    pub fn message(&mut self, counter: u64, id: [u8; 16], kind: u16, body: &[u8]) -> Entry {
        let message = self.envelope(counter, id, kind, body);
        self.seals(EntryKind::Message, &message)
    }

    /// Opens a message of another member that she has not opened yet: counter, id, kind and body.
    pub fn reads(&mut self, entry: &Entry) -> Option<(u64, [u8; 16], u16, Vec<u8>)> {
        let bytes = self.unseals(entry)?;
        let message = MlsMessageIn::tls_deserialize_exact(bytes).ok()?.extract();
        let MlsMessageBodyIn::PrivateMessage(message) = message else { return None };
        let processed = self.group.process_message(&self.provider, message).ok()?;
        match processed.into_content() {
            ProcessedMessageContent::ApplicationMessage(message) => {
                wire::decode(&message.into_bytes(), 64_000).ok()
            }
            _ => None,
        }
    }

    /// Her next message, valid except possibly for its content.
    pub fn says(&mut self, kind: u16, body: &[u8]) -> Entry {
        let counter = self.counter;
        self.counter += 1;
        self.message(counter, random(), kind, body)
    }

    /// The settings of her group.
    pub fn settings(&self) -> Settings {
        let bytes = &self.group.extensions().unknown(SETTINGS).unwrap().0;
        wire::decode(bytes, 8_192).unwrap()
    }

    /// Returns the leaf index of a member.
    pub fn seat(&self, id: &[u8]) -> LeafNodeIndex {
        let is_theirs = |member: &openmls::prelude::Member| {
            BasicCredential::try_from(member.credential.clone())
                .is_ok_and(|credential| credential.identity() == id)
        };
        self.group.members().find(is_theirs).unwrap().index
    }

    pub async fn publishes(&mut self, entry: Entry, next: Option<NextEpoch>) -> Answer {
        let address = self.address();
        self.line.ask(Request::Publish { address, entry, next }).await
    }

    /// Publishes any commit entry of hers, with the values that a valid one would give the relay.
    pub async fn publishes_commit(&mut self, entry: Entry) -> Answer {
        let next = self.next_epoch();
        self.publishes(entry, Some(next)).await
    }

    /// Plausible hashes and group information for an epoch that will not exist.
    pub fn next_epoch(&self) -> NextEpoch {
        NextEpoch {
            member: keys::token(random()).hash(),
            door: keys::token(self.door.token).hash(),
            group_info: Payload::from(vec![0x66; 1_000]),
        }
    }
}

/// Returns the door that the relay shows.
pub async fn looks(line: &mut Line, invite: &Invite) -> wire::Door {
    let door = Door::derive(invite.address(), invite.secret().expose());
    for _ in 0..20 {
        let address = *invite.address();
        let look = Request::Look { address, door: keys::token(door.token) };
        match line.ask(look).await {
            Some(Ok(Reply::Door(door))) => return door,
            Some(Err(Refusal::Crowded { retry_after } | Refusal::Busy { retry_after })) => {
                let wait = std::time::Duration::from_millis(u64::from(retry_after));
                tokio::time::sleep(wait).await;
            }
            other => panic!("the door is not shown: {other:?}"),
        }
    }
    panic!("the door stays crowded")
}
