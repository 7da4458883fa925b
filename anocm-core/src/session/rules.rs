//! Which commits and joins the members of a room accept.
//!
//! The rules depend only on the tree, the group context and the commit, never on what one member
//! happened to receive. Otherwise members would decide differently and the group would fork.

use openmls::{
    prelude::{
        LeafNodeIndex, PreSharedKeyProposal, Proposal, ProposalOrRefType, Sender, StagedCommit,
    },
    schedule::{PreSharedKeyId, Psk},
};
use openmls_traits::crypto::OpenMlsCrypto;
use serde::{Deserialize, Serialize};
use tls_codec::{Deserialize as _, Serialize as _};

use super::{
    card::Admission,
    encryption,
    keys::DoorKeys,
    leaf::{self, Leaf},
    leave::LeaveStatement,
    member::{Member, Role},
    open::Departure,
    roster::{Roster, Seat},
    settings::Settings,
};
use crate::{
    id::{MemberId, RoomAddress},
    wire,
};

/// The most leave statements that one commit can carry.
pub(crate) const MAX_LEAVES: usize = 64;
/// The most members of a room. A commit fits a sealed entry whatever the state of the tree: each
/// node that its path is encrypted to takes 82 bytes. In the worst case, where one of every two
/// neighbouring leaves is gone and all parent nodes are blank, there are half as many nodes as
/// there ever were members; the longest settings are beside them. The group information of a full
/// room fits the door.
pub(super) const MAX_MEMBERS: usize = 1_300;
const MAX_NOTICE: usize = MAX_LEAVES * 96 + 16;

/// The authenticated data of a commit, beside its proposals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CommitNotice {
    /// The statements of the members that are removed because they leave.
    pub(super) leaves: Vec<LeaveStatement>,
    /// Whether the epoch it begins has a new invite secret.
    pub(super) new_door: bool,
}

impl CommitNotice {
    /// Reads a notice. `None` unless it is canonically encoded, and of valid length.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let notice: Self = wire::decode(bytes, MAX_NOTICE).ok()?;
        let valid = notice.leaves.len() <= MAX_LEAVES && *wire::encode(&notice) == *bytes;
        valid.then_some(notice)
    }
}

/// The effect of an accepted commit or join.
#[derive(Debug)]
pub(super) struct ValidatedCommit {
    /// The committer; for a join, the member that joins.
    pub(super) by: MemberId,
    /// The member that joins, and whether it was a member before.
    pub(super) joined: Option<(MemberId, bool)>,
    pub(super) departed: Vec<(MemberId, Departure)>,
    pub(super) new_door: bool,
    /// The settings of the epoch it begins.
    pub(super) settings: Settings,
}

/// Why a commit or join is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RejectedCommit {
    /// No member accepts it.
    Forbidden,
    /// Its settings have rules that this version does not know; members of a later one accept it.
    NewerProgram,
}

/// The state of the current epoch, against which a commit is validated.
pub(super) struct CommitContext<'a, C> {
    pub(super) crypto: &'a C,
    pub(super) address: &'a RoomAddress,
    pub(super) settings: &'a Settings,
    pub(super) roster: &'a Roster,
    pub(super) door: &'a DoorKeys,
    pub(super) door_number: u32,
}

