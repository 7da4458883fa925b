//! Changing the room: what a change means for the group, and who may make it.

use openmls::prelude::LeafNodeIndex;

use super::{
    error::SessionError,
    group::Session,
    leave::LeaveStatement,
    member::{MAX_MODERATORS, MemberKey, Role, Settings},
    rules::{self, CommitNotice},
};
use crate::{id::MemberId, name::Nickname, retention::RoomRetention};

/// What a member can change.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Change {
    /// Be called something else.
    Rename(Nickname),
    /// Nothing but the keys: heals a compromise, and repairs the door.
    Refresh,
    /// Remove a member against their will and replace the invite. Owner and moderators; of a
    /// moderator the owner only, who thereby takes the role as well.
    Remove(MemberId),
    /// Remove those who said that they leave. Statements that are not valid, or of nobody in the
    /// room, are passed over.
    CarryOut(Vec<LeaveStatement>),
    /// Name the moderators: members, or who was one already. Owner only.
    SetModerators(Vec<MemberKey>),
    /// Change what the room allows, within its policy. Owner only.
    SetRetention(RoomRetention),
    /// Replace the invite: the old link no longer works. Owner and moderators.
    ReplaceInvite,
}

/// A change as MLS has to carry it out.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) nickname: Option<Nickname>,
    pub(super) removals: Vec<LeafNodeIndex>,
    pub(super) settings: Option<Settings>,
    pub(super) notice: CommitNotice,
}

impl Session {
    pub(super) fn plan(&self, change: Change) -> Result<Plan, SessionError> {
        match change {
            Change::Rename(nickname) => Ok(Plan { nickname: Some(nickname), ..Plan::default() }),
            Change::Refresh => Ok(Plan::default()),
            Change::Remove(member) => self.plan_removal(member),
            Change::CarryOut(statements) => self.plan_leaves(statements),
            Change::SetModerators(keys) => self.plan_moderators(keys),
            Change::SetRetention(retention) => {
                self.plan_settings(Settings { retention, ..self.settings.clone() })
            }
            Change::ReplaceInvite if self.role() == Role::Member => Err(SessionError::NotAllowed),
            Change::ReplaceInvite => Ok(Plan {
                notice: CommitNotice { new_door: true, ..CommitNotice::default() },
                ..Plan::default()
            }),
        }
    }

    fn plan_removal(&self, member: MemberId) -> Result<Plan, SessionError> {
        let found = self.roster.by_id(member);
        let (removed, seat) = found.ok_or(SessionError::NoSuchMember)?;
        if member == self.me() || !rules::may_remove(self.role(), removed.role) {
            return Err(SessionError::NotAllowed);
        }
        // Else a moderator who kept the key would be one again on coming back.
        let settings = (removed.role == Role::Moderator).then(|| {
            let mut settings = self.settings.clone();
            settings.moderators.retain(|key| *key != removed.key);
            settings
        });
        Ok(Plan {
            removals: vec![seat.index],
            settings,
            notice: CommitNotice { new_door: true, ..CommitNotice::default() },
            ..Plan::default()
        })
    }

    fn plan_leaves(&self, statements: Vec<LeaveStatement>) -> Result<Plan, SessionError> {
        let bench = self.bench();
        let mut plan = Plan::default();
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
            }
        }
        if plan.removals.is_empty() {
            return Err(SessionError::NoSuchMember);
        }
        Ok(plan)
    }

    fn plan_moderators(&self, mut keys: Vec<MemberKey>) -> Result<Plan, SessionError> {
        keys.sort_unstable();
        keys.dedup();
        if keys.len() > MAX_MODERATORS {
            return Err(SessionError::NotAllowed);
        }
        // A moderator who left without a word keeps the role; that must not stop anything.
        let is_known = |key: &MemberKey| {
            self.settings.moderators.contains(key)
                || self.members().iter().any(|member| member.key == *key)
        };
        if !keys.iter().all(is_known) {
            return Err(SessionError::NoSuchMember);
        }
        self.plan_settings(Settings { moderators: keys, ..self.settings.clone() })
    }

    fn plan_settings(&self, settings: Settings) -> Result<Plan, SessionError> {
        if self.role() != Role::Owner || !self.settings.may_become(&settings) {
            return Err(SessionError::NotAllowed);
        }
        Ok(Plan { settings: Some(settings), ..Plan::default() })
    }

    /// What this member may do.
    fn role(&self) -> Role {
        self.settings.role(&self.identity.key())
    }
}
