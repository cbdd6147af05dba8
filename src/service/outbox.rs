//! Sending the mails of the outbox: each is leased by one worker at a time.

use std::time::Duration as StdDuration;

use chrono::Duration;
use uuid::Uuid;

use super::{ServiceError, Services};
use crate::crypto::random_fraction;
use crate::db::{codes, outbox};
use crate::domain::clock::Timestamp;
use crate::domain::code::{Code, Purpose, VerificationCode};
use crate::domain::email::EmailAddress;
use crate::domain::id::{MailId, UserId};
use crate::domain::mail::{
    AttemptOutcome, BACKOFF_MAX, DeliveryError, Link, Mail, MailAttempt, MailContext, OutboxMail,
    SecretKind, backoff,
};
use crate::telemetry::event;

/// The time that a lease lasts beyond the send deadline, for rendering and recording.
const LEASE_SLACK: StdDuration = StdDuration::from_secs(30);

/// A mail to be sent now, with the values for its template.
#[derive(Debug)]
pub struct LeasedMail {
    pub mail: OutboxMail,
    pub context: MailContext,
    pub valid_until: Option<Timestamp>,
    /// When this attempt began.
    pub started_at: Timestamp,
}

/// The code or link of a mail.
pub(super) struct MailSecret {
    code: Option<Code>,
    link: Option<Link>,
    lifetime: Duration,
    valid_until: Timestamp,
}

pub(super) enum SecretStatus {
    /// Its code or link was used, replaced, revoked or has expired.
    Invalid,
    /// It has no code or link.
    NotNeeded,
    Valid(MailSecret),
}

impl Services {
    /// Insert it in the transaction of the change that it reports.
    pub(super) fn new_mail(
        &self,
        content: Mail,
        recipient: &EmailAddress,
        user_id: Option<UserId>,
        refers_to: Option<Uuid>,
    ) -> OutboxMail {
        let now = self.0.clock.database_now();
        let recipient = recipient.clone();
        OutboxMail::new(self.new_id(), content, recipient, user_id, refers_to, now)
    }

    /// Wakes a worker to deliver a mail whose transaction is committed. If this fails, the sweeper
    /// delivers it.
    pub(super) async fn enqueue(&self, mail: MailId) {
        if let Err(error) = self.0.queue.enqueue(mail).await {
            self.0
                .throttle
                .emit(event::QueueUnavailable { error: &error });
        }
    }

    /// The time after which another worker may send the mail.
    pub fn send_deadline(&self) -> StdDuration {
        let providers = u32::try_from(self.0.mail.providers.len()).unwrap_or(u32::MAX);
        self.0.mail.timeout.saturating_mul(providers)
    }

    /// Leases a mail for sending. `None` if it is not due or leased by another worker.
    pub async fn lease_mail(&self, id: MailId) -> Result<Option<OutboxMail>, ServiceError> {
        let (now, until) = self.lease();
        Ok(outbox::lease(&self.0.db, id, now, until).await?)
    }

    /// Leases up to `limit` due mails for sending.
    pub async fn lease_due_mails(&self, limit: usize) -> Result<Vec<OutboxMail>, ServiceError> {
        let (now, until) = self.lease();
        Ok(outbox::lease_due(&self.0.db, limit as u64, now, until).await?)
    }

    /// The beginning and end of a lease that begins now.
    fn lease(&self) -> (Timestamp, Timestamp) {
        let now = self.0.clock.database_now();
        let lease = Duration::from_std(self.send_deadline() + LEASE_SLACK);
        (now, now + lease.unwrap_or(Duration::hours(1)))
    }

    /// Derives the secret of a leased mail. `None` if its code or link is no longer valid: then the
    /// mail is cancelled.
    pub async fn prepare_mail(&self, mail: OutboxMail) -> Result<Option<LeasedMail>, ServiceError> {
        let now = self.now();
        let secret = match self.secret_of(&mail, now).await? {
            SecretStatus::Invalid => {
                self.cancel(&mail, now).await?;
                return Ok(None);
            }
            SecretStatus::NotNeeded => None,
            SecretStatus::Valid(secret) => Some(secret),
        };
        let valid_until = secret.as_ref().map(|secret| secret.valid_until);
        let expiry_minutes = secret.as_ref().map(|secret| secret.lifetime.num_minutes());
        let (code, link) = secret.map_or((None, None), |secret| (secret.code, secret.link));
        let context = MailContext {
            mail: mail.content.clone(),
            email: mail.recipient.as_str().to_owned(),
            code,
            link,
            expiry_minutes,
        };
        Ok(Some(LeasedMail {
            mail,
            context,
            valid_until,
            started_at: now,
        }))
    }

