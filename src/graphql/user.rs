//! Users.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_graphql::{Context, ID, Object, Result};
use tokio::sync::OnceCell;

use super::connection::page;
use super::context::ContextExt;
use super::team::{TeamMembershipConnection, teams_of};
use crate::domain::clock::Timestamp;
use crate::domain::id::UserId;
use crate::domain::operation::UserSession;
use crate::domain::user::User as Account;

/// The users that the items of a page refer to. What is requested of one of them is loaded for all.
#[derive(Clone)]
pub(super) struct Users(Arc<UserPage>);

#[derive(Default)]
struct UserPage {
    ids: Vec<UserId>,
    /// Whether the reader has just authenticated as the only user of the page.
    is_own: bool,
    accounts: OnceCell<HashMap<UserId, Account>>,
    with_password: OnceCell<HashSet<UserId>>,
}

impl Users {
    pub(super) fn of(ids: impl IntoIterator<Item = UserId>) -> Self {
        let ids: HashSet<_> = ids.into_iter().collect();
        Self(Arc::new(UserPage {
            ids: ids.into_iter().collect(),
            ..UserPage::default()
        }))
    }

    pub(super) fn loaded(accounts: impl IntoIterator<Item = Account>, is_own: bool) -> Self {
        let accounts = accounts.into_iter().map(|account| (account.id, account));
        let accounts: HashMap<_, _> = accounts.collect();
        Self(Arc::new(UserPage {
            ids: accounts.keys().copied().collect(),
            is_own,
            accounts: OnceCell::new_with(Some(accounts)),
            with_password: OnceCell::new(),
        }))
    }

    /// One of them; `None` if it was deleted.
    pub(super) async fn get(&self, ctx: &Context<'_>, id: UserId) -> Result<Option<User>> {
        let load = async || {
            let found = ctx.caller().accounts(&self.0.ids).await;
            found.map(|accounts| accounts.into_iter().map(|of| (of.id, of)).collect())
        };
        let accounts = self.0.accounts.get_or_try_init(load).await?;
        Ok(accounts.get(&id).map(|account| User {
            account: account.clone(),
            page: self.clone(),
        }))
    }
}

#[derive(Clone)]
pub(super) struct User {
    account: Account,
    page: Users,
}

impl User {
    /// A user for a reader who has just authenticated as this user, by a code, a password or a
    /// token.
    pub(super) fn own(account: Account) -> Self {
        Self {
            page: Users::loaded([account.clone()], true),
            account,
        }
    }

    /// A value that only the user and superusers can read.
    fn private<T>(&self, ctx: &Context<'_>, value: Option<T>) -> Option<T> {
        value.filter(|_| self.page.0.is_own || self.reader(ctx).is_some())
    }

    /// The signed-in user, if they may read private values of this user.
    fn reader(&self, ctx: &Context<'_>) -> Option<UserSession> {
        let session = ctx.caller().session();
        session.filter(|reader| reader.user_id == self.account.id || reader.is_superuser)
    }
}

/// A user.
#[Object]
impl User {
    /// The ID of the user, which is the `sub` claim of their access tokens.
    async fn id(&self) -> ID {
        self.account.id.into()
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
    async fn created_at(&self) -> Timestamp {
        self.account.created_at
    }

    /// Whether the email address is verified. Null for other users.
    async fn email_verified(&self, ctx: &Context<'_>) -> Option<bool> {
        self.private(ctx, Some(self.account.email_verified_at.is_some()))
    }

    /// Whether the user can sign in with a password. Null for other users.
    async fn has_password(&self, ctx: &Context<'_>) -> Option<Result<bool>> {
        self.private(ctx, Some(()))?;
        let page = &self.page.0;
        let load = async || ctx.caller().users_with_password(&page.ids).await;
        let with_password = page.with_password.get_or_try_init(load).await;
        let has_password = with_password.map(|ids| ids.contains(&self.account.id));
        Some(has_password.map_err(Into::into))
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
    async fn updated_at(&self, ctx: &Context<'_>) -> Option<Timestamp> {
        self.private(ctx, Some(self.account.updated_at))
    }

    /// The teams of the user in the order of joining. A page has 20 items by default and at most
    /// 100. Null for other users.
    async fn teams(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The number of items from the start.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "The number of items from the end.")] last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Option<Result<TeamMembershipConnection>> {
        self.private(ctx, Some(()))?;
        let teams = async {
            let page = page(first, after, last, before)?;
            teams_of(ctx, self.account.id, self.page.clone(), page).await
        };
        Some(teams.await)
    }

    /// When the user last signed in. Null for other users.
    async fn last_login_at(&self, ctx: &Context<'_>) -> Option<Timestamp> {
        self.private(ctx, self.account.last_login_at)
    }
}
