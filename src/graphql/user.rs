//! Users.

use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};

use super::connection::page;
use super::context::ContextExt;
use super::error::ApiError;
use super::team::{TeamMembershipConnection, teams_of_user};
use crate::domain::operation::UserSession;
use crate::domain::user::User as Account;

#[derive(Clone)]
pub(super) struct User {
    account: Account,
    /// Whether the reader has just authenticated as this user.
    is_own: bool,
}

impl User {
    /// A user for a reader who has just authenticated as this user, by a code, a password or a
    /// token.
    pub(super) fn own(account: Account) -> Self {
        Self {
            account,
            is_own: true,
        }
    }

    /// A user for any reader.
    pub(super) fn of_another(account: Account) -> Self {
        Self {
            account,
            is_own: false,
        }
    }

    /// A value that only the user and superusers can read.
    fn private<T>(&self, ctx: &Context<'_>, fact: Option<T>) -> Option<T> {
        let allowed = self.is_own
            || ctx
                .operation()
                .session()
                .is_some_and(|actor| actor.user_id == self.account.id || actor.is_superuser);
        fact.filter(|_| allowed)
    }
}

/// A user.
#[Object]
impl User {
    /// The ID of the user, which is the `sub` claim of their access tokens.
    async fn id(&self) -> ID {
        self.account.id.to_string().into()
    }

    /// The email address, in lower case.
    async fn email(&self) -> &str {
        self.account.email.as_str()
    }

    /// The display name.
    async fn name(&self) -> &str {
        &self.account.profile.name
    }

    /// The given name.
    async fn first_name(&self) -> Option<&str> {
        self.account.profile.first_name.as_deref()
    }

    /// The family name.
    async fn last_name(&self) -> Option<&str> {
        self.account.profile.last_name.as_deref()
    }

    /// When the user was created.
    async fn created_at(&self) -> DateTime<Utc> {
        self.account.created_at
    }

    /// Whether the email address is verified. Null for other users.
    async fn email_verified(&self, ctx: &Context<'_>) -> Option<bool> {
        self.private(ctx, Some(self.account.email_verified_at.is_some()))
    }

    /// Whether the user can sign in with a password. Null for other users.
    async fn has_password(&self, ctx: &Context<'_>) -> Option<Result<bool, ApiError>> {
        self.private(ctx, Some(()))?;
        let has_password = ctx.services().has_password(self.account.id).await;
        Some(has_password.map_err(ApiError::from))
    }

    /// Whether the user can sign in; false if an administrator disabled them. Null for other users.
    async fn is_active(&self, ctx: &Context<'_>) -> Option<bool> {
        self.private(ctx, Some(self.account.is_active))
    }

    /// Whether the user counts as an admin of every team. Null for other users.
    async fn is_superuser(&self, ctx: &Context<'_>) -> Option<bool> {
        self.private(ctx, Some(self.account.is_superuser))
    }

    /// The phone number. Null for other users.
    async fn phone(&self, ctx: &Context<'_>) -> Option<&str> {
        self.private(ctx, self.account.profile.phone.as_deref())
    }

    /// The company. Null for other users.
    async fn company(&self, ctx: &Context<'_>) -> Option<&str> {
        self.private(ctx, self.account.profile.company.as_deref())
    }

    /// When the user was last changed. Null for other users.
    async fn updated_at(&self, ctx: &Context<'_>) -> Option<DateTime<Utc>> {
        self.private(ctx, Some(self.account.updated_at))
    }

    /// The teams of the user in the order of joining. A page has 20 items by default and at most
    /// 100. Null for other users.
    async fn teams(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The number of items from the beginning, or after `after`.")]
        first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "The number of items from the end, or before `before`.")] last: Option<
            i32,
        >,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Option<Result<TeamMembershipConnection, ApiError>> {
        self.private(ctx, Some(()))?;
        let id = self.account.id;
        // A user who has just authenticated is not signed in yet within this request.
        let may_see = |actor: &UserSession| actor.user_id == id || actor.is_superuser;
        let viewer = ctx.operation().session().filter(may_see);
        let of = (id, self.clone());
        let teams = async {
            let page = page(first, after, last, before)?;
            teams_of_user(ctx.services(), of, viewer, page).await
        };
        Some(teams.await)
    }

    /// When the user last signed in. Null for other users.
    async fn last_login_at(&self, ctx: &Context<'_>) -> Option<DateTime<Utc>> {
        self.private(ctx, self.account.last_login_at)
    }
}
