//! What signed-in people see of themselves.

use super::{ServiceError, Services};
use crate::db::users;
use crate::domain::session::Actor;
use crate::domain::user::User;

impl Services {
    /// The signed-in account; `None` if it was deleted in this moment.
    pub async fn me(&self, actor: Actor) -> Result<Option<User>, ServiceError> {
        Ok(users::find(&self.0.db, actor.user_id).await?)
    }
}
