//! Sessions: opened at sign-in, refreshed, ended, and asked for at every request.

use std::time::Duration as StdDuration;

use chrono::Duration;
use serde::{Deserialize, Serialize};

use super::{Failure, Reason, ServiceError, Services};
use crate::cache::CacheError;
use crate::crypto::{AccessClaims, AccessTokenError, TeamClaim};
use crate::db::{Executor, sessions, teams};
use crate::domain::client::Client;
use crate::domain::id::{SessionId, UserId};
use crate::domain::session::{Actor, RefreshDecision, RevokeReason, Session, SignedIn};
use crate::domain::team::Membership;
use crate::domain::user::User;
use crate::telemetry::{Event, Facts};

/// How long a session is taken to be alive without asking the database again; it is also noted
/// as seen about that often.
const LIVENESS_LIFETIME: StdDuration = StdDuration::from_mins(1);
/// How long the mark of an ended session is kept: much longer than a reader can take between
/// asking the database and filling the cache, and longer than what was filled before.
const TOMBSTONE_LIFETIME: StdDuration = StdDuration::from_mins(5);

/// How many teams an access token names: each takes about 60 bytes of a header on every request.
const TEAMS_IN_TOKEN: usize = 50;

/// Why a request with an access token is refused.
#[derive(Debug)]
pub enum AuthenticationError {
    /// The token is worth nothing, for this reason.
    Rejected(Rejection),
    /// Nobody could tell.
    Internal(ServiceError),
}

impl From<ServiceError> for AuthenticationError {
    fn from(error: ServiceError) -> Self {
        Self::Internal(error)
    }
}

/// What is wrong with an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// It is not one of ours.
    Invalid,
    /// Its time is over.
    Expired,
    /// Its session was ended.
    Revoked,
}

/// What the cache says of a session.
#[derive(Serialize, Deserialize)]
enum Liveness {
    Alive { user_id: UserId, is_superuser: bool },
    Ended,
}

impl Services {
    /// Who presents an access token. Token, session and account must all be alive; the last two
    /// are asked for at each request, in the cache, then in the database.
    pub async fn authenticate(
        &self,
        token: &str,
        client: &Client,
    ) -> Result<Actor, AuthenticationError> {
        let rejected = |rejection: Rejection, claims: Option<&AccessClaims>| {
            Event::TokenRejected.emit(Facts {
                ip_address: Some(client.ip),
                user_id: claims.map(|claims| claims.sub),
                session_id: claims.map(|claims| claims.sid),
                reason: Some(match rejection {
                    Rejection::Invalid => "invalid",
                    Rejection::Expired => "expired",
                    Rejection::Revoked => "revoked",
                }),
                ..Facts::default()
            });
            AuthenticationError::Rejected(rejection)
        };
        let claims = match self.0.access_tokens.read(token, self.now()) {
            Ok(claims) => claims,
            Err(AccessTokenError::Invalid) => return Err(rejected(Rejection::Invalid, None)),
            Err(AccessTokenError::Expired) => return Err(rejected(Rejection::Expired, None)),
        };
        match self.liveness(claims.sid).await? {
            Liveness::Alive {
                user_id,
                is_superuser,
            } if user_id == claims.sub => Ok(Actor {
                user_id,
                session_id: claims.sid,
                is_superuser,
            }),
            Liveness::Alive { .. } => Err(rejected(Rejection::Invalid, Some(&claims))),
            Liveness::Ended => Err(rejected(Rejection::Revoked, Some(&claims))),
        }
    }

