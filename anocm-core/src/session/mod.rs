//! One guest's end-to-end state in one room: keys, epoch, roster. No I/O, no clock, no tasks.
//!
//! A [`Session`] turns a guest's actions into sealed [entries](crate::wire::Entry) and opens those
//! of other members. **It never talks to the relay**: the caller appends the entries it makes, and
//! feeds it the room's log in order.
//!
//! ```text
//!  create ──► Genesis ───────► relay          seal ────► Entry ─────────► relay
//!  join ────► CommitBundle ──► relay          propose ─► CommitBundle ──► relay
//!                                                └─ in the log: accept; superseded: discard
//!  log ─────► open ──► Message, or Epoch (a member's commit or a join: the next epoch)
//! ```
//!
//! The group is MLS (RFC 9420) by OpenMLS, ciphersuite 0x0003. Every entry belongs to the epoch
//! that is current at its place in the log, so the keys of an epoch are erased as soon as it ends.
//! The rules for accepting commits are in one module, and all members decide alike.
//!
//! **Not part of what this crate promises**: public for its tests, benchmarks and fuzz targets, and
//! changed without notice. What a front end needs of it, [`room`](crate::room) exports.

mod card;
mod commit;
mod commit_builder;
mod content;
mod create;
mod door;
mod encryption;
mod error;
#[cfg(feature = "__fuzz")]
pub(crate) mod fuzz;
mod group;
mod identity;
mod join;
mod keys;
mod leaf;
mod leave;
mod member;
mod messages;
mod more;
mod open;
mod provider;
mod roster;
mod rules;
mod safety;
mod seal;
mod settings;
mod signature;
mod text;
mod whisper;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::hostile;

pub use crate::id::MemberKey;
pub use commit::CommitBundle;
pub use commit_builder::Change;
pub(crate) use content::MAX_CUSTOM_KIND;
pub use content::{Content, Envelope, MAX_CONTENT, Whisper};
pub use error::{JoinError, OpenError, SessionError};
pub use group::Session;
pub use identity::Identity;
pub(crate) use join::door_context;
pub use join::{Joiner, NotJoined};
pub use keys::door_token;
pub(crate) use keys::first_invite;
pub use leave::LeaveStatement;
pub use member::{Member, Role};
pub use open::{Departure, EpochChange, Opened, StagedJoin};
pub(crate) use rules::MAX_LEAVES;
pub use safety::SafetyCode;
pub use settings::{MAX_MODERATORS, Settings};
pub use text::MessageText;
pub use whisper::MAX_WHISPER;
