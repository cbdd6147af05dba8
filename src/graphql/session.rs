//! Sessions: refresh and logout.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::context::ContextExt;
use super::error::ApiError;
use super::payload::payloads;
use super::public;
use super::user::User;
use crate::domain::id::SessionId;
use crate::domain::session::{self, SignedIn};

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
            user: User::own(signed_in.user),
        }
    }
}

/// A signed-in device or browser.
pub(super) struct Session {
    session: session::Session,
    is_current: bool,
}

impl Session {
    pub(super) fn new(session: session::Session, current: SessionId) -> Self {
        Self {
            is_current: session.id == current,
            session,
        }
    }
}

/// A signed-in device or browser.
#[Object]
impl Session {
    /// The `sid` claim of the session's access tokens.
    async fn id(&self) -> ID {
        session_id(self.session.id)
    }

    /// When it signed in.
    async fn created_at(&self) -> DateTime<Utc> {
        self.session.created_at
    }

    /// When it was last seen, to about a minute.
    async fn last_used_at(&self) -> DateTime<Utc> {
        self.session.last_used_at
    }

    /// When it ends, unless it is refreshed before.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.session.expires_at
    }

    /// What the client called itself when it signed in.
    async fn user_agent(&self) -> Option<&str> {
        self.session.user_agent.as_deref()
    }

    /// The network address it signed in from.
    async fn ip_address(&self) -> Option<&str> {
        self.session.ip_address.as_deref()
    }

    /// Whether it is the session of this request.
    async fn is_current(&self) -> bool {
        self.is_current
    }
}

/// The session to be ended.
#[derive(InputObject)]
pub(super) struct RevokeSessionInput {
    /// One of the signed-in account's own.
    session_id: ID,
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
    /// The answer to `revokeSession`.
    RevokeSessionPayload {
        /// The session that has ended.
        ended_session_id: ID
    }
    /// The answer to `revokeOtherSessions`.
    RevokeOtherSessionsPayload {
        /// The sessions that have ended.
        ended_session_ids: Vec<ID>
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
    #[graphql(directive = public::apply())]
    async fn refresh_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token to exchange.")] input: RefreshSessionInput,
    ) -> Result<RefreshSessionPayload, ApiError> {
        let refreshed = ctx
            .services()
            .refresh_session(ctx.operation(), &input.refresh_token)
            .await;
        RefreshSessionPayload::of(refreshed)
    }

    /// Ends the current session. Its access and refresh tokens are worthless at once.
    async fn logout(&self, ctx: &Context<'_>) -> Result<LogoutPayload, ApiError> {
        let ended = ctx.services().logout(ctx.operation()).await;
        LogoutPayload::of(ended.map(session_id))
    }

    /// Ends one session of the signed-in account.
    async fn revoke_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The session to be ended.")] input: RevokeSessionInput,
    ) -> Result<RevokeSessionPayload, ApiError> {
        let services = ctx.services();
        let ended = services
            .revoke_session(ctx.operation(), &input.session_id)
            .await;
        RevokeSessionPayload::of(ended.map(session_id))
    }

    /// Ends every other session of the signed-in user.
    async fn revoke_other_sessions(
        &self,
        ctx: &Context<'_>,
    ) -> Result<RevokeOtherSessionsPayload, ApiError> {
        let ended = ctx.services().revoke_other_sessions(ctx.operation()).await;
        let ids = |ended: Vec<SessionId>| ended.into_iter().map(session_id).collect::<Vec<_>>();
        RevokeOtherSessionsPayload::of(ended.map(ids))
    }
}

fn session_id(id: SessionId) -> ID {
    id.to_string().into()
}
