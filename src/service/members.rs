//! The members of a team: roles, removing and leaving. A team always has an admin.

use super::teams::{TeamAdmin, TeamView, delete};
use super::{Caller, Failure, Reason, Services};
use crate::db::{Tx, codes, teams, users};
use crate::domain::id::{TeamId, UserId};
use crate::domain::team::{Member, Membership, Role};
use crate::domain::user::User;
use crate::telemetry::event;

impl Caller {
    /// Removes the signed-in user from a team. The team is deleted when its last member leaves.
    pub async fn leave_team(&self, id: &str) -> Result<TeamId, Failure> {
        let user_id = self.user()?.user_id;
        let team_id = self.team_as_member(id).await?.team.id;
        let tx = self.0.db.begin().await?;
        teams::lock(&tx, team_id).await?;
        let Some(membership) = teams::membership(&tx, team_id, user_id).await? else {
            return Err(Reason::NotFound.at("teamId").into());
        };
        remove(&tx, membership).await?;
        tx.commit().await?;
        self.emit(event::TeamMemberRemoved {
            user_id,
            team_id,
            reason: "left",
        });
        Ok(team_id)
    }
}

impl Services {
    /// Begins to delete a user: removes them from the teams of which they are an admin, and deletes
    /// their codes. [`Reason::LastAdmin`] if another team would be left without an admin.
    pub(super) async fn begin_erasure(&self, user: &User) -> Result<Tx, Failure> {
        loop {
            let tx = self.0.db.begin().await?;
            let locked = teams::lock_all_of_user(&tx, user.id).await?;
            codes::erase_of_user(&tx, user.id, &user.email).await?;
            users::lock(&tx, user.id).await?;
            let memberships = teams::all_of_user(&tx, user.id).await?;
            if !memberships.iter().all(|of| locked.contains(&of.team_id)) {
                // The user has joined another team in the meantime.
                continue;
            }
            for membership in memberships {
                if membership.role == Role::Admin {
                    remove(&tx, membership).await?;
                }
            }
            return Ok(tx);
        }
    }
}

impl TeamAdmin {
    /// [`Reason::LastAdmin`] if the team would be left without an admin.
    pub async fn change_role(self, user: &str, role: Role) -> Result<(Member, TeamView), Failure> {
        let team_id = self.team.id;
        let (tx, _) = self.begin().await?;
        let mut member = member(&tx, team_id, user).await?;
        let user_id = member.user.id;
        let loses_admin = member.membership.role == Role::Admin && role == Role::Member;
        if loses_admin && teams::count_admins(&tx, team_id).await? == 1 {
            return Err(Reason::LastAdmin.into());
        }
        teams::set_role(&tx, team_id, user_id, role).await?;
        tx.commit().await?;
        self.caller.emit(event::TeamRoleChanged {
            user_id,
            team_id,
            reason: role.into(),
        });
        member.membership.role = role;
        let viewer_role = if user_id == self.viewer {
            role
        } else {
            self.role
        };
        let view = self
            .caller
            .view(self.team.clone(), viewer_role, self.viewer);
        Ok((member, view))
    }

    /// [`Reason::LastAdmin`] if the team would be left without an admin.
    pub async fn remove_member(self, user: &str) -> Result<UserId, Failure> {
        let team_id = self.team.id;
        let (tx, _) = self.begin().await?;
        let Member { membership, user } = member(&tx, team_id, user).await?;
        remove(&tx, membership).await?;
        tx.commit().await?;
        self.caller.emit(event::TeamMemberRemoved {
            user_id: user.id,
            team_id,
            reason: "removed",
        });
        Ok(user.id)
    }
}

async fn member(tx: &Tx, team: TeamId, user: &str) -> Result<Member, Failure> {
    let member = match user.parse() {
        Ok(user) => teams::member(tx, team, user).await?,
        Err(_) => None,
    };
    member.ok_or_else(|| Reason::NotFound.at("userId").into())
}

/// Removes a member from a locked team, unless others would be left without an admin. A team without
/// members is deleted.
async fn remove(tx: &Tx, membership: Membership) -> Result<(), Failure> {
    let team = membership.team_id;
    if teams::count_members(tx, team).await? == 1 {
        return delete(tx, team).await;
    }
    if membership.role == Role::Admin && teams::count_admins(tx, team).await? == 1 {
        return Err(Reason::LastAdmin.into());
    }
    Ok(teams::remove_member(tx, team, membership.user_id).await?)
}
