//! Accounts.

use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};

use super::connection::PageArguments;
use super::context::ContextExt;
use super::error::ApiError;
use super::team::TeamMembershipConnection;
use crate::domain::operation::UserSession;
use crate::domain::user::User as Account;

/// An account.
#[derive(Clone)]
pub(super) struct User {
    account: Account,
    /// Whether it is shown to whoever has just proved that it is theirs.
    is_own: bool,
}

impl User {
    /// An account for whoever has just proved that it is theirs, by a code, a password or a token.
    pub(super) fn own(account: Account) -> Self {
        Self {
            account,
            is_own: true,
        }
    }

    /// An account for others to see, and for itself if it is the signed-in one.
    pub(super) fn of_another(account: Account) -> Self {
        Self {
            account,
            is_own: false,
        }
    }

    /// A fact for the account's own eyes and a superuser's.
    fn private<T>(&self, ctx: &Context<'_>, fact: Option<T>) -> Option<T> {
        let allowed = self.is_own
            || ctx
                .operation()
                .session()
                .is_some_and(|actor| actor.user_id == self.account.id || actor.is_superuser);
        fact.filter(|_| allowed)
    }
}

/// An account.
#[Object]
impl User {
    /// Equals the `sub` claim of the account's access tokens.
    async fn id(&self) -> ID {
        self.account.id.to_string().into()
    }

    /// The address, in lower case.
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

    /// When the account was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.account.created_at
    }

    /// Whether the address was proved. For the account's own eyes; null for anyone else.
    async fn email_verified(&self, ctx: &Context<'_>) -> Option<bool> {
        self.private(ctx, Some(self.account.email_verified_at.is_some()))
    }

    /// Whether the account can log in with a password. For the account's own eyes; null for
    /// anyone else.
    async fn has_password(&self, ctx: &Context<'_>) -> Option<bool> {
        self.private(ctx, Some(self.account.has_password))
    }

    /// Whether the account may be used. For the account's own eyes; null for anyone else.
    async fn is_active(&self, ctx: &Context<'_>) -> Option<bool> {
        self.private(ctx, Some(self.account.is_active))
    }

    /// Whether the account counts as an admin of every team. For the account's own eyes; null for
    /// anyone else.
    async fn is_superuser(&self, ctx: &Context<'_>) -> Option<bool> {
        self.private(ctx, Some(self.account.is_superuser))
    }

    /// A telephone number. For the account's own eyes; null for anyone else.
    async fn phone(&self, ctx: &Context<'_>) -> Option<&str> {
        self.private(ctx, self.account.profile.phone.as_deref())
    }

    /// The company. For the account's own eyes; null for anyone else.
    async fn company(&self, ctx: &Context<'_>) -> Option<&str> {
        self.private(ctx, self.account.profile.company.as_deref())
    }

    /// When the account was last changed. For the account's own eyes; null for anyone else.
    async fn updated_at(&self, ctx: &Context<'_>) -> Option<DateTime<Utc>> {
        self.private(ctx, Some(self.account.updated_at))
    }

    /// The account's teams, in the order of joining. For the account's own eyes; null for anyone
    /// else.
    async fn teams(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "So many from the beginning, or after `after`.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "So many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Option<Result<TeamMembershipConnection, ApiError>> {
        self.private(ctx, Some(()))?;
        let id = self.account.id;
        // Whoever has just proved to own the account need not be signed in to it yet.
        let may_see = |actor: &UserSession| actor.user_id == id || actor.is_superuser;
        let viewer = ctx.operation().session().filter(may_see);
        let arguments = PageArguments {
            first,
            after,
            last,
            before,
        };
        let of = (id, self.clone());
        Some(TeamMembershipConnection::of_user(ctx.services(), of, viewer, arguments).await)
    }

    /// When the account last signed in. For the account's own eyes; null for anyone else.
    async fn last_login_at(&self, ctx: &Context<'_>) -> Option<DateTime<Utc>> {
        self.private(ctx, self.account.last_login_at)
    }
}
