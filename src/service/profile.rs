//! The signed-in user's own profile and account.

use std::collections::HashSet;

use super::error::InvalidInput;
use super::sign_in::Revocations;
use super::{Caller, Failure, Reason, ServiceError, Services};
use crate::db::users::{self, Field};
use crate::db::{credentials, invitations, outbox, sessions};
use crate::domain::credential::CredentialKind;
use crate::domain::email::EmailAddress;
use crate::domain::id::UserId;
use crate::domain::user::{ProfileChanges, User};
use crate::telemetry::event;

impl Caller {
    /// The signed-in user; `None` if they have just been deleted.
    pub async fn me(&self) -> Result<Option<User>, ServiceError> {
        match self.session() {
            Some(session) => Ok(users::find(&self.0.db, session.user_id).await?),
            None => Ok(None),
        }
    }

    pub async fn update_me(&self, changes: ProfileChanges) -> Result<User, Failure> {
        let mut user = self.own_account().await?;
        let fields: Vec<_> = [
            (changes.name.is_some(), Field::Name),
            (changes.first_name.is_some(), Field::FirstName),
            (changes.last_name.is_some(), Field::LastName),
            (changes.phone.is_some(), Field::Phone),
            (changes.company.is_some(), Field::Company),
        ]
        .into_iter()
        .filter_map(|(is_changed, field)| is_changed.then_some(field))
        .collect();
        user.profile = user.profile.changed(changes)?;
        user.updated_at = self.now();
        users::update(&self.0.db, &user, &fields).await?;
        Ok(user)
    }

    /// Deletes the signed-in user, who confirms it with their email address.
    pub async fn delete_me(&self, confirm_email: &str) -> Result<UserId, Failure> {
        let user = self.own_account().await?;
        let confirmed = EmailAddress::parse(confirm_email).is_ok_and(|email| email == user.email);
        if !confirmed {
            return Err(Reason::InvalidInput(InvalidInput::NotConfirmed)
                .at("confirmEmail")
                .into());
        }
        let now = self.now();
        let tx = self.begin_erasure(&user).await?;
        let ended = sessions::live_of_user(&tx, user.id, now).await?;
        outbox::erase_of_user(&tx, user.id, &user.email).await?;
        invitations::delete_ended_of(&tx, &user.email).await?;
        users::delete(&tx, user.id).await?;
        tx.commit().await?;
        let sessions = ended.into_iter().map(|session| session.id).collect();
        self.publish(Revocations {
            sessions,
            mail: None,
        })
        .await;
        self.emit(event::AccountDeleted {
            email: &user.email,
            user_id: user.id,
        });
        Ok(user.id)
    }

    pub(super) async fn own_account(&self) -> Result<User, Failure> {
        let user = users::find(&self.0.db, self.user()?.user_id).await?;
        user.ok_or_else(|| Reason::AccountNotFound.into())
    }
}

impl Services {
    /// Users for a caller who may see them already.
    pub async fn accounts(&self, ids: &[UserId]) -> Result<Vec<User>, ServiceError> {
        Ok(users::find_all(&self.0.db, ids).await?)
    }

    /// Those of the users who have a password.
    pub async fn users_with_password(
        &self,
        ids: &[UserId],
    ) -> Result<HashSet<UserId>, ServiceError> {
        Ok(credentials::find_users(&self.0.db, ids, CredentialKind::Password).await?)
    }
}
