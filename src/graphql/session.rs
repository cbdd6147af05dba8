//! Sessions: refresh and logout.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::caller::ContextExt;
use super::error::ApiError;
use super::payload::payloads;
use super::user::User;
use crate::domain::id::SessionId;
use crate::domain::session::SignedIn;

/// What a client keeps after signing in.
#[derive(SimpleObject)]
pub(super) struct AuthSession {
    /// A JWT; send it as `Authorization: Bearer`.
    access_token: String,
    /// From when the access token is refused.
    access_token_expires_at: DateTime<Utc>,
    /// Opaque, single use: each refresh answers with the next one.
    refresh_token: String,
    /// When the session ends, unless it is refreshed before.
    refresh_token_expires_at: DateTime<Utc>,
    /// The account that signed in.
    user: User,
}

impl From<SignedIn> for AuthSession {
    fn from(signed_in: SignedIn) -> Self {
        Self {
            access_token: signed_in.access_token,
            access_token_expires_at: signed_in.access_token_expires_at,
            refresh_token: signed_in.refresh_token,
            refresh_token_expires_at: signed_in.refresh_token_expires_at,
            user: signed_in.user.into(),
        }
    }
}

/// A refresh token to be exchanged.
#[derive(InputObject)]
pub(super) struct RefreshSessionInput {
    /// The token from the last sign-in or refresh.
    refresh_token: String,
}

payloads! {
    /// The answer to `refreshSession`.
    RefreshSessionPayload {
        /// The next tokens.
        session: AuthSession
    }
    /// The answer to `logout`.
    LogoutPayload {
        /// The session that has ended.
        ended_session_id: ID
    }
}

/// Mutations of sessions.
#[derive(Default)]
pub(super) struct SessionMutation;

#[Object]
impl SessionMutation {
    /// Exchanges a refresh token for the next access and refresh tokens. A token that is repeated
    /// within a few seconds gets the same answer; an older one ends the session.
    async fn refresh_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token to exchange.")] input: RefreshSessionInput,
    ) -> Result<RefreshSessionPayload, ApiError> {
        let refreshed = ctx
            .services()
            .refresh_session(&input.refresh_token, ctx.client())
            .await;
        RefreshSessionPayload::of(refreshed)
    }

    /// Ends the current session. Its access and refresh tokens are worthless at once.
    async fn logout(&self, ctx: &Context<'_>) -> Result<LogoutPayload, ApiError> {
        let ended = ctx.services().logout(ctx.actor()?, ctx.client()).await;
        LogoutPayload::of(ended.map(session_id).map_err(Into::into))
    }
}

fn session_id(id: SessionId) -> ID {
    id.to_string().into()
}
