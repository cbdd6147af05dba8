//! Sessions: refreshing, listing and revoking them, and their tokens.

use super::{Caller, Failure, Reason, ServiceError, Services};
use crate::crypto::{AccessClaims, TeamClaim};
use crate::db::{Executor, sessions, teams};
use crate::domain::id::{SessionId, UserId};
use crate::domain::operation::UserSession;
use crate::domain::session::{RefreshDecision, RevokeReason, Session, SignedIn};
use crate::domain::team::Membership;
use crate::domain::user::User;
use crate::telemetry::event;

/// The maximum number of teams in an access token. Each takes about 60 bytes of a header of every
/// request.
const TEAMS_IN_TOKEN: usize = 50;

impl Caller {
    /// Exchanges a refresh token for the next tokens.
    ///
    /// For a short time the previous token returns the same tokens again, because of concurrent
    /// tabs and lost responses. An older token must have been copied: it revokes the session.
    pub async fn refresh_session(&self, token: &str) -> Result<SignedIn, Failure> {
        let refused = |reason: &'static str, session_id: Option<SessionId>| {
            self.emit(event::RefreshTokenRejected { session_id, reason });
            Failure::from(Reason::InvalidToken.at("refreshToken"))
        };
        let Some((id, generation)) = self.0.keys.read_refresh_token(token) else {
            return Err(refused("unknown", None));
        };
        loop {
            let found = sessions::find_with_user(&self.0.db, id).await?;
            let Some((session, user)) = found.filter(|(_, user)| user.is_active) else {
                return Err(refused("no such session or account", Some(id)));
            };
            // Before the token advances, so that a failure leaves it valid.
            let teams = self.teams_in_token(&self.0.db, user.id).await?;
            let now = self.now();
            match session.judge_refresh(generation, now, self.0.tokens.refresh_grace) {
                RefreshDecision::Rotate => {
                    let expires_at = now + self.0.tokens.refresh_lifetime;
                    if !sessions::rotate(&self.0.db, id, generation, now, expires_at).await? {
                        // Rotated or revoked concurrently.
                        continue;
                    }
                    self.emit(event::SessionRefreshed {
                        user_id: session.user_id,
                        session_id: session.id,
                    });
                    let session = Session {
                        generation: generation + 1,
                        expires_at,
                        ..session
                    };
                    return Ok(self.signed_in(user, &session, teams)?);
                }
                RefreshDecision::Repeat => return Ok(self.signed_in(user, &session, teams)?),
                RefreshDecision::Reuse => {
                    self.end_session(id, RevokeReason::RefreshTokenReuse)
                        .await?;
                    self.emit(event::RefreshTokenReuse {
                        user_id: session.user_id,
                        session_id: session.id,
                    });
                    return Err(Reason::InvalidToken.at("refreshToken").into());
                }
                RefreshDecision::Dead => return Err(refused("session has ended", Some(id))),
            }
        }
    }

    /// The live sessions of the signed-in user, newest first.
    pub async fn sessions(&self) -> Result<Vec<Session>, Failure> {
        let actor = self.user()?;
        Ok(sessions::live_of_user(&self.0.db, actor.user_id, self.now()).await?)
    }

    /// Revokes a session of the signed-in user. [`Reason::NotFound`] for any other.
    pub async fn revoke_session(&self, id: &str) -> Result<SessionId, Failure> {
        let actor = self.user()?;
        let found = match id.parse() {
            Ok(id) => sessions::find_with_user(&self.0.db, id).await?,
            Err(_) => None,
        };
        let now = self.now();
        let own = found.filter(|(session, user)| user.id == actor.user_id && session.is_live(now));
        let Some((session, _)) = own else {
            return Err(Reason::NotFound.at("sessionId").into());
        };
        self.end_session(session.id, RevokeReason::Revoked).await?;
        self.emit(event::SessionRevoked {
            user_id: session.user_id,
            session_id: session.id,
            reason: RevokeReason::Revoked.into(),
        });
        Ok(session.id)
    }

    /// Revokes all sessions of the signed-in user except the current one.
    pub async fn revoke_other_sessions(&self) -> Result<Vec<SessionId>, Failure> {
        let actor = self.user()?;
        let UserSession {
            user_id,
            session_id,
            ..
        } = actor;
        let (kept, reason) = (Some(session_id), RevokeReason::Revoked);
        let ended =
            sessions::revoke_all_of_user(&self.0.db, user_id, kept, self.now(), reason).await?;
        self.mark_all_revoked(ended.clone()).await;
        for id in &ended {
            self.emit(event::SessionRevoked {
                user_id,
                session_id: *id,
                reason: reason.into(),
            });
        }
        Ok(ended)
    }

    /// Revokes the current session.
    pub async fn logout(&self) -> Result<SessionId, Failure> {
        let actor = self.user()?;
        self.end_session(actor.session_id, RevokeReason::Logout)
            .await?;
        self.emit(event::SessionRevoked {
            user_id: actor.user_id,
            session_id: actor.session_id,
            reason: RevokeReason::Logout.into(),
        });
        Ok(actor.session_id)
    }

    /// The tokens for the current generation of a session.
    pub(super) fn signed_in(
        &self,
        user: User,
        session: &Session,
        teams: Vec<Membership>,
    ) -> Result<SignedIn, ServiceError> {
        let now = self.now();
        let access_token_expires_at = now + self.0.tokens.access_lifetime;
        let jti = self.new_id();
        let roles = if user.is_superuser {
            vec!["superuser".to_owned()]
        } else {
            Vec::new()
        };
        let access_token = self.0.access_tokens.sign(&AccessClaims {
            sub: user.id,
            email: user.email.as_str().to_owned(),
            email_verified: user.email_verified_at.is_some(),
            teams_truncated: teams.len() > TEAMS_IN_TOKEN,
            teams: teams
                .into_iter()
                .take(TEAMS_IN_TOKEN)
                .map(team_claim)
                .collect(),
            roles,
            sid: session.id,
            jti,
            iss: self.0.access_tokens.issuer().to_owned(),
            aud: self.0.access_tokens.audience().to_owned(),
            iat: now.timestamp(),
            exp: access_token_expires_at.timestamp(),
        })?;
        self.emit(event::TokenIssued {
            user_id: user.id,
            session_id: session.id,
        });
        Ok(SignedIn {
            access_token,
            access_token_expires_at,
            refresh_token: self.0.keys.refresh_token(session.id, session.generation),
            refresh_token_expires_at: session.expires_at,
            user,
        })
    }

    /// Revokes a session in the database, then in the cache.
    async fn end_session(&self, id: SessionId, reason: RevokeReason) -> Result<(), ServiceError> {
        sessions::revoke(&self.0.db, id, self.now(), reason).await?;
        self.mark_all_revoked(vec![id]).await;
        Ok(())
    }
}

impl Services {
    /// The teams to put into a token, and one more if there are too many.
    pub(super) async fn teams_in_token(
        &self,
        db: &impl Executor,
        user: UserId,
    ) -> Result<Vec<Membership>, ServiceError> {
        Ok(teams::memberships_of_user(db, user, TEAMS_IN_TOKEN as u64 + 1).await?)
    }
}

fn team_claim(membership: Membership) -> TeamClaim {
    TeamClaim {
        id: membership.team_id,
        role: membership.role.into_str().to_uppercase(),
    }
}
