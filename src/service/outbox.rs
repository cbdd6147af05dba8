//! The mails of the outbox: taken for sending one by one, each by one worker at a time.

use std::time::Duration as StdDuration;

use chrono::Duration;
use uuid::Uuid;

use super::{ServiceError, Services};
use crate::crypto::random_fraction;
use crate::db::outbox::Outcome;
use crate::db::{codes, outbox};
use crate::domain::clock::Timestamp;
use crate::domain::code::{Purpose, VerificationCode};
use crate::domain::email::EmailAddress;
use crate::domain::id::{MailId, UserId};
use crate::domain::mail::{Link, MailContext, MailKind, MailParams, OutboxMail, backoff};
use crate::telemetry::{Event, Facts};

/// What a lease lasts beyond the longest that sending may take, for rendering and recording.
const LEASE_SLACK: StdDuration = StdDuration::from_secs(30);

/// A mail held for sending, with what it says.
#[derive(Debug)]
pub struct LeasedMail {
    /// The row.
    pub mail: OutboxMail,
    /// The values for its template, the code among them.
    pub context: MailContext,
}

/// Why a mail could not be sent this time.
#[derive(Clone, Copy, Debug)]
pub struct MailFailure<'a> {
    /// Which provider failed.
    pub provider: &'a str,
    /// What it said, without any secret.
    pub message: &'a str,
    /// Whether trying again is of no use.
    pub permanent: bool,
}

/// What follows a failed try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterFailure {
    /// It is tried again.
    Retry {
        /// How long from now.
        after: Duration,
    },
    /// It is given up.
    Dead,
}

impl Services {
    /// A mail for `recipient`, to be written in the transaction of what it tells of.
    pub(super) fn new_mail(
        &self,
        kind: MailKind,
        recipient: &EmailAddress,
        user_id: Option<UserId>,
        refers_to: Option<Uuid>,
        params: MailParams,
    ) -> OutboxMail {
        OutboxMail {
            id: self.new_id(),
            kind,
            recipient: recipient.clone(),
            user_id,
            refers_to,
            params,
            attempts: 0,
            created_at: self.now(),
        }
    }

    /// Calls a worker to a mail whose transaction is committed. If nobody hears, the sweeper
    /// finds the mail.
    pub(super) async fn ring(&self, mail: MailId) {
        if let Err(error) = self.0.queue.ring(mail).await {
            self.0
                .outages
                .report(Event::QueueUnavailable, Some(&error), self.now());
        }
    }

    /// The longest that sending may take before somebody else may take the mail.
    pub fn send_deadline(&self) -> StdDuration {
        let providers = u32::try_from(self.0.mail.providers.len()).unwrap_or(u32::MAX);
        self.0.mail.timeout.saturating_mul(providers)
    }

    /// Takes a due mail for sending. `None` if there is nothing to do: it is done, not due, held
    /// by another worker, or what it tells of is over, in which case it is cancelled here.
    pub async fn lease_mail(&self, id: MailId) -> Result<Option<LeasedMail>, ServiceError> {
        let now = self.now();
        let lease =
            Duration::from_std(self.send_deadline() + LEASE_SLACK).unwrap_or(Duration::hours(1));
        let Some(mail) = outbox::lease(&self.0.db, id, now, now + lease).await? else {
            return Ok(None);
        };
        let mut context = MailContext {
            params: mail.params.clone(),
            email: mail.recipient.as_str().to_owned(),
            ..MailContext::default()
        };
        if !self.add_secret(&mail, &mut context, now).await? {
            outbox::finish(&self.0.db, id, mail.attempts, now, Outcome::Cancelled).await?;
            self.metrics().mail(mail.kind.name(), "cancelled", "none");
            Event::EmailCancelled.emit(Facts {
                mail_id: Some(id),
                email: Some(&mail.recipient),
                kind: Some(mail.kind.name()),
                ..Facts::default()
            });
            return Ok(None);
        }
        Ok(Some(LeasedMail { mail, context }))
    }

    /// Derives the code or link that a mail carries. `false` if it is worth nothing any more.
    async fn add_secret(
        &self,
        mail: &OutboxMail,
        context: &mut MailContext,
        now: Timestamp,
    ) -> Result<bool, ServiceError> {
        let Some(row) = mail.refers_to else {
            return Ok(true);
        };
        if mail.kind == MailKind::TeamInvitation {
            let invitation = self.invitation_to_mail(row.into()).await?;
            let Some(invitation) = invitation else {
                return Ok(false);
            };
            let lifetime = invitation.expires_at - invitation.created_at;
            context.expiry_minutes = Some(lifetime.num_minutes());
            let token = self.0.keys.invitation_token(&invitation);
            context.link = Some(self.link("accept-invitation", &token));
            return Ok(true);
        }
        let code = codes::find(&self.0.db, row.into()).await?;
        let Some(code) = code.filter(|code| self.is_answerable(code, now)) else {
            return Ok(false);
        };
        context.expiry_minutes = Some(code.lifetime().num_minutes());
        if code.purpose == Purpose::PasswordReset {
            let token = self.0.keys.reset_token(code.id);
            context.link = Some(self.link("reset-password", &token));
        } else {
            context.code = Some(self.0.keys.code(&code, self.0.codes.format));
        }
        Ok(true)
    }

    /// A link into the application, which hands the token to the API.
    fn link(&self, path: &str, token: &str) -> Link {
        Link::new(format!("{}/{path}?token={token}", self.0.app_url))
    }

    /// Records that a provider took a mail.
    pub async fn mail_sent(&self, mail: &LeasedMail, provider: &str) -> Result<(), ServiceError> {
        self.finish(mail, Outcome::Sent { provider }).await
    }

    /// Records a failed try and says what is next.
    pub async fn mail_failed(
        &self,
        mail: &LeasedMail,
        failure: &MailFailure<'_>,
    ) -> Result<AfterFailure, ServiceError> {
        let MailFailure {
            provider,
            message: error,
            permanent,
        } = *failure;
        if permanent || mail.mail.attempts >= self.0.mail.max_attempts {
            self.finish(mail, Outcome::Dead { provider, error }).await?;
            return Ok(AfterFailure::Dead);
        }
        let after = backoff(mail.mail.attempts, random_fraction());
        let at = self.now() + after;
        self.finish(
            mail,
            Outcome::Retry {
                provider,
                error,
                at,
            },
        )
        .await?;
        Ok(AfterFailure::Retry { after })
    }

    /// Due mails that nobody holds, the longest due first.
    pub async fn due_mails(&self, limit: u64) -> Result<Vec<MailId>, ServiceError> {
        Ok(outbox::due(&self.0.db, self.now(), limit).await?)
    }

    async fn finish(&self, mail: &LeasedMail, outcome: Outcome<'_>) -> Result<(), ServiceError> {
        let OutboxMail { id, attempts, .. } = mail.mail;
        outbox::finish(&self.0.db, id, attempts, self.now(), outcome).await?;
        Ok(())
    }

    fn is_answerable(&self, code: &VerificationCode, now: Timestamp) -> bool {
        code.is_live(now) && code.attempts < self.0.codes.max_attempts
    }
}
