//! The root of all queries.

use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};

use super::connection::page;
use super::context::ContextExt;
use super::public;
use super::team::{Team, TeamMembershipConnection, teams_of};
use super::user::{User, Users};
use crate::config::AppConfig;
use crate::domain::session::Session;
use crate::service::{Failure, InvitationPreview};

/// The characters of codes.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "crate::domain::code::CodeType")]
enum CodeType {
    /// Digits only.
    Numeric,
    /// Digits and capital letters that are not easily confused. Case is ignored.
    Alphanumeric,
}

/// What a client needs to render its forms.
#[derive(SimpleObject)]
struct ServerInfo {
    /// The name of the application.
    app_name: String,
    /// The version of the server.
    version: &'static str,
    /// The number of characters of a code.
    code_length: usize,
    /// The characters of a code.
    code_type: CodeType,
    /// How long a code is valid, in minutes.
    code_expiration_minutes: i64,
    /// The minimum number of characters of a password.
    password_min_length: usize,
    /// The email address where users get help.
    support_email: Option<String>,
}

pub(crate) struct Query;

/// All queries.
#[Object]
impl Query {
    /// The signed-in user; null without an access token.
    #[graphql(directive = public::apply())]
    async fn me(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        let user = ctx.caller().me().await.transpose()?;
        Some(user.map(User::own).map_err(Into::into))
    }

    /// The teams of the signed-in user with their role in each, in the order of joining. A page has
    /// 20 items by default and at most 100.
    async fn teams(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The number of items from the start.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "The number of items from the end.")] last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Result<TeamMembershipConnection> {
        let id = ctx.caller().user().map_err(Failure::from)?.user_id;
        teams_of(ctx, id, Users::of([id]), page(first, after, last, before)?).await
    }

    /// A team that the signed-in user is a member of; null for any other team.
    async fn team(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The ID of the team.")] id: ID,
    ) -> Option<Result<Team>> {
        let team = ctx.caller().team(&id).await.transpose()?;
        Some(team.map(Team::from).map_err(Into::into))
    }

    /// What an invitation link shows before it is accepted; null if the token is unknown, used,
    /// expired or revoked.
    #[graphql(directive = public::apply())]
    async fn invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token in the emailed link.")] token: String,
    ) -> Option<Result<InvitationPreview>> {
        let preview = ctx.caller().invitation(&token).await.transpose()?;
        Some(preview.map_err(Into::into))
    }

    /// The active sessions of the signed-in user, newest first, with the current one marked.
    async fn sessions(&self, ctx: &Context<'_>) -> Result<Vec<Session>> {
        Ok(ctx.caller().sessions().await?)
    }

    /// What a client needs to render its forms, such as the length of codes and passwords.
    #[graphql(directive = public::apply())]
    async fn server_info(&self, ctx: &Context<'_>) -> ServerInfo {
        let (caller, app) = (ctx.caller(), ctx.data_unchecked::<AppConfig>());
        let codes = caller.codes();
        ServerInfo {
            app_name: app.name.clone(),
            version: env!("CARGO_PKG_VERSION"),
            code_length: codes.length,
            code_type: codes.code_type.into(),
            code_expiration_minutes: codes.lifetime.num_minutes(),
            password_min_length: caller.passwords().rule.min_chars,
            support_email: app
                .support_email
                .as_ref()
                .map(|email| email.as_str().to_owned()),
        }
    }
}
