//! Teams and their members. A [`Team`] can only be made from a [`TeamView`], which proves that the
//! viewer may see it.

use async_graphql::connection::Connection;
use async_graphql::{Context, ID, Object, Result};

use super::connection::{TeamRole, TotalCount, connection, page};
use super::context::ContextExt;
use super::error::BadUserInput;
use super::invitation::{TeamInvitationConnection, invitations};
use super::user::{User, Users};
use crate::domain::clock::Timestamp;
use crate::domain::id::{MembershipId, UserId};
use crate::domain::team::{Member, Membership, Page};
use crate::service::TeamView;

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
        self.0.team.id.into()
    }

    /// The name of the team.
    async fn name(&self) -> &str {
        &self.0.team.name
    }

    /// What the team is for.
    async fn description(&self) -> Option<&str> {
        self.0.team.description.as_deref()
    }

    /// When the team was created.
    async fn created_at(&self) -> Timestamp {
        self.0.team.created_at
    }

    /// When the name or description was last changed.
    async fn updated_at(&self) -> Timestamp {
        self.0.team.updated_at
    }

    /// The signed-in user's role in the team.
    async fn viewer_role(&self) -> TeamRole {
        self.0.role.into()
    }

    /// The members in the order of joining. A page has 20 items by default and at most 100.
    async fn members(
        &self,
        #[graphql(desc = "The number of items from the start.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "The number of items from the end.")] last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Result<TeamMembershipConnection> {
        let slice = self.0.members(page(first, after, last, before)?).await?;
        let count = TotalCount::Members(self.0.clone());
        let users = Users::loaded(slice.items.iter().map(|member| member.user.clone()), false);
        Ok(connection(slice, count, |Member { membership, .. }| {
            let (team, users) = (self.0.clone().into(), users.clone());
            let node = TeamMembership {
                membership,
                team,
                users,
            };
            (membership.id.into(), node)
        }))
    }

    /// The pending invitations; null for members who are not admins.
    async fn invitations(
        &self,
        #[graphql(desc = "The number of items from the start.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "The number of items from the end.")] last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Option<Result<TeamInvitationConnection>> {
        let admin = self.0.admin()?;
        let invitations = async {
            let page = page(first, after, last, before)?;
            invitations(admin, page).await
        };
        Some(invitations.await)
    }
}

pub(super) struct TeamMembership {
    membership: Membership,
    team: Team,
    /// The user, and those of the other memberships of the page.
    users: Users,
}

impl From<(Member, TeamView)> for TeamMembership {
    fn from((member, view): (Member, TeamView)) -> Self {
        Self {
            membership: member.membership,
            team: view.into(),
            users: Users::loaded([member.user], false),
        }
    }
}

/// A user's membership in a team.
#[Object]
impl TeamMembership {
    /// The ID of the membership.
    async fn id(&self) -> ID {
        self.membership.id.into()
    }

    /// The team.
    async fn team(&self) -> &Team {
        &self.team
    }

    /// The user.
    async fn user(&self, ctx: &Context<'_>) -> Result<User> {
        let user = self.users.get(ctx, self.membership.user_id).await?;
        Ok(user.ok_or(BadUserInput("This no longer exists."))?)
    }

    /// The role of the user in the team.
    async fn role(&self) -> TeamRole {
        self.membership.role.into()
    }

    /// When the user joined the team.
    async fn joined_at(&self) -> Timestamp {
        self.membership.joined_at
    }
}

/// A page of memberships.
pub(super) type TeamMembershipConnection = Connection<String, TeamMembership, TotalCount>;

/// A page of the teams of a user.
pub(super) async fn teams_of(
    ctx: &Context<'_>,
    id: UserId,
    users: Users,
    page: Page<MembershipId>,
) -> Result<TeamMembershipConnection> {
    let slice = ctx.caller().teams_of(id, page).await?;
    let count = TotalCount::Teams(id);
    Ok(connection(slice, count, |(membership, view)| {
        let (team, users) = (view.into(), users.clone());
        let node = TeamMembership {
            membership,
            team,
            users,
        };
        (membership.id.into(), node)
    }))
}
