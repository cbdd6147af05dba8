//! Sessions: one per signed-in device, kept alive by refresh tokens of rising generation.

use chrono::Duration;

use super::clock::Timestamp;
use super::id::{SessionId, UserId};
use super::user::User;

/// A signed-in device or browser.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its identifier, the `sid` of its access tokens.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// The generation of the refresh token that is current, from 1.
    pub generation: u32,
    /// When that generation began.
    pub rotated_at: Timestamp,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last seen, to about a minute.
    pub last_used_at: Timestamp,
    /// When it ends, unless it is refreshed before.
    pub expires_at: Timestamp,
    /// When it was ended, if it was.
    pub revoked_at: Option<Timestamp>,
    /// What the client called itself at sign-in.
    pub user_agent: Option<String>,
    /// The address it signed in from.
    pub ip_address: Option<String>,
}

/// Why a session was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevokeReason {
    /// Its owner logged out.
    Logout,
    /// Its owner ended it from another session.
    Revoked,
    /// Its owner changed the password.
    PasswordChanged,
    /// The password was reset by mail.
    PasswordReset,
    /// The address was proved by somebody else than who began the session.
    AddressProved,
    /// An operator disabled the account.
    AccountDisabled,
    /// A refresh token older than the one before the current was presented: somebody copied it.
    RefreshTokenReuse,
}

impl RevokeReason {
    /// The name used in the database and in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Revoked => "revoked",
            Self::PasswordChanged => "password_changed",
            Self::PasswordReset => "password_reset",
            Self::AddressProved => "address_proved",
            Self::AccountDisabled => "account_disabled",
            Self::RefreshTokenReuse => "refresh_token_reuse",
        }
    }
}

/// What presenting a refresh token of some generation leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshDecision {
    /// It is the current one: advance.
    Rotate,
    /// It is the one just before, still within the grace: give the current one again.
    Repeat,
    /// It is older, or the grace is over: end the session.
    Reuse,
    /// The session has ended, or the generation never was.
    Dead,
}

impl Session {
    /// Whether it has neither ended nor expired at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }

    /// Judges a refresh token whose MAC was right.
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

/// A caller whose access token was checked and whose session and account are alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The account.
    pub user_id: UserId,
    /// The session the token belongs to.
    pub session_id: SessionId,
    /// Whether the account counts as an admin of every team.
    pub is_superuser: bool,
}

/// What a client keeps after signing in. The tokens are secrets; there is no `Debug`.
pub struct SignedIn {
    /// A JWT.
    pub access_token: String,
    /// When it expires.
    pub access_token_expires_at: Timestamp,
    /// The token that the next refresh takes.
    pub refresh_token: String,
    /// When the session ends without a refresh.
    pub refresh_token_expires_at: Timestamp,
    /// The account.
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
            user_agent: None,
            ip_address: None,
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
