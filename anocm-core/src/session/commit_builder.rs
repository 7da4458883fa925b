//! Changes to the room: the commit that each one needs, and the permissions for it.

use openmls::prelude::LeafNodeIndex;

use super::{
    MemberKey,
    error::SessionError,
    group::Session,
    leave::LeaveStatement,
    member::Role,
    rules::{self, CommitNotice},
    settings::{MAX_MODERATORS, Settings},
};
use crate::{name::Nickname, retention::RoomRetention};

/// A change that a member can commit.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Change {
    /// Change one's own nickname.
    Rename(Nickname),
    /// Replace only the keys: recovers from a compromise, and replaces a broken door.
    Refresh,
    /// Remove a member against its will and replace the invite. Owner and moderators. Only the
    /// owner can remove a moderator, which also takes its role. By key: another guest can choose
    /// the id of a member that is gone.
    Remove(MemberKey),
    /// Remove the members that announced their leave. Statements that are invalid, or of a member
    /// not in the room, are skipped.
    CarryOut(Vec<LeaveStatement>),
    /// Make a member a moderator, or a moderator a member. What takes a role away replaces the
    /// invite, and moderators that have left lose theirs with it. Owner only.
    SetRole(MemberKey, Role),
    /// Demote those moderators, and all that are not in the room, and replace the invite. Owner
    /// only.
    StrikeModerators(Vec<MemberKey>),
    /// Change the retention that the room allows, within its policy. Owner only.
    SetRetention(RoomRetention),
    /// Sign the settings with the number of the present door, which a moderator made; or replace
    /// the invite, where settings were signed for this door that name others moderators, and never
    /// took effect. Owner only; `NoSuchMember` where neither is needed.
    RenewSettings,
    /// Replace the invite: the old link no longer works. Owner and moderators.
    ReplaceInvite,
}

/// A change in terms of MLS.
#[derive(Default)]
pub(super) struct CommitPlan {
    pub(super) nickname: Option<Nickname>,
    pub(super) removals: Vec<LeafNodeIndex>,
    pub(super) settings: Option<Settings>,
    pub(super) notice: CommitNotice,
}

impl CommitPlan {
    fn with_new_door() -> Self {
        let notice = CommitNotice { new_door: true, ..CommitNotice::default() };
        Self { notice, ..Self::default() }
    }
}

impl Session {
    pub(super) fn plan_commit(&self, change: Change) -> Result<CommitPlan, SessionError> {
        match change {
            Change::Rename(nickname) => {
                Ok(CommitPlan { nickname: Some(nickname), ..CommitPlan::default() })
            }
            Change::Refresh => Ok(CommitPlan::default()),
            Change::Remove(member) => self.plan_removal(member),
            Change::CarryOut(statements) => self.plan_leaves(statements),
            Change::SetRole(member, role) => self.plan_role(member, role),
            Change::StrikeModerators(keys) => self.plan_strike(&keys),
            Change::SetRetention(retention) => {
                self.plan_settings(CommitPlan::default(), |next| next.retention = retention)
            }
            Change::RenewSettings => self.plan_renewal(),
            Change::ReplaceInvite => match self.role() {
                Role::Owner => self.plan_settings(CommitPlan::with_new_door(), |next| {
                    next.moderators.retain(|key| self.has_key(key));
                }),
                Role::Moderator => Ok(CommitPlan::with_new_door()),
                Role::Member => Err(SessionError::NotAllowed),
            },
        }
    }

    fn plan_removal(&self, member: MemberKey) -> Result<CommitPlan, SessionError> {
        let found = self.roster.by_key(member);
        let (removed, seat) = found.ok_or(SessionError::NoSuchMember)?;
        if member == self.key() || !rules::may_remove(self.role(), removed.role) {
            return Err(SessionError::NotAllowed);
        }
        let plan = CommitPlan { removals: vec![seat.index], ..CommitPlan::with_new_door() };
        if self.role() != Role::Owner {
            return Ok(plan);
        }
        // Otherwise a moderator that kept its key would be a moderator again after rejoining.
        self.plan_settings(plan, |next| {
            next.moderators.retain(|key| *key != member && self.has_key(key));
        })
    }

