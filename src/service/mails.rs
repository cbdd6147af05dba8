//! What an operator sees of the outbox, and does about it.

use super::outbox::SecretStatus;
use super::{ServiceError, Services};
use crate::db::{mail_attempts, mail_records};
use crate::domain::clock::Timestamp;
use crate::domain::id::MailId;
use crate::domain::mail::{MailAttempt, MailRecord, MailState};

/// A mail with its history.
#[derive(Debug)]
pub struct MailDetails {
    /// The mail.
    pub record: MailRecord,
    /// Every try of which the end is known, the first one first.
    pub attempts: Vec<MailAttempt>,
    /// Whether its code or link, if it carries one, still works.
    pub is_worth_sending: bool,
    /// Whether somebody is sending it right now.
    pub is_held: bool,
}

/// The result of retrying a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It is due now.
    Due,
    /// There is no such mail.
    Unknown,
    /// It was sent.
    Sent,
    /// It was cancelled.
    Cancelled,
    /// Somebody is sending it right now.
    Held,
    /// Its recipient's account was erased.
    Erased,
    /// Its code or link is used, replaced or over: it would be cancelled.
    Worthless,
}

/// The result of retrying all dead mails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetriedMails {
    /// How many are due now.
    pub due: u64,
    /// How many stay dead: their code or link is used, replaced or over.
    pub left: u64,
}

impl Services {
    /// The newest mails, those in a state or all.
    pub async fn newest_mails(
        &self,
        state: Option<MailState>,
        limit: u64,
    ) -> Result<Vec<MailRecord>, ServiceError> {
        Ok(mail_records::newest(&self.0.db, state, limit).await?)
    }

    /// A mail with its history. Nothing of it is secret.
    pub async fn mail_details(&self, id: MailId) -> Result<Option<MailDetails>, ServiceError> {
        let now = self.now();
        let Some(record) = mail_records::find(&self.0.db, id).await? else {
            return Ok(None);
        };
        Ok(Some(MailDetails {
            attempts: mail_attempts::of_mail(&self.0.db, id).await?,
            is_worth_sending: self.is_worth_sending(&record, now).await?,
            is_held: is_held(&record, now),
            record,
        }))
    }

    /// Makes a dead or waiting mail due at once, with all its tries before it. Whichever process
    /// sends mail finds it within seconds.
    pub async fn retry_mail(&self, id: MailId) -> Result<Retry, ServiceError> {
        let now = self.now();
        let Some(record) = mail_records::find(&self.0.db, id).await? else {
            return Ok(Retry::Unknown);
        };
        let refusal = match record.state {
            MailState::Sent => Some(Retry::Sent),
            MailState::Cancelled => Some(Retry::Cancelled),
            MailState::Dead | MailState::Pending if record.is_erased => Some(Retry::Erased),
            MailState::Dead | MailState::Pending if is_held(&record, now) => Some(Retry::Held),
            MailState::Dead | MailState::Pending => None,
        };
        if let Some(refusal) = refusal {
            return Ok(refusal);
        }
        if !self.is_worth_sending(&record, now).await? {
            return Ok(Retry::Worthless);
        }
        let due_at = self.0.clock.database_now();
        let is_due = mail_records::retry(&self.0.db, id, due_at).await?;
        // Else somebody took it just now.
        Ok(if is_due { Retry::Due } else { Retry::Held })
    }

    async fn is_worth_sending(
        &self,
        record: &MailRecord,
        now: Timestamp,
    ) -> Result<bool, ServiceError> {
        let secret = self.secret_of(&record.mail, now).await?;
        Ok(!matches!(secret, SecretStatus::Invalid))
    }

    /// Does so for every dead mail.
    pub async fn retry_dead_mails(&self) -> Result<RetriedMails, ServiceError> {
        let mut retried = RetriedMails { due: 0, left: 0 };
        for id in mail_records::dead(&self.0.db).await? {
            match self.retry_mail(id).await? {
                Retry::Due => retried.due += 1,
                Retry::Worthless => retried.left += 1,
                // Somebody else was quicker.
                _ => {}
            }
        }
        Ok(retried)
    }
}

fn is_held(record: &MailRecord, now: Timestamp) -> bool {
    record.state == MailState::Pending && record.leased_until.is_some_and(|until| until > now)
}
