//! What is held about a person, for that person.

use super::{Failure, Reason, Services};
use crate::db::record;
use crate::domain::email::EmailAddress;
use crate::domain::record::Record;

impl Services {
    /// Everything that is held about an address and its account: no secrets, no hashes.
    /// [`Reason::AccountNotFound`] if nothing is.
    pub async fn export(&self, email: &str) -> Result<Record, Failure> {
        let email = EmailAddress::parse(email)?;
        let record = record::of_email(&self.0.db, &email, self.now()).await?;
        if record.is_empty() {
            return Err(Reason::AccountNotFound.at("email").into());
        }
        Ok(record)
    }
}
