//! The root of all queries.

use async_graphql::{Context, Object};

use super::caller::ContextExt;
use super::error::ApiError;
use super::server_info::ServerInfo;
use super::session::Session;
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
    async fn me(&self, ctx: &Context<'_>) -> Result<Option<User>, ApiError> {
        let Some(actor) = ctx.caller().actor else {
            return Ok(None);
        };
        Ok(ctx.services().me(actor).await?.map(User::own))
    }

    /// Live sessions of the signed-in user, the current one marked, the newest first.
    async fn sessions(&self, ctx: &Context<'_>) -> Result<Vec<Session>, ApiError> {
        let actor = ctx.actor()?;
        let sessions = ctx.services().sessions(actor).await?;
        Ok(sessions
            .into_iter()
            .map(|s| Session::new(s, actor.session_id))
            .collect())
    }

    /// What a client needs to draw its forms: code length and alphabet, password rule, enabled
    /// flows.
    async fn server_info(&self, ctx: &Context<'_>) -> ServerInfo {
        ServerInfo::new(ctx.data_unchecked::<AppInfo>(), ctx.services())
    }
}
