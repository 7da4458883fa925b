//! Opening what stands in the log.

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
    rules::ValidatedCommit,
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
    /// Removed by a member who may do that.
    Removed {
        /// By whom.
        by: MemberId,
    },
}

/// What an entry was.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the protocol knows these two")]
pub enum Opened {
    /// A message of the current epoch.
    Message {
        /// Who signed it.
        sender: MemberId,
        /// What they wrapped.
        envelope: Envelope,
    },
    /// A commit or join; the session is in the next epoch.
    Applied(EpochChange),
}

/// What a commit or join changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EpochChange {
    /// The epoch that has begun.
    pub epoch: Epoch,
    /// Who made it; of a join, the newcomer.
    pub by: MemberId,
    /// The newcomer.
    pub joined: Option<Member>,
    /// Whether the newcomer replaced their own old leaf: the same member, back again.
    pub again: bool,
    /// Who is no longer in the room, as they were, and how that came.
    pub departed: Vec<(Member, Departure)>,
    /// Who is called something else, and the old name.
    pub renamed: Option<(Member, Nickname)>,
    /// Whether the settings changed.
    pub settings_changed: bool,
    /// Whether the invite was replaced: see [`Session::invite_secret`].
    pub invite_replaced: bool,
    /// Whether this member is no longer in the room: the session is over.
    pub removed_me: bool,
}

/// A lawful join of somebody else that is not followed yet: the session is still in the epoch before
/// it, with that epoch's keys. Wiped on drop.
pub struct StagedJoin {
    commit: Box<StagedCommit>,
    verdict: ValidatedCommit,
    /// `None` when the join takes this very member's place.
    next: Option<NextKeys>,
    before: Epoch,
}

impl StagedJoin {
    /// The epoch that it begins.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.before.next()
    }

    /// What proves the membership of that epoch to the relay. `None` when the join takes this very
    /// member's place.
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
enum Judged {
    Theirs(Box<StagedCommit>, ValidatedCommit),
    Own,
}

impl Session {
    /// Opens the entry at the next place of the log. Commits and joins of others are checked
    /// against the room's rules and applied at once; an own commit that waits is accepted, as by
    /// [`accept`](Self::accept), and one that was beaten is forgotten. The guest's own messages
    /// do not open: they are recognised by their [digest](Entry::digest).
    ///
    /// # Errors
    /// [`OpenError`]. The session goes on in its epoch. What was tampered with outside of the room
    /// uses no key up: the same entry untampered still opens.
    pub fn open(&mut self, entry: &Entry) -> Result<Opened, OpenError> {
        let bytes = self.unseal(entry)?;
        if entry.kind == EntryKind::Message {
            self.open_message(message_in(&bytes), entry.retention)
        } else {
            self.open_commit(&bytes, entry).map(Opened::Applied)
        }
    }

    /// Checks a join of somebody else against the room's rules, and derives what the epoch that it
    /// begins is proven with, without following it: the keys of this epoch are kept, so that the
    /// room can go on in it if the relay does not admit its members to the next.
    ///
    /// # Errors
    /// [`OpenError`], as of [`open`](Self::open).
    pub fn stage_join(&mut self, entry: &Entry) -> Result<StagedJoin, OpenError> {
        if entry.kind != EntryKind::Join {
            return Err(OpenError::Forbidden { by: None });
        }
        let bytes = self.unseal(entry)?;
        match self.judge_commit(&bytes, entry)? {
            Judged::Theirs(commit, verdict) => {
                let next = self.next_keys(&commit, &verdict)?;
                Ok(StagedJoin { commit, verdict, next, before: self.epoch })
            }
            Judged::Own => Err(OpenError::Forbidden { by: None }),
        }
    }

    /// Follows a join that was staged in this epoch.
    ///
    /// # Errors
    /// `Internal`, also when the session has moved on since.
    pub fn merge_join(&mut self, join: StagedJoin) -> Result<EpochChange, OpenError> {
        if join.before != self.epoch {
            return Err(OpenError::Internal);
        }
        Ok(self.merge(*join.commit, join.verdict, join.next)?)
    }

    /// Whether this member would accept the commit or join. Changes nothing.
    pub(super) fn would_accept(&mut self, entry: &Entry) -> bool {
        self.unseal(entry).is_ok_and(|bytes| self.judge_commit(&bytes, entry).is_ok())
    }

