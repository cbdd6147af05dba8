//! The root of all queries.

use async_graphql::{Context, ID, Object};

use super::connection::page;
use super::context::ContextExt;
use super::error::ApiError;
use super::invitation::InvitationPreview;
use super::public;
use super::server_info::ServerInfo;
use super::session::Session;
use super::team::{Team, TeamMembershipConnection, teams_of_viewer};
use super::user::User;
use crate::domain::email::EmailAddress;

/// What is known of the application.
#[derive(Clone, Debug)]
pub struct AppInfo {
    pub name: String,
    /// Where users get help.
    pub support_email: Option<EmailAddress>,
}

#[derive(Default)]
pub struct Query;

/// All queries.
#[Object]
impl Query {
    /// The signed-in user; null without an access token.
    #[graphql(directive = public::apply())]
    async fn me(&self, ctx: &Context<'_>) -> Option<Result<User, ApiError>> {
        let user = ctx.services().me(ctx.operation()).await.transpose()?;
        Some(user.map(User::own).map_err(ApiError::from))
    }

    /// The teams of the signed-in user with their role in each, in the order of joining. A page has
    /// 20 items by default and at most 100.
    async fn teams(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The number of items from the beginning, or after `after`.")]
        first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "The number of items from the end, or before `before`.")] last: Option<
            i32,
        >,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Result<TeamMembershipConnection, ApiError> {
        teams_of_viewer(ctx, page(first, after, last, before)?).await
    }

    /// A team that the signed-in user is a member of; null for any other team.
    async fn team(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The ID of the team.")] id: ID,
    ) -> Option<Result<Team, ApiError>> {
        let team = ctx
            .services()
            .team(ctx.operation(), &id)
            .await
            .transpose()?;
        Some(team.map(Team::from).map_err(ApiError::from))
    }

    /// What an invitation link shows before it is accepted; null if the token is unknown, used,
    /// expired or revoked.
    #[graphql(directive = public::apply())]
    async fn invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token in the emailed link.")] token: String,
    ) -> Option<Result<InvitationPreview, ApiError>> {
        let preview = ctx.services().invitation(ctx.operation(), &token).await;
        let preview = preview.transpose()?;
        Some(preview.map(InvitationPreview::from).map_err(ApiError::from))
    }

    /// The active sessions of the signed-in user, newest first, with the current one marked.
    async fn sessions(&self, ctx: &Context<'_>) -> Result<Vec<Session>, ApiError> {
        let current = ctx.operation().user()?.session_id;
        let sessions = ctx.services().sessions(ctx.operation()).await?;
        Ok(sessions
            .into_iter()
            .map(|s| Session::new(s, current))
            .collect())
    }

    /// What a client needs to render its forms, such as the length of codes and passwords.
    #[graphql(directive = public::apply())]
    async fn server_info(&self, ctx: &Context<'_>) -> ServerInfo {
        ServerInfo::new(ctx.data_unchecked::<AppInfo>(), ctx.services())
    }
}
