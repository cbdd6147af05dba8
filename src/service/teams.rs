//! Teams. What somebody may do to one is a value they hold: [`TeamView`] for a member,
//! [`TeamAdmin`] for an admin, nothing for anyone else. There is no other way to a team.

use super::{Caller, Failure, Reason, ServiceError, Services};
use crate::db::{DbError, Executor, Tx, invitations, teams};
use crate::domain::id::{InvitationId, MembershipId, TeamId, UserId};
use crate::domain::operation::UserSession;
use crate::domain::team::{Invitation, Member, Membership, Page, Role, Slice, Team, TeamInfo};
use crate::telemetry::event;

/// A team as one of its members may see it.
#[derive(Clone)]
pub struct TeamView {
    caller: Caller,
    team: Team,
    viewer: UserId,
    role: Role,
    is_superuser: bool,
}

/// A team as one of its admins may change it. A superuser counts as an admin of every team.
pub struct TeamAdmin {
    view: TeamView,
}

impl Caller {
    /// A team, for whoever is in it; the same `None` for a team of others and for one that never
    /// was.
    pub async fn team(&self, id: &str) -> Result<Option<TeamView>, Failure> {
        let actor = self.user()?;
        let Ok(id) = id.parse::<TeamId>() else {
            return Ok(None);
        };
        let role = self.role_in(&self.0.db, actor, id).await?;
        let team = teams::find(&self.0.db, id).await?;
        Ok(role
            .zip(team)
            .map(|(role, team)| self.view(team, role, actor)))
    }

    /// A team for one of its admins; [`Reason::NotFound`] for whoever is not in it, and
    /// [`Reason::NotTeamAdmin`] for its other members.
    pub async fn team_as_admin(&self, id: &str) -> Result<TeamAdmin, Failure> {
        let view = self.team_as_member(id).await?;
        view.admin().ok_or_else(|| Reason::NotTeamAdmin.into())
    }

    pub(super) async fn team_as_member(&self, id: &str) -> Result<TeamView, Failure> {
        let view = self.team(id).await?;
        view.ok_or_else(|| Reason::NotFound.at("teamId").into())
    }

    /// Makes a team whose first admin is the signed-in account.
    pub async fn create_team(
        &self,
        name: &str,
        description: Option<&str>,
    ) -> Result<TeamView, Failure> {
        let actor = self.user()?;
        let TeamInfo { name, description } = TeamInfo::parse(name, description)?;
        let now = self.now();
        let team = Team {
            id: self.new_id(),
            name,
            description,
            created_at: now,
            updated_at: now,
        };
        let membership = self.new_membership(team.id, actor.user_id, Role::Admin);
        let tx = self.0.db.begin().await?;
        teams::insert(&tx, &team).await?;
        match teams::add_member(&tx, &membership).await {
            // The account was erased in this moment.
            Err(DbError::ForeignKeyViolation(_)) => return Err(Reason::AccountNotFound.into()),
            added => added?,
        }
        tx.commit().await?;
        self.emit(event::TeamCreated {
            user_id: actor.user_id,
            team_id: team.id,
        });
        Ok(self.view(team, Role::Admin, actor))
    }

    /// The teams of an account, as it or a superuser sees them; without a session, as it sees
    /// them itself.
    pub async fn teams_of(
        &self,
        account: UserId,
        viewer: Option<UserSession>,
        page: Page<MembershipId>,
    ) -> Result<Slice<(Membership, TeamView)>, ServiceError> {
        let slice = teams::of_user(&self.0.db, account, page).await?;
        Ok(slice.map(|(membership, team)| {
            let view = match viewer {
                Some(actor) => self.view(team, membership.role, actor),
                None => self.view_of_joined(team, membership),
            };
            (membership, view)
        }))
    }

    pub(super) fn view(&self, team: Team, role: Role, actor: UserSession) -> TeamView {
        let UserSession {
            user_id: viewer,
            is_superuser,
            ..
        } = actor;
        let role = if is_superuser { Role::Admin } else { role };
        TeamView {
            caller: self.clone(),
            team,
            viewer,
            role,
            is_superuser,
        }
    }

    /// What an account that just joined may see, without a session.
    pub(super) fn view_of_joined(&self, team: Team, membership: Membership) -> TeamView {
        TeamView {
            caller: self.clone(),
            team,
            viewer: membership.user_id,
            role: membership.role,
            is_superuser: false,
        }
    }
}

