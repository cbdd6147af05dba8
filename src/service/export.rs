//! What is held about a person, for that person.

use super::{Failure, Reason, Services};
use crate::db::export::{self, Export};
use crate::domain::email::EmailAddress;
use crate::domain::operation::OperationContext;

impl Services {
    /// Everything that is held about an address and its account: no secrets, no hashes.
    /// [`Reason::AccountNotFound`] if nothing is.
    pub async fn export(&self, ctx: &OperationContext, email: &str) -> Result<Export, Failure> {
        let email = EmailAddress::parse(email)?;
        let export = export::of_email(&self.0.db, &email, ctx.now()).await?;
        if export.is_empty() {
            return Err(Reason::AccountNotFound.at("email").into());
        }
        Ok(export)
    }
}
