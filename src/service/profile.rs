//! What signed-in people see and do about their own account.

use super::codes::facts;
use super::passwords::Cleared;
use super::{Failure, Reason, ServiceError, Services};
use crate::db::users::{self, Field};
use crate::db::{invitations, outbox, sessions};
use crate::domain::client::Client;
use crate::domain::email::EmailAddress;
use crate::domain::id::UserId;
use crate::domain::session::Actor;
use crate::domain::user::{ProfileChanges, User};
use crate::telemetry::{Event, Facts};

impl Services {
    /// The signed-in account; `None` if it was deleted in this moment.
    pub async fn me(&self, actor: Actor) -> Result<Option<User>, ServiceError> {
        Ok(users::find(&self.0.db, actor.user_id).await?)
    }

    /// Changes what the signed-in account says about itself.
    pub async fn update_me(&self, actor: Actor, changes: ProfileChanges) -> Result<User, Failure> {
        let mut user = self.account_of(actor).await?;
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

    /// Erases the signed-in account. `confirm_email` is its address, typed again.
    pub async fn delete_me(
        &self,
        actor: Actor,
        confirm_email: &str,
        client: &Client,
    ) -> Result<UserId, Failure> {
        let user = self.account_of(actor).await?;
        let confirmed = EmailAddress::parse(confirm_email).is_ok_and(|email| email == user.email);
        if !confirmed {
            return Err(Reason::NotConfirmed.at("confirmEmail").into());
        }
        let now = self.now();
        let tx = self.begin_erasure(&user).await?;
        let ended = sessions::live_of_user(&tx, user.id, now).await?;
        outbox::erase_of_user(&tx, user.id, &user.email).await?;
        invitations::delete_ended_of(&tx, &user.email).await?;
        users::delete(&tx, user.id).await?;
        tx.commit().await?;
        let sessions = ended.into_iter().map(|session| session.id).collect();
        self.announce(Cleared {
            sessions,
            mail: None,
        })
        .await;
        Event::AccountDeleted.emit(Facts {
            user_id: Some(user.id),
            ..facts(&user.email, client)
        });
        Ok(user.id)
    }

    /// Accounts by their identifiers, for those who may see them already.
    pub async fn accounts(&self, ids: &[UserId]) -> Result<Vec<User>, ServiceError> {
        Ok(users::find_all(&self.0.db, ids).await?)
    }

    /// The signed-in account, for changing it.
    pub(super) async fn account_of(&self, actor: Actor) -> Result<User, Failure> {
        let user = users::find(&self.0.db, actor.user_id).await?;
        user.ok_or_else(|| Reason::AccountNotFound.into())
    }
}