impl Services {
    /// How many teams an account is in.
    pub async fn count_teams(&self, account: UserId) -> Result<u64, ServiceError> {
        Ok(teams::count_of_user(&self.0.db, account).await?)
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

    async fn role_in(
        &self,
        db: &impl Executor,
        actor: UserSession,
        team: TeamId,
    ) -> Result<Option<Role>, ServiceError> {
        let membership = teams::membership(db, team, actor.user_id).await?;
        let role = membership.map(|membership| membership.role);
        Ok(if actor.is_superuser {
            Some(Role::Admin)
        } else {
            role
        })
    }
}

impl TeamView {
    /// The team.
    pub fn team(&self) -> &Team {
        &self.team
    }

    /// What the viewer may do here.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The members, in the order of joining.
    pub async fn members(&self, page: Page<MembershipId>) -> Result<Slice<Member>, ServiceError> {
        Ok(teams::members(&self.caller.0.db, self.team.id, page).await?)
    }

    /// How many members there are.
    pub async fn count_members(&self) -> Result<u64, ServiceError> {
        Ok(teams::count_members(&self.caller.0.db, self.team.id).await?)
    }

    /// The team as it may be seen once `user` has another role in it.
    pub(super) fn after_role_change(self, user: UserId, role: Role) -> Self {
        let is_viewer = user == self.viewer && !self.is_superuser;
        Self {
            role: if is_viewer { role } else { self.role },
            ..self
        }
    }

    /// The same team for an admin; `None` for any other member.
    pub fn admin(&self) -> Option<TeamAdmin> {
        (self.role == Role::Admin).then(|| TeamAdmin { view: self.clone() })
    }
}

impl TeamAdmin {
    pub(super) fn caller(&self) -> &Caller {
        &self.view.caller
    }

    pub(super) fn team(&self) -> &Team {
        &self.view.team
    }

    /// The team as it may be seen.
    pub(super) fn view(&self) -> TeamView {
        self.view.clone()
    }

    /// The admin.
    pub(super) fn actor_id(&self) -> UserId {
        self.view.viewer
    }

    /// A transaction that holds the team, as it is then, against other changes, begun by whoever
    /// is still an admin.
    pub(super) async fn begin(&self) -> Result<(Tx, Team), Failure> {
        let tx = self.caller().0.db.begin().await?;
        let Some(team) = teams::lock(&tx, self.team().id).await? else {
            return Err(Reason::NotFound.at("teamId").into());
        };
        let membership = teams::membership(&tx, self.team().id, self.actor_id()).await?;
        let is_admin = membership.is_some_and(|membership| membership.role == Role::Admin);
        if is_admin || self.view.is_superuser {
            Ok((tx, team))
        } else {
            Err(Reason::NotTeamAdmin.into())
        }
    }

    /// Changes name or description; what is `None` stays, and an empty description empties it.
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
            updated_at: self.caller().now(),
            ..team
        };
        teams::update(&tx, &team).await?;
        tx.commit().await?;
        self.caller().emit(event::TeamUpdated {
            user_id: self.actor_id(),
            team_id: self.team().id,
        });
        Ok(TeamView { team, ..self.view })
    }

    /// Deletes the team, with its memberships and invitations, and cancels the mails about them.
    pub async fn delete(self) -> Result<TeamId, Failure> {
        let id = self.team().id;
        let (tx, _) = self.begin().await?;
        delete(&tx, id).await?;
        tx.commit().await?;
        self.caller().emit(event::TeamDeleted {
            user_id: self.actor_id(),
            team_id: id,
        });
        Ok(id)
    }

    /// The open invitations, the oldest first.
    pub async fn invitations(
        &self,
        page: Page<InvitationId>,
    ) -> Result<Slice<Invitation>, ServiceError> {
        let caller = self.caller();
        let (db, now) = (&caller.0.db, caller.now());
        Ok(invitations::open_of_team(db, self.team().id, now, page).await?)
    }

    /// How many open invitations there are.
    pub async fn count_invitations(&self) -> Result<u64, ServiceError> {
        let caller = self.caller();
        Ok(invitations::count_open(&caller.0.db, self.team().id, caller.now()).await?)
    }
}

/// Deletes a locked team.
pub(super) async fn delete(tx: &Tx, team: TeamId) -> Result<(), Failure> {
    invitations::cancel_mails_of_team(tx, team).await?;
    teams::delete(tx, team).await?;
    Ok(())
}
