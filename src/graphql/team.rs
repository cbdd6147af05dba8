//! Teams and their members. A [`Team`] can only be made from a [`TeamView`], which proves that the
//! viewer may see it.

use async_graphql::connection::Connection;
use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};

use super::accounts::Accounts;
use super::connection::{TeamRole, connection, page, to_id};
use super::context::ContextExt;
use super::error::ApiError;
use super::invitation::{TeamInvitationConnection, invitations};
use super::user::User;
use crate::domain::id::{MembershipId, UserId};
use crate::domain::operation::UserSession;
use crate::domain::team::{Member, Membership, Page, Slice};
use crate::service::{Services, TeamView};

pub(super) struct Team(TeamView);

impl From<TeamView> for Team {
    fn from(view: TeamView) -> Self {
        Self(view)
    }
}

/// A team as one of its members sees it.
#[Object]
impl Team {
    /// The ID of the team.
    async fn id(&self) -> ID {
        to_id(self.0.team().id)
    }

    /// The name of the team.
    async fn name(&self) -> &str {
        &self.0.team().name
    }

    /// What the team is for.
    async fn description(&self) -> Option<&str> {
        self.0.team().description.as_deref()
    }

    /// When the team was created.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.team().created_at
    }

    /// When the name or description was last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.team().updated_at
    }

    /// The signed-in user's role in the team.
    async fn viewer_role(&self) -> TeamRole {
        self.0.role().into()
    }

    /// The members in the order of joining. A page has 20 items by default and at most 100.
    async fn members(
        &self,
        #[graphql(desc = "The number of items from the beginning, or after `after`.")]
        first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "The number of items from the end, or before `before`.")] last: Option<
            i32,
        >,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Result<TeamMembershipConnection, ApiError> {
        let slice = self.0.members(page(first, after, last, before)?).await?;
        let count = MembershipCount::OfTeam(self.0.clone());
        Ok(connection(slice, count, |member| {
            (
                member.membership.id.into(),
                TeamMembership::new(member, self.0.clone()),
            )
        }))
    }

    /// The pending invitations; null for members who are not admins.
    async fn invitations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The number of items from the beginning, or after `after`.")]
        first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "The number of items from the end, or before `before`.")] last: Option<
            i32,
        >,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Option<Result<TeamInvitationConnection, ApiError>> {
        let admin = self.0.admin()?;
        let invitations = async {
            let page = page(first, after, last, before)?;
            invitations(ctx.operation(), admin, page).await
        };
        Some(invitations.await)
    }
}

pub(super) struct TeamMembership {
    membership: Membership,
    team: Team,
    user: MemberUser,
}

/// The user of a membership: known, or the viewer, who is only loaded when requested.
#[derive(Clone)]
enum MemberUser {
    Known(Box<User>),
    Viewer(UserId, Accounts),
}

impl TeamMembership {
    pub(super) fn new(member: Member, view: TeamView) -> Self {
        Self {
            membership: member.membership,
            team: view.into(),
            user: MemberUser::Known(Box::new(User::of_another(member.user))),
        }
    }
}

/// A user's membership in a team.
#[Object]
impl TeamMembership {
    /// The ID of the membership.
    async fn id(&self) -> ID {
        to_id(self.membership.id)
    }

    /// The team.
    async fn team(&self) -> &Team {
        &self.team
    }

    /// The user.
    async fn user(&self, ctx: &Context<'_>) -> Result<User, ApiError> {
        match &self.user {
            MemberUser::Known(user) => Ok(user.as_ref().clone()),
            MemberUser::Viewer(id, own) => {
                let account = own.get(ctx.services(), *id).await?;
                account.map(User::own).ok_or(ApiError::Gone)
            }
        }
    }

    /// The role of the user in the team.
    async fn role(&self) -> TeamRole {
        self.membership.role.into()
    }

    /// When the user joined the team.
    async fn joined_at(&self) -> DateTime<Utc> {
        self.membership.joined_at
    }
}

/// A page of memberships.
pub(super) type TeamMembershipConnection = Connection<String, TeamMembership, MembershipCount>;

/// How many memberships there are on all pages.
pub(super) enum MembershipCount {
    OfTeam(TeamView),
    OfUser(UserId),
}

/// How many memberships there are on all pages.
#[Object]
impl MembershipCount {
    /// The number of memberships on all pages. Counted only if it is requested.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<u64, ApiError> {
        Ok(match self {
            Self::OfTeam(view) => view.count_members().await?,
            Self::OfUser(id) => ctx.services().count_teams(*id).await?,
        })
    }
}

/// A page of the teams of the signed-in user.
pub(super) async fn teams_of_viewer(
    ctx: &Context<'_>,
    page: Page<MembershipId>,
) -> Result<TeamMembershipConnection, ApiError> {
    let (services, operation) = ctx.parts();
    let user_id = operation.user()?.user_id;
    let slice = services.teams(operation, page).await?;
    let user = MemberUser::Viewer(user_id, Accounts::of([user_id]));
    Ok(teams_of(user_id, &user, slice))
}

/// A page of the teams of a user, for this user or a superuser.
pub(super) async fn teams_of_user(
    services: &Services,
    (id, user): (UserId, User),
    viewer: Option<UserSession>,
    page: Page<MembershipId>,
) -> Result<TeamMembershipConnection, ApiError> {
    let slice = services.teams_of(id, viewer, page).await?;
    Ok(teams_of(id, &MemberUser::Known(Box::new(user)), slice))
}

fn teams_of(
    id: UserId,
    user: &MemberUser,
    slice: Slice<(Membership, TeamView)>,
) -> TeamMembershipConnection {
    connection(slice, MembershipCount::OfUser(id), |(membership, view)| {
        let user = user.clone();
        let id = membership.id.into();
        let team = view.into();
        (
            id,
            TeamMembership {
                membership,
                team,
                user,
            },
        )
    })
}