impl<C: OpenMlsCrypto> CommitContext<'_, C> {
    /// Validates a commit or join before it is merged. `commit` is the MLSMessage that contains it.
    pub(super) fn validate(
        &self,
        staged: &StagedCommit,
        sender: &Sender,
        notice: &[u8],
        commit: &[u8],
    ) -> Result<ValidatedCommit, RejectedCommit> {
        let path = staged.update_path_leaf_node().ok_or(RejectedCommit::Forbidden)?;
        let leaf = leaf::read_leaf(path).ok_or(RejectedCommit::Forbidden)?;
        if !encryption::path_is_usable(commit) {
            return Err(RejectedCommit::Forbidden);
        }
        let settings = leaf::read_settings(staged.group_context().extensions())
            .ok_or(RejectedCommit::Forbidden)?;
        let by_value = staged
            .queued_proposals()
            .all(|queued| queued.proposal_or_ref_type() == ProposalOrRefType::Proposal);
        if !by_value {
            return Err(RejectedCommit::Forbidden);
        }
        match sender {
            Sender::NewMemberCommit if notice.is_empty() => self.join(staged, &leaf, settings),
            Sender::Member(index) => {
                let (committer, seat) = self.roster.at(*index).ok_or(RejectedCommit::Forbidden)?;
                if leaf.id != committer.id
                    || leaf.key != committer.key
                    || leaf.whisper != seat.whisper
                    || leaf.admission != seat.admission
                {
                    return Err(RejectedCommit::Forbidden);
                }
                let notice = CommitNotice::read(notice).ok_or(RejectedCommit::Forbidden)?;
                self.commit(staged, committer, &notice, settings)
            }
            _ => Err(RejectedCommit::Forbidden),
        }
    }

    /// Validates a join: external init, the door's PSK, and at most the removal of the joining
    /// member's own old leaf.
    fn join(
        &self,
        staged: &StagedCommit,
        leaf: &Leaf,
        settings: Settings,
    ) -> Result<ValidatedCommit, RejectedCommit> {
        let (mut inits, mut psks, mut replaced) = (0, 0, None);
        for queued in staged.queued_proposals() {
            match queued.proposal() {
                Proposal::ExternalInit(_) => inits += 1,
                Proposal::PreSharedKey(_) => psks += 1,
                Proposal::Remove(remove) if replaced.is_none() => {
                    replaced = Some(remove.removed());
                }
                _ => return Err(RejectedCommit::Forbidden),
            }
        }
        let psk_is_ours = staged.psk_proposals().all(|queued| {
            let Some(Psk::External(psk)) = psk_of(queued.psk_proposal()) else {
                return false;
            };
            psk.psk_id() == self.door.psk_id.expose()
        });
        if inits != 1 || psks != 1 || !psk_is_ours || settings != *self.settings {
            return Err(RejectedCommit::Forbidden);
        }
        let old = replaced
            .map(|index| self.roster.at(index).ok_or(RejectedCommit::Forbidden))
            .transpose()?;
        let admitted = match old {
            Some((old, seat)) => is_return(leaf, old, seat),
            // Passes and tickets are not issued yet.
            None => leaf.admission == Admission::None,
        };
        if !admitted {
            return Err(RejectedCommit::Forbidden);
        }
        let taken = self
            .roster
            .members()
            .iter()
            .filter(|member| old.is_none_or(|(old, _)| old.id != member.id))
            .any(|member| member.id == leaf.id || member.key == leaf.key);
        let full = old.is_none() && self.roster.members().len() >= MAX_MEMBERS;
        if taken || full {
            return Err(RejectedCommit::Forbidden);
        }
        Ok(ValidatedCommit {
            by: leaf.id,
            joined: Some((leaf.id, old.is_some())),
            departed: Vec::new(),
            new_door: false,
            settings,
        })
    }

    /// Validates a member's commit: removals and settings, nothing else.
    fn commit(
        &self,
        staged: &StagedCommit,
        committer: &Member,
        notice: &CommitNotice,
        settings: Settings,
    ) -> Result<ValidatedCommit, RejectedCommit> {
        let (mut departed, mut sets) = (Vec::new(), false);
        for queued in staged.queued_proposals() {
            match queued.proposal() {
                Proposal::Remove(remove) => {
                    departed.push(self.removal(committer, remove.removed(), notice)?);
                }
                Proposal::GroupContextExtensions(_) if committer.role == Role::Owner => sets = true,
                _ => return Err(RejectedCommit::Forbidden),
            }
        }
        let forced = departed.iter().any(|(_, how)| matches!(how, Departure::Removed { .. }));
        let may_replace = committer.role != Role::Member;
        // Each statement belongs to a removed member, and none is there twice.
        let left = departed.iter().filter(|(_, how)| *how == Departure::Left);
        if (forced && !notice.new_door)
            || (notice.new_door && (!may_replace || self.door_number == u32::MAX))
            || notice.leaves.len() != left.count()
            || !self.settings_follow(committer, sets, notice.new_door, &settings)
        {
            return Err(RejectedCommit::Forbidden);
        }
        // Only now: only the owner can make members of an earlier version leave.
        if settings.need_newer_program() {
            return Err(RejectedCommit::NewerProgram);
        }
        Ok(ValidatedCommit {
            by: committer.id,
            joined: None,
            departed,
            new_door: notice.new_door,
            settings,
        })
    }

    /// Returns whether a commit may leave these settings. Only the owner changes and signs them,
    /// and with each new door that it makes; a moderator's new door leaves them as they are.
    fn settings_follow(
        &self,
        committer: &Member,
        sets: bool,
        new_door: bool,
        next: &Settings,
    ) -> bool {
        if !sets {
            return *next == *self.settings && !(new_door && committer.role == Role::Owner);
        }
        let door = self.door_number.saturating_add(new_door.into());
        self.settings.may_become(next, door, new_door) && next.are_signed(self.address, self.crypto)
    }

    fn removal(
        &self,
        committer: &Member,
        removed: LeafNodeIndex,
        notice: &CommitNotice,
    ) -> Result<(MemberId, Departure), RejectedCommit> {
        let (member, seat) = self.roster.at(removed).ok_or(RejectedCommit::Forbidden)?;
        if member.id == committer.id {
            return Err(RejectedCommit::Forbidden);
        }
        let statement = notice.leaves.iter().find(|statement| statement.member() == member.id);
        if let Some(statement) = statement {
            return if self.is_valid(statement, member, seat) {
                Ok((member.id, Departure::Left))
            } else {
                Err(RejectedCommit::Forbidden)
            };
        }
        if may_remove(committer.role, member.role) {
            Ok((member.id, Departure::Removed { by: committer.id }))
        } else {
            Err(RejectedCommit::Forbidden)
        }
    }

    /// Returns whether it is `member`'s own leave statement for this room and its present stay.
    pub(super) fn is_valid(
        &self,
        statement: &LeaveStatement,
        member: &Member,
        seat: &Seat,
    ) -> bool {
        statement.is_by(self.crypto, self.address, member.id, member.key, seat.stay)
    }
}

