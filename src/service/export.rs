//! Everything stored about a person, for that person.

use super::{Caller, Failure, Reason};
use crate::db::export::{self, Export};
use crate::domain::email::EmailAddress;

impl Caller {
    /// Everything stored about an email address and its user, without secrets.
    /// [`Reason::AccountNotFound`] if there is nothing.
    pub async fn export(&self, email: &str) -> Result<Export, Failure> {
        let email = EmailAddress::parse(email)?;
        let export = export::of_email(&self.0.db, &email, self.now()).await?;
        if export.is_empty() {
            return Err(Reason::AccountNotFound.at("email").into());
        }
        Ok(export)
    }
}
