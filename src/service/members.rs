//! Who is in a team: roles, removal and leaving. A team with members always has an admin.

use super::teams::{TeamAdmin, TeamView, delete};
use super::{Caller, Failure, Reason, Services};
use crate::db::{Tx, codes, teams, users};
use crate::domain::id::{TeamId, UserId};
use crate::domain::team::{Member, Membership, Role};
use crate::domain::user::User;
use crate::telemetry::event;

impl Caller {
    /// Takes the signed-in account out of a team. The last member takes the team along.
    pub async fn leave_team(&self, id: &str) -> Result<TeamId, Failure> {
        let actor = self.user()?;
        let id = self.team_as_member(id).await?.team().id;
        let tx = self.0.db.begin().await?;
        teams::lock(&tx, id).await?;
        let membership = teams::membership(&tx, id, actor.user_id).await?;
        let Some(membership) = membership else {
            return Err(Reason::NotFound.at("teamId").into());
        };
        remove(&tx, membership).await?;
        tx.commit().await?;
        self.emit(event::TeamMemberRemoved {
            user_id: actor.user_id,
            team_id: id,
            reason: "left",
        });
        Ok(id)
    }
}

impl Services {
    /// Begins the erasure of an account: it is out of the teams it administers, and its codes are
    /// gone. [`Reason::LastAdmin`] if a team would be left without an admin.
    pub(super) async fn begin_erasure(&self, user: &User) -> Result<Tx, Failure> {
        loop {
            let tx = self.0.db.begin().await?;
            // Teams, then codes, then the account, as whoever lets it in does.
            let locked = teams::lock_all_of_user(&tx, user.id).await?;
            codes::erase_of_user(&tx, user.id, &user.email).await?;
            users::lock(&tx, user.id).await?;
            let memberships = teams::all_of_user(&tx, user.id).await?;
            if !memberships.iter().all(|of| locked.contains(&of.team_id)) {
                // It joined another one meanwhile.
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
    /// Lets a member do more or less. [`Reason::LastAdmin`] if nobody could change the team then.
    pub async fn change_role(self, user: &str, role: Role) -> Result<(Member, TeamView), Failure> {
        let id = self.team().id;
        let (tx, _) = self.begin().await?;
        let member = match user.parse() {
            Ok(user) => teams::member(&tx, id, user).await?,
            Err(_) => None,
        };
        let Some(mut member) = member else {
            return Err(Reason::NotFound.at("userId").into());
        };
        let loses_admin = member.membership.role == Role::Admin && role == Role::Member;
        if loses_admin && teams::count_admins(&tx, id).await? == 1 {
            return Err(Reason::LastAdmin.into());
        }
        teams::set_role(&tx, id, member.user.id, role).await?;
        tx.commit().await?;
        self.caller().emit(event::TeamRoleChanged {
            user_id: member.user.id,
            team_id: id,
            reason: role.into(),
        });
        member.membership.role = role;
        let view = self.view().after_role_change(member.user.id, role);
        Ok((member, view))
    }

    /// Takes a member out. [`Reason::LastAdmin`] if nobody could change the team then.
    pub async fn remove_member(self, user: &str) -> Result<UserId, Failure> {
        let id = self.team().id;
        let (tx, _) = self.begin().await?;
        let membership = match user.parse() {
            Ok(user) => teams::membership(&tx, id, user).await?,
            Err(_) => None,
        };
        let Some(membership) = membership else {
            return Err(Reason::NotFound.at("userId").into());
        };
        remove(&tx, membership).await?;
        tx.commit().await?;
        self.caller().emit(event::TeamMemberRemoved {
            user_id: membership.user_id,
            team_id: id,
            reason: "removed",
        });
        Ok(membership.user_id)
    }
}

/// Takes a member out of a locked team, unless others would be left without an admin. A team that
/// nobody is left in is deleted.
async fn remove(tx: &Tx, membership: Membership) -> Result<(), Failure> {
    let team = membership.team_id;
    if teams::count_members(tx, team).await? == 1 {
        return delete(tx, team).await;
    }
    if membership.role == Role::Admin && teams::count_admins(tx, team).await? == 1 {
        return Err(Reason::LastAdmin.into());
    }
    teams::remove_member(tx, team, membership.user_id).await?;
    Ok(())
}