    /// Takes the seal off. Nothing behind a lawful seal can be from outside of the room.
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
        // Before any key is used, so that what does not come from a member uses none up.
        let Some(MlsMessageBodyIn::PrivateMessage(message)) = message else {
            return Err(OpenError::Spoilt);
        };
        if retention > self.settings.retention.max() {
            return Err(OpenError::Spoilt);
        }
        let live = self.live.as_mut().ok_or(OpenError::Removed)?;
        let processed =
            live.group.process_message(&self.provider, message).map_err(|_| OpenError::Spoilt)?;
        let &Sender::Member(index) = processed.sender() else {
            return Err(OpenError::Spoilt);
        };
        if processed.aad() != messages::aad(retention) {
            return Err(OpenError::Spoilt);
        }
        let ProcessedMessageContent::ApplicationMessage(message) = processed.into_content() else {
            return Err(OpenError::Spoilt);
        };
        let bytes = Zeroizing::new(message.into_bytes());
        let envelope = Envelope::decode(&bytes).map_err(|_| OpenError::Spoilt)?;
        let (sender, _) = self.roster.at(index).ok_or(OpenError::Spoilt)?;
        if let Content::Leaving(statement) = &envelope.content
            && !self.commit_context().is_valid(statement, sender)
        {
            return Err(OpenError::Spoilt);
        }
        Ok(Opened::Message { sender: sender.id, envelope })
    }

    fn open_commit(&mut self, bytes: &[u8], entry: &Entry) -> Result<EpochChange, OpenError> {
        match self.judge_commit(bytes, entry)? {
            Judged::Theirs(staged, verdict) => {
                let next = self.next_keys(&staged, &verdict)?;
                Ok(self.merge(*staged, verdict, next)?)
            }
            Judged::Own => self.accept().map_err(|_| OpenError::Internal),
        }
    }

    /// Decides about a commit or join, without following it.
    fn judge_commit(&mut self, bytes: &[u8], entry: &Entry) -> Result<Judged, OpenError> {
        let nobody = OpenError::Forbidden { by: None };
        let Some(MlsMessageBodyIn::PublicMessage(message)) = message_in(bytes) else {
            return Err(nobody);
        };
        if message.content_type() != ContentType::Commit || !is_sent_as(&message, entry.kind) {
            return Err(nobody);
        }
        // Not signed: any member may have sealed somebody else's commit again.
        if entry.retention != self.settings.policy.handshakes {
            return Err(nobody);
        }
        let claimed = self.member_of(message.sender());
        let live = self.live.as_mut().ok_or(OpenError::Removed)?;
        let processed = match live.group.process_message(&self.provider, message) {
            Ok(processed) => processed,
            // The signature was checked before the commit was.
            Err(ProcessMessageError::InvalidCommit(StageCommitError::UpdatePathError(_))) => {
                return Err(if encryption::path_is_usable(bytes) {
                    OpenError::Garbled { by: claimed }
                } else {
                    OpenError::Forbidden { by: claimed }
                });
            }
            Err(ProcessMessageError::InvalidCommit(error)) => {
                // Nor is the confirmation tag signed.
                let by = claimed.filter(|_| error != StageCommitError::ConfirmationTagMismatch);
                return Err(OpenError::Forbidden { by });
            }
            Err(_) => return Err(nobody),
        };
        let sender = processed.sender().clone();
        let notice = processed.aad().to_vec();
        match processed.into_content() {
            ProcessedMessageContent::StagedCommitMessage(staged) => {
                let verdict = self
                    .commit_context()
                    .validate(&staged, &sender, &notice, bytes)
                    .map_err(|_| OpenError::Forbidden { by: claimed })?;
                Ok(Judged::Theirs(staged, verdict))
            }
            ProcessedMessageContent::OwnPendingCommit => Ok(Judged::Own),
            _ => Err(OpenError::Forbidden { by: claimed }),
        }
    }

    /// Who sends as a member.
    fn member_of(&self, sender: &Sender) -> Option<MemberId> {
        let Sender::Member(index) = sender else {
            return None;
        };
        self.roster.at(*index).map(|(member, _)| member.id)
    }

    /// The keys of the epoch that an accepted commit of somebody else begins; `None` when it removes
    /// this member.
    fn next_keys(
        &self,
        staged: &StagedCommit,
        verdict: &ValidatedCommit,
    ) -> Result<Option<NextKeys>, Fault> {
        if staged.self_removed() {
            return Ok(None);
        }
        NextKeys::export(staged, &self.provider, &self.address, verdict.new_door).map(Some)
    }

    /// Merges an accepted commit of somebody else. All that outsiders could make fail came before.
    fn merge(
        &mut self,
        staged: StagedCommit,
        verdict: ValidatedCommit,
        next: Option<NextKeys>,
    ) -> Result<EpochChange, Fault> {
        let live = self.live.as_mut().ok_or(Fault)?;
        live.group.merge_staged_commit(&self.provider, staged).map_err(|_| Fault)?;
        self.pending = None;
        self.begin_epoch(verdict, next)
    }

    /// After a merge: takes over what the new epoch holds and erases what belonged to the old.
    pub(super) fn begin_epoch(
        &mut self,
        verdict: ValidatedCommit,
        next: Option<NextKeys>,
    ) -> Result<EpochChange, Fault> {
        let live = self.live.as_mut().ok_or(Fault)?;
        let settings = verdict.settings;
        let roster =
            Roster::read(&live.group, &settings, &self.address, &self.roster).ok_or(Fault)?;
        self.epoch = Epoch::new(live.group.epoch().as_u64());
        let invite_replaced = verdict.new_door;
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
        let settings_changed = std::mem::replace(&mut self.settings, settings) != self.settings;
        Ok(EpochChange {
            epoch: self.epoch,
            by: verdict.by,
            joined: verdict.joined.and_then(|(id, _)| self.member(id).cloned()),
            again: verdict.joined.is_some_and(|(_, again)| again),
            departed: departed(&before, verdict.departed),
            renamed: self.renamed(&before, verdict.by),
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

/// Whether a commit comes from whom the entry's kind says: a member, or a newcomer.
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