    /// Gives the next tokens for a refresh token.
    ///
    /// The token before the current one gives the same answer again for a short time, so that
    /// two tabs or a lost reply harm nobody. An older one can only be a copy: it ends the
    /// session.
    pub async fn refresh_session(&self, token: &str, client: &Client) -> Result<SignedIn, Failure> {
        let refused = |reason: &'static str, session_id: Option<SessionId>| {
            Event::RefreshTokenRejected.emit(Facts {
                ip_address: Some(client.ip),
                session_id,
                reason: Some(reason),
                ..Facts::default()
            });
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
            // Before the token advances, so that a failure leaves it as it was.
            let teams = self.teams_in_token(&self.0.db, user.id).await?;
            let now = self.now();
            match session.judge_refresh(generation, now, self.0.tokens.refresh_grace) {
                RefreshDecision::Rotate => {
                    let expires_at = now + self.0.tokens.refresh_lifetime;
                    if !sessions::rotate(&self.0.db, id, generation, now, expires_at).await? {
                        // Somebody else just did, or ended the session: judge again.
                        continue;
                    }
                    Event::SessionRefreshed.emit(session_facts(&session, client));
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
                    Event::RefreshTokenReuse.emit(session_facts(&session, client));
                    return Err(Reason::InvalidToken.at("refreshToken").into());
                }
                RefreshDecision::Dead => return Err(refused("session has ended", Some(id))),
            }
        }
    }

    /// The live sessions of the signed-in account, the newest first.
    pub async fn sessions(&self, actor: Actor) -> Result<Vec<Session>, ServiceError> {
        Ok(sessions::live_of_user(&self.0.db, actor.user_id, self.now()).await?)
    }

    /// Ends one session of the signed-in account. [`Reason::NotFound`] for any other.
    pub async fn revoke_session(
        &self,
        actor: Actor,
        id: &str,
        client: &Client,
    ) -> Result<SessionId, Failure> {
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
        Event::SessionRevoked.emit(Facts {
            reason: Some(RevokeReason::Revoked.name()),
            ..session_facts(&session, client)
        });
        Ok(session.id)
    }

    /// Ends every session of the signed-in account but the one that asks.
    pub async fn revoke_other_sessions(
        &self,
        actor: Actor,
        client: &Client,
    ) -> Result<Vec<SessionId>, ServiceError> {
        let Actor {
            user_id,
            session_id,
            ..
        } = actor;
        let (kept, reason) = (Some(session_id), RevokeReason::Revoked);
        let ended =
            sessions::revoke_all_of_user(&self.0.db, user_id, kept, self.now(), reason).await?;
        for id in &ended {
            self.bury(*id).await;
            Event::SessionRevoked.emit(Facts {
                ip_address: Some(client.ip),
                user_id: Some(user_id),
                session_id: Some(*id),
                reason: Some(reason.name()),
                ..Facts::default()
            });
        }
        Ok(ended)
    }

    /// Ends the session of whoever asks.
    pub async fn logout(&self, actor: Actor, client: &Client) -> Result<SessionId, ServiceError> {
        self.end_session(actor.session_id, RevokeReason::Logout)
            .await?;
        Event::SessionRevoked.emit(Facts {
            ip_address: Some(client.ip),
            user_id: Some(actor.user_id),
            session_id: Some(actor.session_id),
            reason: Some(RevokeReason::Logout.name()),
            ..Facts::default()
        });
        Ok(actor.session_id)
    }

    /// Begins a session for an account that has just proved who it is.
    pub(super) async fn open_session(
        &self,
        db: &impl Executor,
        user: &User,
        client: &Client,
    ) -> Result<Session, ServiceError> {
        let now = self.now();
        let session = Session {
            id: self.new_id(),
            user_id: user.id,
            generation: 1,
            rotated_at: now,
            created_at: now,
            last_used_at: now,
            expires_at: now + self.0.tokens.refresh_lifetime,
            revoked_at: None,
            user_agent: client.user_agent.clone(),
            ip_address: Some(client.ip.to_string()),
        };
        sessions::insert(db, &session).await?;
        Ok(session)
    }

    /// The tokens of a session's current generation.
    pub(super) fn signed_in(
        &self,
        user: User,
        session: &Session,
        mut teams: Vec<Membership>,
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
            teams_truncated: teams.len() > TEAMS_IN_TOKEN,
            teams: teams
                .drain(..)
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
        Event::TokenIssued.emit(Facts {
            user_id: Some(user.id),
            session_id: Some(session.id),
            ..Facts::default()
        });
        Ok(SignedIn {
            access_token,
            access_token_expires_at,
            refresh_token: self.0.keys.refresh_token(session.id, session.generation),
            refresh_token_expires_at: session.expires_at,
            user,
        })
    }

    /// The teams that a token of the account names, and one more if they are too many.
    pub(super) async fn teams_in_token(
        &self,
        db: &impl Executor,
        user: UserId,
    ) -> Result<Vec<Membership>, ServiceError> {
        Ok(teams::memberships_of_user(db, user, TEAMS_IN_TOKEN as u64 + 1).await?)
    }

    /// Ends a session in the database, then marks it as ended for all processes.
    async fn end_session(&self, id: SessionId, reason: RevokeReason) -> Result<(), ServiceError> {
        sessions::revoke(&self.0.db, id, self.now(), reason).await?;
        self.bury(id).await;
        Ok(())
    }

    /// Marks a session as ended. While Redis is away this goes on in the background for as long
    /// as a process could find the session alive in what was filled before.
    pub(super) async fn bury(&self, id: SessionId) {
        if let Err(error) = self.try_bury(id).await {
            self.0
                .outages
                .report(Event::CacheUnavailable, Some(&error), self.now());
            let services = self.clone();
            tokio::spawn(async move { services.keep_burying(id).await });
        }
    }

    /// The same for a process that ends when it is done: it waits for Redis as long as another
    /// process could find the session alive there.
    pub(super) async fn bury_for_good(&self, id: SessionId) {
        if self.try_bury(id).await.is_err() {
            self.keep_burying(id).await;
        }
    }

    async fn keep_burying(&self, id: SessionId) {
        let mut pause = tokio::time::interval(StdDuration::from_secs(1));
        for _ in 0..LIVENESS_LIFETIME.as_secs() {
            pause.tick().await;
            if self.try_bury(id).await.is_ok() {
                return;
            }
        }
    }

    async fn try_bury(&self, id: SessionId) -> Result<(), CacheError> {
        let (key, mark) = (liveness_key(id), encode(&Liveness::Ended));
        self.0.cache.put(&key, &mark, TOMBSTONE_LIFETIME).await
    }

    async fn liveness(&self, id: SessionId) -> Result<Liveness, ServiceError> {
        let key = liveness_key(id);
        let cached = self.0.cache.get(&key).await;
        if let Ok(Some(text)) = &cached
            && let Ok(liveness) = serde_json::from_str(text)
        {
            return Ok(liveness);
        }
        let now = self.now();
        let found = sessions::find_with_user(&self.0.db, id).await?;
        let Some((session, user)) =
            found.filter(|(session, user)| session.is_live(now) && user.is_active)
        else {
            return Ok(Liveness::Ended);
        };
        if now - session.last_used_at >= Duration::seconds(60) {
            sessions::touch(&self.0.db, id, now).await?;
        }
        let alive = Liveness::Alive {
            user_id: user.id,
            is_superuser: user.is_superuser,
        };
        match cached {
            // Never over a tombstone that was set since the database was asked.
            Ok(_) => {
                let _ = self
                    .0
                    .cache
                    .put_if_absent(&key, &encode(&alive), LIVENESS_LIFETIME)
                    .await
                    .inspect_err(|error| {
                        self.0
                            .outages
                            .report(Event::CacheUnavailable, Some(error), now);
                    });
            }
            Err(error) => self
                .0
                .outages
                .report(Event::CacheUnavailable, Some(&error), now),
        }
        Ok(alive)
    }
}

fn team_claim(membership: Membership) -> TeamClaim {
    TeamClaim {
        id: membership.team_id,
        role: membership.role.name().to_uppercase(),
    }
}

fn liveness_key(id: SessionId) -> String {
    format!("session:{id}")
}

fn encode(liveness: &Liveness) -> String {
    serde_json::json!(liveness).to_string()
}

fn session_facts(session: &Session, client: &Client) -> Facts<'static> {
    Facts {
        ip_address: Some(client.ip),
        user_id: Some(session.user_id),
        session_id: Some(session.id),
        ..Facts::default()
    }
}
