//! Managing users on the command line.

use futures::future::join_all;

use super::{Caller, Failure, Reason, Services};
use crate::db::users::{self, Field};
use crate::db::{DbError, sessions};
use crate::domain::email::EmailAddress;
use crate::domain::session::RevokeReason;
use crate::domain::user::{ProfileInput, User};
use crate::telemetry::event;

impl Caller {
    /// Creates a user with a verified email address.
    pub async fn create_account(&self, email: &str, name: &str) -> Result<User, Failure> {
        let user = self.new_verified_user(EmailAddress::parse(email)?, name)?;
        match users::insert(&self.0.db, &user).await {
            Err(DbError::Conflict(_)) => return Err(Reason::EmailTaken.at("email").into()),
            inserted => inserted?,
        }
        self.emit(event::AccountCreated {
            email: &user.email,
            user_id: user.id,
        });
        Ok(user)
    }

    /// Makes a user with a verified email address a superuser, or an ordinary one again. Revokes the
    /// sessions, because access tokens contain the role.
    pub async fn set_superuser(&self, email: &str, is_superuser: bool) -> Result<User, Failure> {
        let mut user = self.account_at(email).await?;
        if is_superuser && user.email_verified_at.is_none() {
            // Someone else may have registered with it.
            return Err(Reason::EmailNotVerified.at("email").into());
        }
        user.is_superuser = is_superuser;
        user.updated_at = self.now();
        users::update(&self.0.db, &user, &[Field::IsSuperuser]).await?;
        self.end_all_sessions(&user, RevokeReason::Revoked).await?;
        let reason = if is_superuser { "promoted" } else { "demoted" };
        self.emit(event::AccountPromoted {
            email: &user.email,
            user_id: user.id,
            reason,
        });
        Ok(user)
    }

    /// Disables a user and revokes their sessions, or enables them again.
    pub async fn set_active(&self, email: &str, is_active: bool) -> Result<User, Failure> {
        let mut user = self.account_at(email).await?;
        user.is_active = is_active;
        user.updated_at = self.now();
        users::update(&self.0.db, &user, &[Field::IsActive]).await?;
        if is_active {
            self.emit(event::AccountEnabled {
                email: &user.email,
                user_id: user.id,
            });
        } else {
            self.end_all_sessions(&user, RevokeReason::AccountDisabled)
                .await?;
            self.emit(event::AccountDisabled {
                email: &user.email,
                user_id: user.id,
            });
        }
        Ok(user)
    }

    async fn end_all_sessions(&self, user: &User, reason: RevokeReason) -> Result<(), Failure> {
        let (id, now) = (user.id, self.now());
        let ended = sessions::revoke_all_of_user(&self.0.db, id, None, now, reason).await?;
        join_all(
            ended
                .into_iter()
                .map(|id| self.mark_revoked_in_foreground(id)),
        )
        .await;
        Ok(())
    }
}

impl Services {
    pub(super) fn new_verified_user(
        &self,
        email: EmailAddress,
        name: &str,
    ) -> Result<User, Failure> {
        let profile = ProfileInput {
            name: name.to_owned(),
            ..ProfileInput::default()
        };
        let now = self.now();
        Ok(User {
            email_verified_at: Some(now),
            ..User::new(self.new_id(), email, profile.parse()?, now)
        })
    }

    async fn account_at(&self, email: &str) -> Result<User, Failure> {
        let email = EmailAddress::parse(email)?;
        let user = users::find_by_email(&self.0.db, &email).await?;
        user.ok_or_else(|| Reason::AccountNotFound.at("email").into())
    }
}
