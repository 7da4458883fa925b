//! Changes to the room: the commit that each one needs, and the permissions for it.

use openmls::prelude::LeafNodeIndex;

use super::{
    MemberKey,
    error::SessionError,
    group::Session,
    leave::LeaveStatement,
    member::{MAX_MODERATORS, Role, Settings},
    rules::{self, CommitNotice},
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
    /// Remove the members that announced their leave. When the owner does so, a leaving moderator
    /// also loses its role. Statements that are invalid, or of a member not in the room, are
    /// skipped.
    CarryOut(Vec<LeaveStatement>),
    /// Make a member a moderator, or a moderator a member. Members that have left are removed from
    /// the list of moderators at the same time. Owner only.
    SetRole(MemberKey, Role),
    /// Demote those moderators, and all that are not in the room. Owner only.
    StrikeModerators(Vec<MemberKey>),
    /// Change the retention that the room allows, within its policy. Owner only.
    SetRetention(RoomRetention),
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
                self.plan_settings(Settings { retention, ..self.settings.clone() })
            }
            Change::ReplaceInvite if self.role() == Role::Member => Err(SessionError::NotAllowed),
            Change::ReplaceInvite => Ok(CommitPlan {
                notice: CommitNotice { new_door: true, ..CommitNotice::default() },
                ..CommitPlan::default()
            }),
        }
    }

    fn plan_removal(&self, member: MemberKey) -> Result<CommitPlan, SessionError> {
        let found = self.roster.by_key(member);
        let (removed, seat) = found.ok_or(SessionError::NoSuchMember)?;
        if member == self.key() || !rules::may_remove(self.role(), removed.role) {
            return Err(SessionError::NotAllowed);
        }
        // Otherwise a moderator that kept its key would be a moderator again after rejoining.
        let settings =
            (removed.role == Role::Moderator).then(|| self.without_moderators(&[removed.key]));
        Ok(CommitPlan {
            removals: vec![seat.index],
            settings,
            notice: CommitNotice { new_door: true, ..CommitNotice::default() },
            ..CommitPlan::default()
        })
    }

    fn plan_leaves(&self, statements: Vec<LeaveStatement>) -> Result<CommitPlan, SessionError> {
        let bench = self.commit_context();
        let (mut plan, mut moderators) = (CommitPlan::default(), Vec::new());
        for statement in statements {
            let Some((member, seat)) = self.roster.by_id(statement.member()) else {
                continue;
            };
            let counts = member.id != self.me()
                && !plan.removals.contains(&seat.index)
                && plan.removals.len() < rules::MAX_LEAVES
                && bench.is_valid(&statement, member);
            if counts {
                plan.removals.push(seat.index);
                plan.notice.leaves.push(statement);
                moderators.extend((member.role == Role::Moderator).then_some(member.key));
            }
        }
        if plan.removals.is_empty() {
            return Err(SessionError::NoSuchMember);
        }
        if self.role() == Role::Owner && !moderators.is_empty() {
            plan.settings = Some(self.without_moderators(&moderators));
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
        self.plan_settings(self.without_moderators(&struck))
    }

    fn without_moderators(&self, struck: &[MemberKey]) -> Settings {
        let mut settings = self.settings.clone();
        settings.moderators.retain(|key| !struck.contains(key));
        settings
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
        moderators.retain(|key| *key != member.key && self.has_key(key));
        if role == Role::Moderator {
            moderators.push(member.key);
        }
        moderators.sort_unstable();
        if moderators.len() > MAX_MODERATORS {
            return Err(SessionError::NotAllowed);
        }
        self.plan_settings(Settings { moderators, ..self.settings.clone() })
    }

    fn plan_settings(&self, settings: Settings) -> Result<CommitPlan, SessionError> {
        if self.role() != Role::Owner || !self.settings.may_become(&settings) {
            return Err(SessionError::NotAllowed);
        }
        Ok(CommitPlan { settings: Some(settings), ..CommitPlan::default() })
    }

    /// Returns this member's role.
    fn role(&self) -> Role {
        self.settings.role(&self.key())
    }
}
