//! The content that a member sends: messages, whispers, leave statements.

use rand_core::CryptoRng;
use tls_codec::Serialize as _;

use super::{
    content::{Content, Envelope, Whisper},
    error::{Fault, SessionError},
    group::Session,
    leave::LeaveStatement,
    seal::{self, SealKind},
    whisper::{self, WhisperContext},
};
use crate::{
    id::MemberId,
    retention::Retention,
    wire::{Entry, EntryKind},
};

/// The authenticated data of a message: its retention in milliseconds, u32 BE.
pub(super) fn aad(retention: Retention) -> Vec<u8> {
    retention.as_millis().to_be_bytes().to_vec()
}

impl Session {
    /// Seals a message for the current epoch. If the epoch ends before the entry is appended, the
    /// message must be sealed again.
    ///
    /// # Errors
    /// `TooLong` for content beyond its limit, `NotAllowed` for a retention above the room's
    /// largest and for content that cannot be sent, `Removed`.
    pub fn seal(
        &mut self,
        envelope: &Envelope,
        retention: Retention,
        rng: &mut dyn CryptoRng,
    ) -> Result<Entry, SessionError> {
        let place = self.seal_context(SealKind::Message, retention);
        let live = self.live.as_mut().ok_or(SessionError::Removed)?;
        if retention > self.settings.retention.max() {
            return Err(SessionError::NotAllowed);
        }
        let content = envelope.encode()?;
        // The retention is signed, so that no member can send the message again with a longer one.
        live.group.set_aad(aad(retention));
        let message = live
            .group
            .create_message(&self.provider, &self.identity, &content)
            .map_err(|_| Fault)?
            .tls_serialize_detached()
            .map_err(|_| Fault)?;
        let sealed = seal::seal(&live.keys.envelope, &place, &message, rng).ok_or(Fault)?;
        Ok(Entry { kind: EntryKind::Message, epoch: self.epoch, retention, sealed })
    }

    /// Seals content that only one member can read, to be sent as the content of an envelope in
    /// the current epoch.
    ///
    /// # Errors
    /// `NoSuchMember`; `TooLong` above [`MAX_WHISPER`](super::MAX_WHISPER); `NotAllowed` for
    /// content that cannot be whispered, and when the recipient is the sender; `Removed`.
    pub fn whisper(
        &self,
        to: MemberId,
        content: &Content,
        rng: &mut dyn CryptoRng,
    ) -> Result<Content, SessionError> {
        let (_, seat) = self.roster.by_id(to).ok_or(SessionError::NoSuchMember)?;
        if self.live.is_none() {
            return Err(SessionError::Removed);
        }
        if to == self.me() {
            return Err(SessionError::NotAllowed);
        }
        let context = self.whisper_context(self.me(), to, seat.whisper);
        whisper::seal(&context, content, rng).map(Content::Whisper)
    }

    /// Opens a whisper from a message of the current epoch. `None` when it is for another member.
    #[must_use]
    pub fn read_whisper(&self, from: MemberId, whisper: &Whisper) -> Option<Content> {
        let context = self.whisper_context(from, self.me(), self.identity.whisper_key());
        whisper::open(&context, whisper, self.identity.whisper())
    }

    /// Returns this member's signed leave statement, to be sent to the other members.
    ///
    /// # Errors
    /// `Removed`.
    pub fn leave_statement(&self) -> Result<LeaveStatement, SessionError> {
        if self.live.is_none() {
            return Err(SessionError::Removed);
        }
        let (_, seat) = self.roster.by_key(self.key()).ok_or(SessionError::Removed)?;
        Ok(LeaveStatement::sign(&self.address, &self.identity, seat.stay)?)
    }

    /// Returns whether it is a valid leave statement of a member's present stay.
    pub(crate) fn accepts_leave(&self, statement: &LeaveStatement) -> bool {
        let found = self.roster.by_id(statement.member());
        found.is_some_and(|(member, seat)| self.commit_context().is_valid(statement, member, seat))
    }

    fn whisper_context(
        &self,
        sender: MemberId,
        recipient: MemberId,
        key: [u8; 32],
    ) -> WhisperContext {
        WhisperContext { address: self.address, epoch: self.epoch, sender, recipient, key }
    }
}
