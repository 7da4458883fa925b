//! Opening the entries of the log.

use std::fmt;

use openmls::prelude::{
    ContentType, MlsMessageBodyIn, MlsMessageIn, ProcessMessageError, ProcessedMessageContent,
    PublicMessageIn, Sender, StageCommitError, StagedCommit,
};
use openmls_traits::{OpenMlsProvider, storage::StorageProvider};
use tls_codec::Deserialize as _;
use zeroize::Zeroizing;

use super::{
    commit::NextKeys,
    content::{Content, Envelope},
    create, encryption,
    error::{Fault, OpenError},
    group::Session,
    member::Member,
    messages,
    roster::Roster,
    rules::{RejectedCommit, ValidatedCommit},
    seal::{self, SealKind},
};
use crate::{
    id::{Epoch, MemberId},
    name::Nickname,
    retention::Retention,
    secret::Token,
    wire::{Entry, EntryKind},
};

/// How a member left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Departure {
    /// By their own signed statement.
    Left,
    /// Removed by a member with permission to do so.
    Removed {
        /// The member that removed it.
        by: MemberId,
    },
}

/// The content of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the protocol knows these two")]
pub enum Opened {
    /// A message of the current epoch.
    Message {
        /// The member that signed it.
        sender: MemberId,
        /// The envelope it sent.
        envelope: Envelope,
    },
    /// A commit or join; the session is in the next epoch.
    Epoch(EpochChange),
}

/// What a commit or join changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EpochChange {
    /// The epoch that has begun.
    pub epoch: Epoch,
    /// The committer; for a join, the member that joined.
    pub by: MemberId,
    /// The member that joined.
    pub joined: Option<Member>,
    /// Whether the member that joined replaced its own old leaf: a returning member.
    pub again: bool,
    /// The members that are no longer in the room, in their last state, and how each one left.
    pub departed: Vec<(Member, Departure)>,
    /// The renamed member, and its old name.
    pub renamed: Option<(Member, Nickname)>,
    /// Whether the settings changed.
    pub settings_changed: bool,
    /// Whether the invite was replaced: see [`Session::invite_secret`].
    pub invite_replaced: bool,
    /// Whether this member is no longer in the room: the session is over.
    pub removed_me: bool,
}

/// A valid join of another guest that is not merged yet: the session is still in the epoch before
/// it, with that epoch's keys. Wiped on drop.
pub struct StagedJoin {
    commit: Box<StagedCommit>,
    validated: ValidatedCommit,
    /// `None` when the join replaces this member's own leaf.
    next: Option<NextKeys>,
    before: Epoch,
}

impl StagedJoin {
    /// The epoch that it begins.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.before.next()
    }

    /// The token that proves membership of that epoch to the relay. `None` when the join replaces
    /// this member's own leaf.
    #[must_use]
    pub fn member_token(&self) -> Option<&Token> {
        self.next.as_ref().map(|next| &next.epoch.member)
    }
}

impl fmt::Debug for StagedJoin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StagedJoin").field("epoch", &self.epoch()).finish_non_exhaustive()
    }
}

/// A commit or join that every member accepts.
enum Validated {
    Theirs(Box<StagedCommit>, Box<ValidatedCommit>),
    Own,
}

impl Session {
    /// Opens the next entry of the log. Commits and joins of others are checked against the room's
    /// rules and applied at once. A pending own commit is accepted, as by [`accept`](Self::accept),
    /// or discarded if another commit came first. The guest's own messages do not open: they are
    /// recognised by their [digest](Entry::digest).
    ///
    /// # Errors
    /// [`OpenError`]. The session stays in its epoch. An entry that was tampered with outside of
    /// the room consumes no key: the untampered entry still opens.
    pub fn open(&mut self, entry: &Entry) -> Result<Opened, OpenError> {
        let bytes = self.unseal(entry)?;
        if entry.kind == EntryKind::Message {
            self.open_message(message_in(&bytes), entry.retention)
        } else {
            self.open_commit(&bytes, entry).map(Opened::Epoch)
        }
    }

    /// Checks a join of another guest against the room's rules and derives the keys of the epoch
    /// that it begins, without merging it. The keys of the current epoch are kept, so that the room
    /// can go on in it if the relay does not admit its members to the next.
    ///
    /// # Errors
    /// [`OpenError`], as of [`open`](Self::open).
    pub fn stage_join(&mut self, entry: &Entry) -> Result<StagedJoin, OpenError> {
        if entry.kind != EntryKind::Join {
            return Err(OpenError::Rejected { by: None });
        }
        let bytes = self.unseal(entry)?;
        match self.validate_commit(&bytes, entry)? {
            Validated::Theirs(commit, validated) => {
                let next = self.next_keys(&commit, &validated)?;
                Ok(StagedJoin { commit, validated: *validated, next, before: self.epoch })
            }
            Validated::Own => Err(OpenError::Rejected { by: None }),
        }
    }