/// Returns the PSK that a proposal names. The type exposes it only through its encoding, which is
/// that of the id alone (RFC 9420, section 12.1.4).
fn psk_of(proposal: &PreSharedKeyProposal) -> Option<Psk> {
    let bytes = proposal.tls_serialize_detached().ok()?;
    let id = PreSharedKeyId::tls_deserialize_exact(bytes).ok()?;
    Some(id.psk().clone())
}

/// Returns whether a join that removes the leaf of `old` is that member's return: the same identity
/// and admission in a new stay.
pub(super) fn is_return(leaf: &Leaf, old: &Member, seat: &Seat) -> bool {
    leaf.id == old.id
        && leaf.key == old.key
        && leaf.whisper == seat.whisper
        && leaf.admission == seat.admission
        && leaf.stay != seat.stay
}

/// Returns whether a member of one role may remove a member of another.
pub(super) fn may_remove(committer: Role, removed: Role) -> bool {
    match committer {
        Role::Owner => true,
        Role::Moderator => removed == Role::Member,
        Role::Member => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_holds_so_many_statements_and_no_more() {
        let statement: LeaveStatement = postcard::from_bytes(&[0; 80]).unwrap();
        for (count, valid) in [(MAX_LEAVES, true), (MAX_LEAVES + 1, false)] {
            let notice = CommitNotice { leaves: vec![statement.clone(); count], new_door: false };
            assert_eq!(CommitNotice::read(&wire::encode(&notice)).is_some(), valid);
        }
    }
}
