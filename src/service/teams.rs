//! Teams. The only way to a team is a value that shows what the caller may do: [`TeamView`] for a
//! member, [`TeamAdmin`] for an admin.

use std::ops::Deref;

use super::{Caller, Failure, Reason, ServiceError, Services};
use crate::db::{DbError, Tx, invitations, teams};
use crate::domain::id::{InvitationId, MembershipId, TeamId, UserId};
use crate::domain::team::{Invitation, Member, Membership, Page, Role, Slice, Team, TeamInfo};
use crate::telemetry::event;

/// A team as one of its members sees it.
#[derive(Clone)]
pub struct TeamView {
    pub team: Team,
    /// What the viewer may do. A superuser counts as an admin of every team.
    pub role: Role,
    pub(super) viewer: UserId,
    pub(super) caller: Caller,
}

/// A team that the viewer may change.
pub struct TeamAdmin(pub(super) TeamView);

impl Deref for TeamAdmin {
    type Target = TeamView;

    fn deref(&self) -> &TeamView {
        &self.0
    }
}

impl Caller {
    /// A team of the signed-in user. `None` for any other ID.
    pub async fn team(&self, id: &str) -> Result<Option<TeamView>, Failure> {
        let user_id = self.user()?.user_id;
        let Ok(id) = id.parse::<TeamId>() else {
            return Ok(None);
        };
        let membership = teams::membership(&self.0.db, id, user_id).await?;
        let role = membership.map(|membership| membership.role);
        let role = role.or(self.is_superuser().then_some(Role::Admin));
        let team = teams::find(&self.0.db, id).await?;
        let found = role.zip(team);
        Ok(found.map(|(role, team)| self.view(team, role, user_id)))
    }

    /// A team for one of its admins. [`Reason::NotFound`] for users who are not members,
    /// [`Reason::NotTeamAdmin`] for the other members.
    pub async fn team_as_admin(&self, id: &str) -> Result<TeamAdmin, Failure> {
        let view = self.team_as_member(id).await?;
        view.admin().ok_or_else(|| Reason::NotTeamAdmin.into())
    }

    pub(super) async fn team_as_member(&self, id: &str) -> Result<TeamView, Failure> {
        let view = self.team(id).await?;
        view.ok_or_else(|| Reason::NotFound.at("teamId").into())
    }

    /// Creates a team whose first admin is the signed-in user.
    pub async fn create_team(
        &self,
        name: &str,
        description: Option<&str>,
    ) -> Result<TeamView, Failure> {
        let user_id = self.user()?.user_id;
        let team = self.new_team(TeamInfo::parse(name, description)?);
        let membership = self.new_membership(team.id, user_id, Role::Admin);
        let tx = self.0.db.begin().await?;
        teams::insert(&tx, &team).await?;
        match teams::add_member(&tx, &membership).await {
            // The user has just been deleted.
            Err(DbError::ForeignKeyViolation(_)) => return Err(Reason::AccountNotFound.into()),
            added => added?,
        }
        tx.commit().await?;
        self.emit(event::TeamCreated {
            user_id,
            team_id: team.id,
        });
        Ok(self.view(team, Role::Admin, user_id))
    }

    /// The teams of a user in the order of joining, as a superuser sees them or else as this user
    /// does.
    pub async fn teams_of(
        &self,
        user: UserId,
        page: Page<MembershipId>,
    ) -> Result<Slice<(Membership, TeamView)>, ServiceError> {
        let superuser = self.session().filter(|session| session.is_superuser);
        let viewer = superuser.map_or(user, |session| session.user_id);
        let slice = teams::of_user(&self.0.db, user, page).await?;
        Ok(slice.map(|(membership, team)| (membership, self.view(team, membership.role, viewer))))
    }

    /// A team for a viewer who has `role` in it: the signed-in user, or one who has just
    /// authenticated.
    pub(super) fn view(&self, team: Team, role: Role, viewer: UserId) -> TeamView {
        let role = if self.is_superuser() {
            Role::Admin
        } else {
            role
        };
        TeamView {
            team,
            role,
            viewer,
            caller: self.clone(),
        }
    }
}