    /// Records that the secret of a leased mail is no longer valid.
    async fn cancel(&self, mail: &OutboxMail, now: Timestamp) -> Result<(), ServiceError> {
        let cancelled = AttemptOutcome::Cancelled;
        self.finish(mail, now, cancelled, None, None, None).await?;
        self.metrics()
            .mail(mail.content.kind().name(), "cancelled", "none");
        event::emit(event::EmailCancelled {
            email: &mail.recipient,
            mail_id: mail.id,
            kind: mail.content.kind().name(),
        });
        Ok(())
    }

    /// Derives the code or link of a mail.
    pub(super) async fn secret_of(
        &self,
        mail: &OutboxMail,
        now: Timestamp,
    ) -> Result<SecretStatus, ServiceError> {
        let Some(row) = mail.refers_to else {
            return Ok(SecretStatus::NotNeeded);
        };
        let secret = if mail.content.kind().secret() == Some(SecretKind::InvitationLink) {
            let invitation = self.invitation_to_mail(row.into()).await?;
            invitation.map(|invitation| {
                let token = self.0.keys.invitation_token(&invitation);
                MailSecret {
                    code: None,
                    link: Some(self.link("accept-invitation", &token)),
                    lifetime: invitation.expires_at - invitation.created_at,
                    valid_until: invitation.expires_at,
                }
            })
        } else {
            let code = codes::find(&self.0.db, row.into()).await?;
            let code = code.filter(|code| self.is_answerable(code, now));
            code.map(|code| {
                let is_link = code.purpose == Purpose::PasswordReset;
                let token = is_link.then(|| self.0.keys.reset_token(code.id));
                MailSecret {
                    code: (!is_link).then(|| self.0.keys.code(&code, self.0.codes.format())),
                    link: token.map(|token| self.link("reset-password", &token)),
                    lifetime: code.lifetime(),
                    valid_until: code.expires_at,
                }
            })
        };
        Ok(secret.map_or(SecretStatus::Invalid, SecretStatus::Valid))
    }

    /// A link into the application, which passes the token to the API.
    fn link(&self, path: &str, token: &str) -> Link {
        Link::new(format!("{}/{path}?token={token}", self.0.app_url))
    }

    /// Records that a provider accepted a mail, and the refusals of the providers before it.
    pub async fn mail_sent(
        &self,
        mail: &LeasedMail,
        provider: &str,
        refusals: Option<&str>,
    ) -> Result<(), ServiceError> {
        let (mail, started_at) = (&mail.mail, mail.started_at);
        let (provider, sent) = (Some(provider), AttemptOutcome::Sent);
        self.finish(mail, started_at, sent, provider, refusals, None)
            .await
    }

    /// Records a failed attempt. Returns the delay before the next one, or `None` if the mail is now
    /// dead.
    pub async fn mail_failed(
        &self,
        leased: &LeasedMail,
        error: &DeliveryError,
    ) -> Result<Option<Duration>, ServiceError> {
        let mail = &leased.mail;
        let now = self.0.clock.database_now();
        let asked = error.retry_after.map(Duration::from_std);
        let asked = asked.and_then(Result::ok).unwrap_or_default();
        let delay = backoff(mail.counted_attempts(), random_fraction()).max(asked.min(BACKOFF_MAX));
        let at = now + delay;
        let max_attempts = self.0.mail.max_attempts;
        let is_dead =
            error.permanent || mail.is_hopeless(max_attempts, now, at, leased.valid_until);
        let (outcome, retry_at) = if is_dead {
            (AttemptOutcome::Dead, None)
        } else {
            (AttemptOutcome::Failed, Some(at))
        };
        let (provider, message) = (Some(error.provider), Some(error.message.as_str()));
        self.finish(
            mail,
            leased.started_at,
            outcome,
            provider,
            message,
            retry_at,
        )
        .await?;
        Ok((!is_dead).then_some(delay))
    }

    /// Records the new state of the mail and the attempt together.
    async fn finish(
        &self,
        mail: &OutboxMail,
        started_at: Timestamp,
        outcome: AttemptOutcome,
        provider: Option<&str>,
        error: Option<&str>,
        retry_at: Option<Timestamp>,
    ) -> Result<(), ServiceError> {
        let attempt = MailAttempt {
            number: mail.attempts,
            started_at,
            ended_at: self.now(),
            outcome,
            provider: provider.map(ToOwned::to_owned),
            error: error.map(ToOwned::to_owned),
        };
        let tx = self.0.db.begin().await?;
        outbox::finish(&tx, mail.id, attempt, retry_at).await?;
        Ok(tx.commit().await?)
    }

    fn is_answerable(&self, code: &VerificationCode, now: Timestamp) -> bool {
        code.is_live(now) && code.attempts < self.0.codes.max_attempts
    }
}