    fn plan_leaves(&self, statements: Vec<LeaveStatement>) -> Result<CommitPlan, SessionError> {
        let context = self.commit_context();
        let mut plan = CommitPlan::default();
        for statement in statements {
            let Some((member, seat)) = self.roster.by_id(statement.member()) else {
                continue;
            };
            let counts = member.id != self.me()
                && !plan.removals.contains(&seat.index)
                && plan.removals.len() < rules::MAX_LEAVES
                && context.is_valid(&statement, member, seat);
            if counts {
                plan.removals.push(seat.index);
                plan.notice.leaves.push(statement);
            }
        }
        if plan.removals.is_empty() {
            return Err(SessionError::NoSuchMember);
        }
        Ok(plan)
    }

    fn plan_strike(&self, keys: &[MemberKey]) -> Result<CommitPlan, SessionError> {
        let listed = self.settings.moderators.iter().copied();
        let struck: Vec<_> =
            listed.filter(|key| keys.contains(key) || !self.has_key(key)).collect();
        if struck.is_empty() {
            return Err(SessionError::NoSuchMember);
        }
        self.plan_settings(CommitPlan::default(), |next| {
            next.moderators.retain(|key| !struck.contains(key));
        })
    }

    fn plan_renewal(&self) -> Result<CommitPlan, SessionError> {
        if self.role() == Role::Owner && !self.needs_renewal() {
            return Err(SessionError::NoSuchMember);
        }
        let plan = match self.has_granted_others() {
            true => CommitPlan::with_new_door(),
            false => CommitPlan::default(),
        };
        self.plan_settings(plan, |_| {})
    }

    /// Returns whether this owner is to commit [`Change::RenewSettings`].
    pub(crate) fn needs_renewal(&self) -> bool {
        self.role() == Role::Owner
            && (self.settings.door != self.door_number() || self.has_granted_others())
    }

    fn has_granted_others(&self) -> bool {
        self.identity.has_granted_others(self.door_number(), &self.settings)
    }

    fn has_key(&self, key: &MemberKey) -> bool {
        self.roster.by_key(*key).is_some()
    }

    fn plan_role(&self, member: MemberKey, role: Role) -> Result<CommitPlan, SessionError> {
        let (member, _) = self.roster.by_key(member).ok_or(SessionError::NoSuchMember)?;
        if member.role == Role::Owner || role == Role::Owner {
            return Err(SessionError::NotAllowed);
        }
        let mut moderators = self.settings.moderators.clone();
        moderators.retain(|key| *key != member.key);
        if role == Role::Moderator {
            moderators.push(member.key);
            moderators.sort_unstable();
        }
        // Dropping a moderator costs the room its link: not by the way, unless there is no place.
        let is_full = moderators.len() > MAX_MODERATORS;
        if role == Role::Member || is_full {
            moderators.retain(|key| self.has_key(key));
        }
        self.plan_settings(CommitPlan::default(), |next| next.moderators = moderators)
    }

    /// Adds the settings after `change` to a commit, signed, with the next counter and the number
    /// of the door after it. Those that take a role away have a new door.
    fn plan_settings(
        &self,
        mut plan: CommitPlan,
        change: impl FnOnce(&mut Settings),
    ) -> Result<CommitPlan, SessionError> {
        if self.role() != Role::Owner {
            return Err(SessionError::NotAllowed);
        }
        let mut next = self.settings.clone();
        change(&mut next);
        plan.notice.new_door |= self.settings.drops_a_moderator(&next);
        let new_door = plan.notice.new_door;
        let door = self.door_number().checked_add(new_door.into());
        next.door = door.ok_or(SessionError::NotAllowed)?;
        next.counter = next.counter.checked_add(1).ok_or(SessionError::NotAllowed)?;
        next.sign(&self.address, &self.identity)?;
        if !self.settings.may_become(&next, next.door, new_door) {
            return Err(SessionError::NotAllowed);
        }
        plan.settings = Some(next);
        Ok(plan)
    }

    /// Returns this member's role.
    fn role(&self) -> Role {
        self.settings.role(&self.key())
    }
}
