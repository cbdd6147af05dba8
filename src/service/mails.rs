//! The outbox for operators.

use super::outbox::SecretStatus;
use super::{ServiceError, Services};
use crate::db::{mail_attempts, mail_records};
use crate::domain::clock::Timestamp;
use crate::domain::id::MailId;
use crate::domain::mail::{MailAttempt, MailState, OutboxMail};

/// A mail with its history.
#[derive(Debug)]
pub struct MailDetails {
    pub mail: OutboxMail,
    /// Every attempt whose result was recorded, in order.
    pub attempts: Vec<MailAttempt>,
    /// Whether its code or link, if it has one, is still valid.
    pub is_valid: bool,
    /// Whether a worker is sending it now.
    pub is_leased: bool,
}

/// The result of retrying a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It is due now.
    Due,
    NotFound,
    Sent,
    Cancelled,
    /// A worker is sending it now.
    Leased,
    /// The recipient's account was deleted.
    Erased,
    /// Its code or link is no longer valid: it would be cancelled.
    Invalid,
}

/// The result of retrying all dead mails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetriedMails {
    /// How many are due now.
    pub due: u64,
    /// How many stay dead because their code or link is no longer valid.
    pub left: u64,
}

impl Services {
    /// The newest mails, those in a state or all.
    pub async fn newest_mails(
        &self,
        state: Option<MailState>,
        limit: u64,
    ) -> Result<Vec<OutboxMail>, ServiceError> {
        Ok(mail_records::newest(&self.0.db, state, limit).await?)
    }

    /// A mail with its history. Nothing of it is secret.
    pub async fn mail_details(&self, id: MailId) -> Result<Option<MailDetails>, ServiceError> {
        let now = self.now();
        let Some(mail) = mail_records::find(&self.0.db, id).await? else {
            return Ok(None);
        };
        Ok(Some(MailDetails {
            attempts: mail_attempts::of_mail(&self.0.db, id).await?,
            is_valid: self.is_valid(&mail, now).await?,
            is_leased: mail.is_leased(now),
            mail,
        }))
    }

    /// Makes a dead or waiting mail due now and forgives its earlier attempts. The next sweep of any
    /// process sends it.
    pub async fn retry_mail(&self, id: MailId) -> Result<Retry, ServiceError> {
        let now = self.now();
        let Some(mail) = mail_records::find(&self.0.db, id).await? else {
            return Ok(Retry::NotFound);
        };
        Ok(match mail.state {
            MailState::Sent => Retry::Sent,
            MailState::Cancelled => Retry::Cancelled,
            _ if mail.is_erased() => Retry::Erased,
            _ if mail.is_leased(now) => Retry::Leased,
            _ if !self.is_valid(&mail, now).await? => Retry::Invalid,
            MailState::Dead | MailState::Pending => {
                let due_at = self.0.clock.database_now();
                if mail_records::retry(&self.0.db, id, due_at).await? {
                    Retry::Due
                } else {
                    // A worker has just leased it.
                    Retry::Leased
                }
            }
        })
    }

    async fn is_valid(&self, mail: &OutboxMail, now: Timestamp) -> Result<bool, ServiceError> {
        let secret = self.secret_of(mail, now).await?;
        Ok(!matches!(secret, SecretStatus::Invalid))
    }

    /// Retries every dead mail.
    pub async fn retry_dead_mails(&self) -> Result<RetriedMails, ServiceError> {
        let mut retried = RetriedMails::default();
        for id in mail_records::dead(&self.0.db).await? {
            match self.retry_mail(id).await? {
                Retry::Due => retried.due += 1,
                Retry::Invalid => retried.left += 1,
                // Changed by another process in the meantime.
                _ => {}
            }
        }
        Ok(retried)
    }
}