impl Services {
    pub async fn count_teams(&self, user: UserId) -> Result<u64, ServiceError> {
        Ok(teams::count_of_user(&self.0.db, user).await?)
    }

    pub(super) fn new_team(&self, TeamInfo { name, description }: TeamInfo) -> Team {
        let now = self.now();
        Team {
            id: self.new_id(),
            name,
            description,
            created_at: now,
            updated_at: now,
        }
    }

    pub(super) fn new_membership(
        &self,
        team_id: TeamId,
        user_id: UserId,
        role: Role,
    ) -> Membership {
        Membership {
            id: self.new_id(),
            team_id,
            user_id,
            role,
            joined_at: self.now(),
        }
    }
}

impl TeamView {
    /// In the order of joining.
    pub async fn members(&self, page: Page<MembershipId>) -> Result<Slice<Member>, ServiceError> {
        Ok(teams::members(&self.caller.0.db, self.team.id, page).await?)
    }

    pub async fn count_members(&self) -> Result<u64, ServiceError> {
        Ok(teams::count_members(&self.caller.0.db, self.team.id).await?)
    }

    /// The same team for an admin; `None` for any other member.
    pub fn admin(&self) -> Option<TeamAdmin> {
        (self.role == Role::Admin).then(|| TeamAdmin(self.clone()))
    }
}

impl TeamAdmin {
    /// Begins a transaction and locks the team. Fails if the viewer is no longer an admin.
    pub(super) async fn begin(&self) -> Result<(Tx, Team), Failure> {
        let tx = self.caller.0.db.begin().await?;
        let Some(team) = teams::lock(&tx, self.team.id).await? else {
            return Err(Reason::NotFound.at("teamId").into());
        };
        let membership = teams::membership(&tx, team.id, self.viewer).await?;
        let is_admin = membership.is_some_and(|membership| membership.role == Role::Admin);
        if is_admin || self.caller.is_superuser() {
            Ok((tx, team))
        } else {
            Err(Reason::NotTeamAdmin.into())
        }
    }

    /// Changes the name, the description or both. An empty description clears it.
    pub async fn update(
        self,
        name: Option<&str>,
        description: Option<&str>,
    ) -> Result<TeamView, Failure> {
        let (tx, team) = self.begin().await?;
        let TeamInfo { name, description } = TeamInfo::parse(
            name.unwrap_or(&team.name),
            description.or(team.description.as_deref()),
        )?;
        let team = Team {
            name,
            description,
            updated_at: self.caller.now(),
            ..team
        };
        teams::update(&tx, &team).await?;
        tx.commit().await?;
        self.caller.emit(event::TeamUpdated {
            user_id: self.viewer,
            team_id: team.id,
        });
        Ok(TeamView { team, ..self.0 })
    }

    /// Deletes the team with its memberships and invitations, and cancels the mails about them.
    pub async fn delete(self) -> Result<TeamId, Failure> {
        let team_id = self.team.id;
        let (tx, _) = self.begin().await?;
        delete(&tx, team_id).await?;
        tx.commit().await?;
        self.caller.emit(event::TeamDeleted {
            user_id: self.viewer,
            team_id,
        });
        Ok(team_id)
    }

    /// The pending invitations, oldest first.
    pub async fn invitations(
        &self,
        page: Page<InvitationId>,
    ) -> Result<Slice<Invitation>, ServiceError> {
        let (db, now) = (&self.caller.0.db, self.caller.now());
        Ok(invitations::open_of_team(db, self.team.id, now, page).await?)
    }

    pub async fn count_invitations(&self) -> Result<u64, ServiceError> {
        let (db, now) = (&self.caller.0.db, self.caller.now());
        Ok(invitations::count_open(db, self.team.id, now).await?)
    }
}

/// Deletes a locked team.
pub(super) async fn delete(tx: &Tx, team: TeamId) -> Result<(), Failure> {
    invitations::cancel_mails_of_team(tx, team).await?;
    Ok(teams::delete(tx, team).await?)
}
