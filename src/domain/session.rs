//! Sessions: one per signed-in device, extended by refresh tokens whose generation counts up.

use chrono::Duration;
use strum::{EnumString, IntoStaticStr};

use super::clock::Timestamp;
use super::id::{SessionId, UserId};
use super::user::User;

/// A signed-in device or browser.
#[derive(Clone, Debug)]
pub struct Session {
    /// The `sid` of its access tokens.
    pub id: SessionId,
    pub user_id: UserId,
    /// The generation of the current refresh token, from 1.
    pub generation: u32,
    /// When the current generation began.
    pub rotated_at: Timestamp,
    pub created_at: Timestamp,
    /// Accurate to about a minute.
    pub last_used_at: Timestamp,
    /// When it ends unless it is refreshed first.
    pub expires_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
    pub revoke_reason: Option<RevokeReason>,
    /// The `User-Agent` at sign-in.
    pub user_agent: Option<String>,
    /// The IP address at sign-in.
    pub ip_address: Option<String>,
    /// `None` if the previous release opened the session.
    pub method: Option<SignInMethod>,
    /// When the user last authenticated in this session, also `None` then.
    pub authenticated_at: Option<Timestamp>,
}

/// How a user authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum SignInMethod {
    SignupCode,
    LoginCode,
    Password,
}

/// Why a session was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum RevokeReason {
    Logout,
    /// From another session of the same user.
    Revoked,
    PasswordChanged,
    PasswordReset,
    /// The email address was verified by someone other than the person who opened the session.
    #[strum(serialize = "address_proved")]
    EmailVerified,
    AccountDisabled,
    /// A refresh token older than the previous one was presented, so it must have been copied.
    RefreshTokenReuse,
}

/// How to answer a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshDecision {
    /// It is the current token: issue the next one.
    Rotate,
    /// It is the previous token within the grace period: return the current one again.
    Repeat,
    /// It is an older token: revoke the session.
    Reuse,
    /// The session has ended, or this generation was never issued.
    Dead,
}

impl Session {
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }

    /// Decides about a refresh token with a valid MAC.
    pub fn judge_refresh(
        &self,
        generation: u32,
        now: Timestamp,
        grace: Duration,
    ) -> RefreshDecision {
        if !self.is_live(now) || generation > self.generation {
            RefreshDecision::Dead
        } else if generation == self.generation {
            RefreshDecision::Rotate
        } else if generation + 1 == self.generation && now - self.rotated_at <= grace {
            RefreshDecision::Repeat
        } else {
            RefreshDecision::Reuse
        }
    }
}

/// The result of a sign-in or refresh. It holds secrets, so there is no `Debug`.
pub struct SignedIn {
    /// A JWT.
    pub access_token: String,
    pub access_token_expires_at: Timestamp,
    pub refresh_token: String,
    pub refresh_token_expires_at: Timestamp,
    pub user: User,
}

#[cfg(test)]
mod tests {
    use super::super::clock::Clock;
    use super::*;

    #[test]
    fn a_refresh_token_is_judged_by_its_generation() {
        let now = Clock::default().now();
        let session = Session {
            id: SessionId::from((now, [1; 10])),
            user_id: UserId::from((now, [2; 10])),
            generation: 3,
            rotated_at: now,
            created_at: now,
            last_used_at: now,
            expires_at: now + Duration::days(1),
            revoked_at: None,
            revoke_reason: None,
            user_agent: None,
            ip_address: None,
            method: None,
            authenticated_at: None,
        };
        let grace = Duration::seconds(10);
        let judge = |generation, later| {
            session.judge_refresh(generation, now + Duration::seconds(later), grace)
        };
        assert_eq!(judge(3, 0), RefreshDecision::Rotate);
        assert_eq!(judge(2, 10), RefreshDecision::Repeat);
        assert_eq!(judge(2, 11), RefreshDecision::Reuse);
        assert_eq!(judge(1, 0), RefreshDecision::Reuse);
        assert_eq!(judge(4, 0), RefreshDecision::Dead);
        assert_eq!(judge(3, 86_400), RefreshDecision::Dead);
        let ended = Session {
            revoked_at: Some(now),
            ..session.clone()
        };
        assert_eq!(ended.judge_refresh(3, now, grace), RefreshDecision::Dead);
    }
}
