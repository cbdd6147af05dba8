//! The root of all queries.

use async_graphql::{Context, ID, Object};

use super::connection::PageArguments;
use super::context::ContextExt;
use super::error::ApiError;
use super::invitation::InvitationPreview;
use super::public;
use super::server_info::ServerInfo;
use super::session::Session;
use super::team::{Team, TeamMembershipConnection};
use super::user::User;
use crate::domain::email::EmailAddress;

/// What the installation calls itself.
#[derive(Clone, Debug)]
pub struct AppInfo {
    /// Its name.
    pub name: String,
    /// Where people get help.
    pub support_email: Option<EmailAddress>,
}

/// Everything that can be asked.
#[derive(Default)]
pub struct Query;

/// Everything that can be asked.
#[Object]
impl Query {
    /// The signed-in user; null for a caller without a token.
    #[graphql(directive = public::apply())]
    async fn me(&self, ctx: &Context<'_>) -> Option<Result<User, ApiError>> {
        let user = ctx.services().me(ctx.operation()).await.transpose()?;
        Some(user.map(User::own).map_err(ApiError::from))
    }

    /// Teams of the signed-in user, with their role in each, in order of joining; pages have 20
    /// items unless asked for, at most 100.
    async fn teams(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "So many from the beginning, or after `after`.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "So many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<TeamMembershipConnection, ApiError> {
        let arguments = PageArguments {
            first,
            after,
            last,
            before,
        };
        TeamMembershipConnection::of_viewer(ctx.services(), ctx.operation(), arguments).await
    }

    /// A team the signed-in user belongs to; null otherwise.
    async fn team(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The team's identifier.")] id: ID,
    ) -> Option<Result<Team, ApiError>> {
        let team = ctx
            .services()
            .team(ctx.operation(), &id)
            .await
            .transpose()?;
        Some(team.map(Team::from).map_err(ApiError::from))
    }

    /// What an invitation link shows before it is accepted; null if unknown, expired, used or
    /// revoked.
    #[graphql(directive = public::apply())]
    async fn invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token in the mailed link.")] token: String,
    ) -> Option<Result<InvitationPreview, ApiError>> {
        let preview = ctx.services().invitation(ctx.operation(), &token).await;
        let preview = preview.transpose()?;
        Some(preview.map(InvitationPreview::from).map_err(ApiError::from))
    }

    /// Live sessions of the signed-in user, the current one marked, the newest first.
    async fn sessions(&self, ctx: &Context<'_>) -> Result<Vec<Session>, ApiError> {
        let current = ctx.operation().user()?.session_id;
        let sessions = ctx.services().sessions(ctx.operation()).await?;
        Ok(sessions
            .into_iter()
            .map(|s| Session::new(s, current))
            .collect())
    }

    /// What a client needs to draw its forms: code length and alphabet, password rule, enabled
    /// flows.
    #[graphql(directive = public::apply())]
    async fn server_info(&self, ctx: &Context<'_>) -> ServerInfo {
        ServerInfo::new(ctx.data_unchecked::<AppInfo>(), ctx.services())
    }
}
