//! Sessions: refreshing, signing out and revoking.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::context::ContextExt;
use super::error::ApiError;
use super::payload::payloads;
use super::public;
use super::user::User;
use crate::domain::id::SessionId;
use crate::domain::session::{self, SignedIn};

/// The tokens that a client keeps after signing in.
#[derive(SimpleObject)]
pub(super) struct AuthSession {
    /// A JWT, to be sent as `Authorization: Bearer`.
    access_token: String,
    /// When the access token expires.
    access_token_expires_at: DateTime<Utc>,
    /// An opaque token that can be used once: each refresh returns the next one.
    refresh_token: String,
    /// When the session expires unless it is refreshed.
    refresh_token_expires_at: DateTime<Utc>,
    /// The user who signed in.
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

/// A session of a user: a browser or device that is signed in.
#[Object]
impl Session {
    /// The `sid` claim of the session's access tokens.
    async fn id(&self) -> ID {
        session_id(self.session.id)
    }

    /// When the user signed in.
    async fn created_at(&self) -> DateTime<Utc> {
        self.session.created_at
    }

    /// When the session was last used, to about a minute.
    async fn last_used_at(&self) -> DateTime<Utc> {
        self.session.last_used_at
    }

    /// When the session expires unless it is refreshed.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.session.expires_at
    }

    /// The `User-Agent` of the client when it signed in.
    async fn user_agent(&self) -> Option<&str> {
        self.session.user_agent.as_deref()
    }

    /// The IP address that the user signed in from.
    async fn ip_address(&self) -> Option<&str> {
        self.session.ip_address.as_deref()
    }

    /// Whether this is the session of the request.
    async fn is_current(&self) -> bool {
        self.is_current
    }
}

/// Input of `revokeSession`.
#[derive(InputObject)]
pub(super) struct RevokeSessionInput {
    /// The ID of one of the signed-in user's sessions.
    session_id: ID,
}

/// Input of `refreshSession`.
#[derive(InputObject)]
pub(super) struct RefreshSessionInput {
    /// The refresh token from the last sign-in or refresh.
    refresh_token: String,
}

payloads! {
    /// The result of `refreshSession`.
    RefreshSessionPayload {
        /// The session with its next tokens.
        session: AuthSession
    }
    /// The result of `revokeSession`.
    RevokeSessionPayload {
        /// The ID of the ended session.
        ended_session_id: ID
    }
    /// The result of `revokeOtherSessions`.
    RevokeOtherSessionsPayload {
        /// The IDs of the ended sessions.
        ended_session_ids: Vec<ID>
    }
    /// The result of `logout`.
    LogoutPayload {
        /// The ID of the ended session.
        ended_session_id: ID
    }
}

#[derive(Default)]
pub(super) struct SessionMutation;

#[Object]
impl SessionMutation {
    /// Exchanges a refresh token for new access and refresh tokens. The same token returns the same
    /// tokens again for a few seconds; an older token ends the session.
    #[graphql(directive = public::apply())]
    async fn refresh_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The refresh token.")] input: RefreshSessionInput,
    ) -> Result<RefreshSessionPayload, ApiError> {
        let (services, operation) = ctx.parts();
        RefreshSessionPayload::of(
            services
                .refresh_session(operation, &input.refresh_token)
                .await,
        )
    }

    /// Ends the current session. Its access and refresh tokens stop working at once.
    async fn logout(&self, ctx: &Context<'_>) -> Result<LogoutPayload, ApiError> {
        let (services, operation) = ctx.parts();
        let ended = services.logout(operation).await;
        LogoutPayload::of(ended.map(session_id))
    }

    /// Ends one of the signed-in user's sessions.
    async fn revoke_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The session to end.")] input: RevokeSessionInput,
    ) -> Result<RevokeSessionPayload, ApiError> {
        let (services, operation) = ctx.parts();
        let ended = services.revoke_session(operation, &input.session_id).await;
        RevokeSessionPayload::of(ended.map(session_id))
    }

    /// Ends all other sessions of the signed-in user.
    async fn revoke_other_sessions(
        &self,
        ctx: &Context<'_>,
    ) -> Result<RevokeOtherSessionsPayload, ApiError> {
        let (services, operation) = ctx.parts();
        let ended = services.revoke_other_sessions(operation).await;
        let ids = |ended: Vec<SessionId>| ended.into_iter().map(session_id).collect::<Vec<_>>();
        RevokeOtherSessionsPayload::of(ended.map(ids))
    }
}

fn session_id(id: SessionId) -> ID {
    id.to_string().into()
}
