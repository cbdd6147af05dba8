//! Teams and who is in them. A [`Team`] can only be made of the view that its viewer holds.

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::accounts::Accounts;
use super::connection::{PageArguments, PageInfo, TeamRole, cursor, to_id};
use super::context::ContextExt;
use super::error::ApiError;
use super::invitation::TeamInvitationConnection;
use super::user::User;
use crate::domain::id::UserId;
use crate::domain::operation::{OperationContext, UserSession};
use crate::domain::team::{Member, Membership, Slice};
use crate::service::{Services, TeamView};

/// A team, as one of its members sees it.
#[derive(Clone)]
pub(super) struct Team(TeamView);

impl From<TeamView> for Team {
    fn from(view: TeamView) -> Self {
        Self(view)
    }
}

/// A team, as one of its members sees it.
#[Object]
impl Team {
    /// The team's identifier.
    async fn id(&self) -> ID {
        to_id(self.0.team().id)
    }

    /// What it is called.
    async fn name(&self) -> &str {
        &self.0.team().name
    }

    /// What it is for.
    async fn description(&self) -> Option<&str> {
        self.0.team().description.as_deref()
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.team().created_at
    }

    /// When its name or description was last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.team().updated_at
    }

    /// The signed-in user's role here.
    async fn viewer_role(&self) -> TeamRole {
        self.0.role().into()
    }

    /// The members, in the order of joining; pages have 20 items unless asked for, at most 100.
    async fn members(
        &self,
        #[graphql(desc = "So many from the beginning, or after `after`.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "So many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<TeamMembershipConnection, ApiError> {
        let page = PageArguments {
            first,
            after,
            last,
            before,
        }
        .page()?;
        let slice = self.0.members(page).await?;
        Ok(TeamMembershipConnection::of_team(slice, &self.0))
    }

    /// Open invitations; admins only, null for any other member.
    async fn invitations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "So many from the beginning, or after `after`.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "So many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Option<Result<TeamInvitationConnection, ApiError>> {
        let admin = self.0.admin()?;
        let arguments = PageArguments {
            first,
            after,
            last,
            before,
        };
        Some(TeamInvitationConnection::of(ctx.operation(), admin, arguments).await)
    }
}

/// That an account is in a team.
#[derive(Clone)]
pub(super) struct TeamMembership {
    membership: Membership,
    team: Team,
    user: MemberUser,
}

/// The account of a membership: known, or the viewer's own, which is looked up when asked for.
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

    fn id(&self) -> Uuid {
        self.membership.id.into()
    }
}

/// That an account is in a team.
#[Object]
impl TeamMembership {
    /// The membership's identifier.
    #[graphql(name = "id")]
    async fn opaque_id(&self) -> ID {
        to_id(self.membership.id)
    }

    /// The team.
    async fn team(&self) -> &Team {
        &self.team
    }

    /// The account.
    async fn user(&self, ctx: &Context<'_>) -> Result<User, ApiError> {
        match &self.user {
            MemberUser::Known(user) => Ok(user.as_ref().clone()),
            MemberUser::Viewer(id, own) => {
                let services = ctx.data_unchecked::<Services>();
                let account = own.get(services, *id).await?;
                account.map(User::own).ok_or(ApiError::Gone)
            }
        }
    }

    /// What it may do there.
    async fn role(&self) -> TeamRole {
        self.membership.role.into()
    }

    /// Since when.
    async fn joined_at(&self) -> DateTime<Utc> {
        self.membership.joined_at
    }
}

/// A membership and its place in a list.
#[derive(SimpleObject)]
pub(super) struct TeamMembershipEdge {
    /// Its place in the list.
    cursor: String,
    /// The membership.
    node: TeamMembership,
}

/// A page of memberships.
pub(super) struct TeamMembershipConnection {
    slice: Slice<TeamMembership>,
    of: ListOf,
}

/// Which list a page is of.
enum ListOf {
    Team(TeamView),
    Account(UserId),
}

impl TeamMembershipConnection {
    fn of_team(slice: Slice<Member>, view: &TeamView) -> Self {
        let Slice {
            items,
            has_previous,
            has_next,
        } = slice;
        let items = items
            .into_iter()
            .map(|member| TeamMembership::new(member, view.clone()))
            .collect();
        Self {
            slice: Slice {
                items,
                has_previous,
                has_next,
            },
            of: ListOf::Team(view.clone()),
        }
    }

    /// A page of the teams of the signed-in account.
    pub(super) async fn of_viewer(
        services: &Services,
        ctx: &OperationContext,
        arguments: PageArguments,
    ) -> Result<Self, ApiError> {
        let user_id = ctx.user()?.user_id;
        let slice = services.teams(ctx, arguments.page()?).await?;
        let user = MemberUser::Viewer(user_id, Accounts::of([user_id]));
        Ok(Self::of_account(user_id, &user, slice))
    }

    /// A page of the teams of a known account, for its own eyes or a superuser's.
    pub(super) async fn of_user(
        services: &Services,
        (id, user): (UserId, User),
        viewer: Option<UserSession>,
        arguments: PageArguments,
    ) -> Result<Self, ApiError> {
        let slice = services.teams_of(id, viewer, arguments.page()?).await?;
        Ok(Self::of_account(
            id,
            &MemberUser::Known(Box::new(user)),
            slice,
        ))
    }

    fn of_account(id: UserId, user: &MemberUser, slice: Slice<(Membership, TeamView)>) -> Self {
        let Slice {
            items,
            has_previous,
            has_next,
        } = slice;
        let items = items
            .into_iter()
            .map(|(membership, view)| TeamMembership {
                membership,
                team: view.into(),
                user: user.clone(),
            })
            .collect();
        Self {
            slice: Slice {
                items,
                has_previous,
                has_next,
            },
            of: ListOf::Account(id),
        }
    }
}

/// A page of memberships.
#[Object]
impl TeamMembershipConnection {
    /// The memberships with their places in the list.
    async fn edges(&self) -> Vec<TeamMembershipEdge> {
        let edge = |node: &TeamMembership| TeamMembershipEdge {
            cursor: cursor(node.id()),
            node: node.clone(),
        };
        self.slice.items.iter().map(edge).collect()
    }

    /// The memberships.
    async fn nodes(&self) -> &[TeamMembership] {
        &self.slice.items
    }

    /// Where the page lies in the list.
    async fn page_info(&self) -> PageInfo {
        PageInfo::of(&self.slice, TeamMembership::id)
    }

    /// How many there are in the whole list; counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<u64, ApiError> {
        Ok(match &self.of {
            ListOf::Team(view) => view.count_members().await?,
            ListOf::Account(id) => ctx.data_unchecked::<Services>().count_teams(*id).await?,
        })
    }
}
