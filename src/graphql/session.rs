//! Sessions: refreshing, signing out and revoking.

use async_graphql::{Context, ID, InputObject, Object, Result};

use super::context::ContextExt;
use super::payload::payloads;
use super::public;
use super::user::User;
use crate::domain::clock::Timestamp;
use crate::domain::session::{Session, SignedIn};

/// The tokens that a client keeps after signing in.
#[Object(name = "AuthSession")]
impl SignedIn {
    /// A JWT, to be sent as `Authorization: Bearer`.
    async fn access_token(&self) -> &str {
        &self.access_token
    }

    /// When the access token expires.
    async fn access_token_expires_at(&self) -> Timestamp {
        self.access_token_expires_at
    }

    /// An opaque token that can be used once: each refresh returns the next one.
    async fn refresh_token(&self) -> &str {
        &self.refresh_token
    }

    /// When the session expires unless it is refreshed.
    async fn refresh_token_expires_at(&self) -> Timestamp {
        self.refresh_token_expires_at
    }

    /// The user who signed in.
    async fn user(&self) -> User {
        User::own(self.user.clone())
    }
}

/// A session of a user: a browser or device that is signed in.
#[Object]
impl Session {
    /// The `sid` claim of the session's access tokens.
    async fn id(&self) -> ID {
        self.id.into()
    }

    /// When the user signed in.
    async fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// When the session was last used, to about a minute.
    async fn last_used_at(&self) -> Timestamp {
        self.last_used_at
    }

    /// When the session expires unless it is refreshed.
    async fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// The `User-Agent` of the client when it signed in.
    async fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }

    /// The IP address that the user signed in from.
    async fn ip_address(&self) -> Option<&str> {
        self.ip_address.as_deref()
    }

    /// Whether this is the session of the request.
    async fn is_current(&self, ctx: &Context<'_>) -> bool {
        let current = ctx.caller().session();
        current.is_some_and(|current| current.session_id == self.id)
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
    /// The result of `refreshSession`: the session with its next tokens.
    RefreshSessionPayload { session: SignedIn }
    /// The result of `revokeSession`: the ID of the ended session.
    RevokeSessionPayload { ended_session_id: ID }
    /// The result of `revokeOtherSessions`: the IDs of the ended sessions.
    RevokeOtherSessionsPayload { ended_session_ids: Vec<ID> }
    /// The result of `logout`: the ID of the ended session.
    LogoutPayload { ended_session_id: ID }
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
    ) -> Result<RefreshSessionPayload> {
        RefreshSessionPayload::of(ctx.caller().refresh_session(&input.refresh_token).await)
    }

    /// Ends the current session. Its access and refresh tokens stop working at once.
    async fn logout(&self, ctx: &Context<'_>) -> Result<LogoutPayload> {
        LogoutPayload::of(ctx.caller().logout().await)
    }

    /// Ends one of the signed-in user's sessions.
    async fn revoke_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The session to end.")] input: RevokeSessionInput,
    ) -> Result<RevokeSessionPayload> {
        RevokeSessionPayload::of(ctx.caller().revoke_session(&input.session_id).await)
    }

    /// Ends all other sessions of the signed-in user.
    async fn revoke_other_sessions(&self, ctx: &Context<'_>) -> Result<RevokeOtherSessionsPayload> {
        let ended = ctx.caller().revoke_other_sessions().await;
        RevokeOtherSessionsPayload::of(
            ended.map(|ids| ids.into_iter().map(ID::from).collect::<Vec<_>>()),
        )
    }
}
