//! The users that a page refers to.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::OnceCell;

use super::error::ApiError;
use crate::domain::id::UserId;
use crate::domain::user::User as Account;
use crate::service::Services;

/// The users that the items of a page refer to. They are loaded together when the first of them is
/// requested.
#[derive(Clone)]
pub(super) struct Accounts(Arc<Page>);

struct Page {
    ids: Vec<UserId>,
    loaded: OnceCell<HashMap<UserId, Account>>,
}

impl Accounts {
    pub(super) fn of(ids: impl IntoIterator<Item = UserId>) -> Self {
        let ids: HashSet<_> = ids.into_iter().collect();
        Self(Arc::new(Page {
            ids: ids.into_iter().collect(),
            loaded: OnceCell::new(),
        }))
    }

    /// One of them; `None` if it was deleted.
    pub(super) async fn get(
        &self,
        services: &Services,
        id: UserId,
    ) -> Result<Option<Account>, ApiError> {
        let Page { ids, loaded } = self.0.as_ref();
        let load = async || {
            let accounts = services.accounts(ids).await?;
            Ok::<_, ApiError>(accounts.into_iter().map(|of| (of.id, of)).collect())
        };
        Ok(loaded.get_or_try_init(load).await?.get(&id).cloned())
    }
}