    /// Merges a join that was staged in this epoch.
    ///
    /// # Errors
    /// `Internal`, also when the session's epoch has changed since.
    pub fn merge_join(&mut self, join: StagedJoin) -> Result<EpochChange, OpenError> {
        if join.before != self.epoch {
            return Err(OpenError::Internal);
        }
        Ok(self.merge(*join.commit, join.validated, join.next)?)
    }

    /// Returns whether this member would accept the commit or join. Changes nothing.
    pub(super) fn would_accept(&mut self, entry: &Entry) -> bool {
        self.unseal(entry).is_ok_and(|bytes| self.validate_commit(&bytes, entry).is_ok())
    }

    /// Opens the seal. Content behind a valid seal cannot come from outside of the room.
    fn unseal(&self, entry: &Entry) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let live = self.live.as_ref().ok_or(OpenError::Removed)?;
        if entry.epoch != self.epoch {
            return Err(OpenError::Decrypt);
        }
        let key = match entry.kind {
            EntryKind::Join => &self.door.key,
            EntryKind::Message | EntryKind::Commit => &live.keys.envelope,
        };
        let place = self.seal_context(SealKind::from(entry.kind), entry.retention);
        seal::open(key, &place, &entry.sealed).ok_or(OpenError::Decrypt)
    }

    fn open_message(
        &mut self,
        message: Option<MlsMessageBodyIn>,
        retention: Retention,
    ) -> Result<Opened, OpenError> {
        // Checked before any key is used, so that content that is not from a member consumes none.
        let Some(MlsMessageBodyIn::PrivateMessage(message)) = message else {
            return Err(OpenError::RatchetSkipped);
        };
        if retention > self.settings.retention.max() {
            return Err(OpenError::RatchetSkipped);
        }
        let live = self.live.as_mut().ok_or(OpenError::Removed)?;
        let processed = live
            .group
            .process_message(&self.provider, message)
            .map_err(|_| OpenError::RatchetSkipped)?;
        let &Sender::Member(index) = processed.sender() else {
            return Err(OpenError::RatchetSkipped);
        };
        if processed.aad() != messages::aad(retention) {
            return Err(OpenError::RatchetSkipped);
        }
        let ProcessedMessageContent::ApplicationMessage(message) = processed.into_content() else {
            return Err(OpenError::RatchetSkipped);
        };
        let bytes = Zeroizing::new(message.into_bytes());
        let envelope = Envelope::decode(&bytes).map_err(|_| OpenError::RatchetSkipped)?;
        let (sender, seat) = self.roster.at(index).ok_or(OpenError::RatchetSkipped)?;
        if let Content::Leaving(statement) = &envelope.content
            && !self.commit_context().is_valid(statement, sender, seat)
        {
            return Err(OpenError::RatchetSkipped);
        }
        Ok(Opened::Message { sender: sender.id, envelope })
    }

    fn open_commit(&mut self, bytes: &[u8], entry: &Entry) -> Result<EpochChange, OpenError> {
        match self.validate_commit(bytes, entry)? {
            Validated::Theirs(staged, validated) => {
                let next = self.next_keys(&staged, &validated)?;
                Ok(self.merge(*staged, *validated, next)?)
            }
            Validated::Own => self.accept().map_err(|_| OpenError::Internal),
        }
    }

    /// Validates a commit or join, without merging it.
    fn validate_commit(&mut self, bytes: &[u8], entry: &Entry) -> Result<Validated, OpenError> {
        let nobody = OpenError::Rejected { by: None };
        let Some(MlsMessageBodyIn::PublicMessage(message)) = message_in(bytes) else {
            return Err(nobody);
        };
        if message.content_type() != ContentType::Commit || !is_sent_as(&message, entry.kind) {
            return Err(nobody);
        }
        // The retention is not signed: any member may have re-sealed another member's commit.
        if entry.retention != self.settings.policy.handshakes {
            return Err(nobody);
        }
        let claimed = self.member_of(message.sender());
        let live = self.live.as_mut().ok_or(OpenError::Removed)?;
        let processed = match live.group.process_message(&self.provider, message) {
            Ok(processed) => processed,
            // The signature was checked before the commit, so `claimed` is authentic.
            Err(ProcessMessageError::InvalidCommit(StageCommitError::UpdatePathError(_))) => {
                return Err(if encryption::path_is_usable(bytes) {
                    OpenError::Garbled { by: claimed }
                } else {
                    OpenError::Rejected { by: claimed }
                });
            }
            Err(ProcessMessageError::InvalidCommit(error)) => {
                // The confirmation tag is not signed either.
                let by = claimed.filter(|_| error != StageCommitError::ConfirmationTagMismatch);
                return Err(OpenError::Rejected { by });
            }
            Err(_) => return Err(nobody),
        };
        let sender = processed.sender().clone();
        let notice = processed.aad().to_vec();
        match processed.into_content() {
            ProcessedMessageContent::StagedCommitMessage(staged) => {
                let validated = self
                    .commit_context()
                    .validate(&staged, &sender, &notice, bytes)
                    .map_err(|why| match why {
                        RejectedCommit::Forbidden => OpenError::Rejected { by: claimed },
                        RejectedCommit::NewerProgram => OpenError::NewerProgram,
                    })?;
                Ok(Validated::Theirs(staged, Box::new(validated)))
            }
            ProcessedMessageContent::OwnPendingCommit => Ok(Validated::Own),
            _ => Err(OpenError::Rejected { by: claimed }),
        }
    }

    /// Returns the id of a sender that is a member.
    fn member_of(&self, sender: &Sender) -> Option<MemberId> {
        let Sender::Member(index) = sender else {
            return None;
        };
        self.roster.at(*index).map(|(member, _)| member.id)
    }

    /// Derives the keys of the epoch that an accepted commit of another member begins. `None` when
    /// it removes this member.
    fn next_keys(
        &self,
        staged: &StagedCommit,
        validated: &ValidatedCommit,
    ) -> Result<Option<NextKeys>, Fault> {
        if staged.self_removed() {
            return Ok(None);
        }
        let number = self.next_door(validated)?;
        NextKeys::export(staged, &self.provider, &self.address, number).map(Some)
    }

    /// Merges an accepted commit of another member. Every step that outside input could make fail
    /// came before.
    fn merge(
        &mut self,
        staged: StagedCommit,
        validated: ValidatedCommit,
        next: Option<NextKeys>,
    ) -> Result<EpochChange, Fault> {
        let live = self.live.as_mut().ok_or(Fault)?;
        live.group.merge_staged_commit(&self.provider, staged).map_err(|_| Fault)?;
        self.pending = None;
        self.begin_epoch(validated, next)
    }

    /// After a merge: takes over the state of the new epoch and erases that of the old one.
    pub(super) fn begin_epoch(
        &mut self,
        validated: ValidatedCommit,
        next: Option<NextKeys>,
    ) -> Result<EpochChange, Fault> {
        let live = self.live.as_mut().ok_or(Fault)?;
        let settings = validated.settings;
        let roster =
            Roster::read(&live.group, &settings, &self.address, &self.roster).ok_or(Fault)?;
        self.epoch = Epoch::new(live.group.epoch().as_u64());
        let invite_replaced = validated.new_door;
        let removed_me = next.is_none();
        match next {
            Some(next) => {
                live.keys = next.epoch;
                if let Some((invite, door)) = next.door {
                    let old = super::join::psk_id(&self.door, Vec::new());
                    let storage = self.provider.storage();
                    storage.delete_psk(old.psk()).map_err(|_| Fault)?;
                    create::store_psk(&self.provider, &door)?;
                    self.invite = invite;
                    self.door = door;
                }
            }
            None => {
                self.live = None;
                self.provider.storage().clear();
            }
        }
        let before = std::mem::replace(&mut self.roster, roster);
        let settings_changed =
            std::mem::replace(&mut self.settings, settings).differ(&self.settings);
        Ok(EpochChange {
            epoch: self.epoch,
            by: validated.by,
            joined: validated.joined.and_then(|(id, _)| self.member(id).cloned()),
            again: validated.joined.is_some_and(|(_, again)| again),
            departed: departed(&before, validated.departed),
            renamed: self.renamed(&before, validated.by),
            settings_changed,
            invite_replaced,
            removed_me,
        })
    }

    fn renamed(&self, before: &Roster, by: MemberId) -> Option<(Member, Nickname)> {
        let (old, _) = before.by_id(by)?;
        let now = self.member(by)?;
        (old.nickname != now.nickname).then(|| (now.clone(), old.nickname.clone()))
    }
}

fn message_in(bytes: &[u8]) -> Option<MlsMessageBodyIn> {
    MlsMessageIn::tls_deserialize_exact(bytes).map(MlsMessageIn::extract).ok()
}

/// Returns whether a commit's sender matches the entry's kind: a member, or a joining guest.
fn is_sent_as(message: &PublicMessageIn, kind: EntryKind) -> bool {
    match kind {
        EntryKind::Commit => matches!(message.sender(), Sender::Member(_)),
        EntryKind::Join => matches!(message.sender(), Sender::NewMemberCommit),
        EntryKind::Message => false,
    }
}

fn departed(before: &Roster, gone: Vec<(MemberId, Departure)>) -> Vec<(Member, Departure)> {
    gone.into_iter()
        .filter_map(|(id, how)| before.by_id(id).map(|(member, _)| (member.clone(), how)))
        .collect()
}
