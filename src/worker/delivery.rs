//! Delivering one mail: lease, render, send, record.

use std::any::Any;
use std::future::Future;
use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::config::MailConfig;
use crate::domain::id::MailId;
use crate::domain::mail::{
    DeliveryError, DeliveryErrorKind, MailContext, OutboxMail, RenderedMail,
};
use crate::mail::templates::Templates;
use crate::mail::{Mailer, Sent};
use crate::queue::{Job, Queue};
use crate::service::{LeasedMail, ServiceError, Services};
use crate::telemetry::{self, event};

/// What a provider may need beyond the send deadline.
const SLACK: Duration = Duration::from_secs(2);
/// A mail that was sent but not recorded is sent again, so recording is retried.
const RECORD_ATTEMPTS: u32 = 5;
/// The delay before the first retry of recording; it doubles.
const RECORD_PAUSE: Duration = Duration::from_millis(200);

/// Delivers mails, a bounded number at once.
pub(super) struct Delivery {
    queue: Queue,
    pub(super) services: Services,
    templates: Arc<Templates>,
    mailer: Arc<Mailer>,
    permits: Arc<Semaphore>,
    concurrency: usize,
    deadline: Duration,
    fallback_to_console: bool,
    pub(super) sends: TaskTracker,
    /// How many jobs arrived from the queue.
    jobs: AtomicUsize,
    shutdown: CancellationToken,
}

impl Delivery {
    pub(super) fn new(
        queue: Queue,
        services: Services,
        templates: Arc<Templates>,
        mailer: Arc<Mailer>,
        config: &MailConfig,
        shutdown: CancellationToken,
    ) -> Self {
        let deadline = services.send_deadline() + SLACK;
        Self {
            queue,
            services,
            templates,
            mailer,
            permits: Arc::new(Semaphore::new(config.concurrency)),
            concurrency: config.concurrency,
            deadline,
            fallback_to_console: config.fallback_to_console,
            sends: TaskTracker::new(),
            jobs: AtomicUsize::new(0),
            shutdown,
        }
    }

    /// Whether nothing is being sent.
    pub(super) fn is_idle(&self) -> bool {
        self.permits.available_permits() == self.concurrency
    }

    pub(super) fn jobs(&self) -> usize {
        self.jobs.load(Relaxed)
    }

    /// The apalis handler. It returns no error: the outbox row says what is next. Sending runs in a
    /// task of its own, because apalis drops its handlers when Redis fails.
    pub(super) async fn on_job(self: Arc<Self>, job: Job) {
        self.jobs.fetch_add(1, Relaxed);
        let id = self.queue.taken(&job);
        let Some(permit) = self.permit().await else {
            return;
        };
        let this = Arc::clone(&self);
        let sending = self.sends.spawn(async move {
            let _permit = permit;
            match this.services.lease_mail(id).await {
                Ok(Some(mail)) => this.deliver(mail).await,
                Ok(None) => {}
                Err(error) => report(&error, Some(id), "cannot lease the mail"),
            }
        });
        // A panic was logged by the panic hook; the mail is retried when its lease ends.
        let _ = sending.await;
    }

    /// Begins to deliver as many due mails as there are permits. Whether there may be more.
    pub(super) async fn deliver_due(self: &Arc<Self>) -> bool {
        let Some(permit) = self.permit().await else {
            return false;
        };
        let more = std::iter::from_fn(|| Arc::clone(&self.permits).try_acquire_owned().ok());
        let permits: Vec<_> = std::iter::once(permit).chain(more).collect();
        let asked = permits.len();
        let mails = match self.services.lease_due_mails(asked).await {
            Ok(mails) => mails,
            Err(error) => {
                report(&error, None, "cannot read the outbox");
                return false;
            }
        };
        let more = mails.len() == asked;
        for (mail, permit) in mails.into_iter().zip(permits) {
            let this = Arc::clone(self);
            self.sends.spawn(async move {
                let _permit = permit;
                this.deliver(mail).await;
            });
        }
        more
    }

    /// Waits for permission to send a mail. `None` once the worker stops.
    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => None,
            permit = Arc::clone(&self.permits).acquire_owned() => permit.ok(),
        }
    }

    async fn deliver(&self, mail: OutboxMail) {
        let id = mail.id;
        match self.services.prepare_mail(mail).await {
            Ok(Some(leased)) => self.deliver_leased(&leased).await,
            Ok(None) => {}
            Err(error) => report(&error, Some(id), "cannot prepare the mail"),
        }
    }

    async fn deliver_leased(&self, leased: &LeasedMail) {
        let (begun, span) = (Instant::now(), telemetry::mail_span());
        telemetry::describe(&span, "mail.kind", leased.mail.content.kind().name());
        let attempt = self.attempt(leased).instrument(span.clone());
        let attempt = AssertUnwindSafe(attempt).catch_unwind();
        let outcome = match timeout(self.deadline, attempt).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panic)) => {
                let message = format!("panicked: {}", panic_message(&*panic));
                Err(DeliveryError::transient(DeliveryErrorKind::Other, message))
            }
            Err(_) => {
                let message = format!("not sent within {} s", self.deadline.as_secs());
                Err(DeliveryError::transient(DeliveryErrorKind::Other, message))
            }
        };
        let (provider, word) = match &outcome {
            Ok(sent) => (sent.provider, "sent"),
            Err(error) => (error.provider, "failed"),
        };
        telemetry::describe(&span, "mail.provider", provider);
        telemetry::describe(&span, "mail.outcome", word);
        let metrics = self.services.metrics();
        metrics.mail_send(provider, word, begun.elapsed());
        match outcome {
            Ok(sent) => self.record_sent(leased, &sent).await,
            Err(error) => self.record_failure(leased, &error).await,
        }
    }

    /// Renders and sends.
    async fn attempt(&self, leased: &LeasedMail) -> Result<Sent, DeliveryError> {
        let LeasedMail { mail, context, .. } = leased;
        let rendered = self.templates.render(context).map_err(|error| {
            DeliveryError::permanent(DeliveryErrorKind::Other, error.to_string())
        })?;
        self.mailer
            .send(&RenderedMail {
                id: mail.id,
                kind: mail.content.kind(),
                to: mail.recipient.clone(),
                subject: rendered.subject,
                text: rendered.text,
                html: rendered.html,
                code: context.code.clone(),
                link: context.link.clone(),
            })
            .await
    }

    async fn record_sent(&self, leased: &LeasedMail, sent: &Sent) {
        let (mail, refusals) = (&leased.mail, sent.refusals.as_deref());
        self.count(leased, "sent", sent.provider);
        event::emit(event::EmailSent {
            email: &mail.recipient,
            user_id: mail.user_id,
            mail_id: mail.id,
            kind: mail.content.kind().name(),
            provider: sent.provider,
            attempt_number: mail.attempts,
            detail: refusals,
        });
        let recorded = persist(|| self.services.mail_sent(leased, sent.provider, refusals)).await;
        if let Err(error) = recorded {
            event::emit(event::InternalError {
                user_id: mail.user_id,
                mail_id: Some(mail.id),
                reason: Some("mail sent, but not recorded: it will be sent again"),
                ..event::InternalError::new(&error)
            });
        }
    }

    async fn record_failure(&self, leased: &LeasedMail, error: &DeliveryError) {
        let recorded = persist(|| self.services.mail_failed(leased, error)).await;
        let outcome = if matches!(recorded, Ok(None)) {
            "dead"
        } else {
            "retry"
        };
        self.count(leased, outcome, error.provider);
        let (mail, provider, detail) = (&leased.mail, error.provider, error.message.as_str());
        match recorded {
            Ok(Some(delay)) => event::emit(event::EmailSendFailed {
                email: &mail.recipient,
                user_id: mail.user_id,
                mail_id: mail.id,
                kind: mail.content.kind().name(),
                provider,
                attempt_number: mail.attempts,
                retry_after_seconds: delay.num_seconds(),
                detail,
            }),
            Ok(None) => {
                event::emit(event::EmailDead {
                    email: &mail.recipient,
                    user_id: mail.user_id,
                    mail_id: mail.id,
                    kind: mail.content.kind().name(),
                    provider,
                    attempt_number: mail.attempts,
                    detail,
                });
                if self.fallback_to_console {
                    print_secret(leased);
                }
            }
            Err(error) => event::emit(event::InternalError {
                user_id: mail.user_id,
                mail_id: Some(mail.id),
                detail: Some(detail),
                reason: Some("mail not sent, and not recorded: tried again when its lease ends"),
                ..event::InternalError::new(&error)
            }),
        }
    }

    fn count(&self, leased: &LeasedMail, outcome: &'static str, provider: &'static str) {
        let (mail, metrics) = (&leased.mail, self.services.metrics());
        metrics.mail(mail.content.kind().name(), outcome, provider);
        if outcome != "retry" {
            metrics.mail_attempts(outcome, mail.attempts);
        }
    }
}

fn report(error: &ServiceError, mail_id: Option<MailId>, reason: &str) {
    event::emit(event::InternalError {
        mail_id,
        reason: Some(reason),
        ..event::InternalError::new(error)
    });
}

/// Records a result, and retries if the database fails.
async fn persist<T, F: Future<Output = Result<T, ServiceError>>>(
    record: impl Fn() -> F,
) -> Result<T, ServiceError> {
    let mut pause = RECORD_PAUSE;
    for _ in 1..RECORD_ATTEMPTS {
        if let Ok(recorded) = record().await {
            return Ok(recorded);
        }
        sleep(pause).await;
        pause *= 2;
    }
    record().await
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// Prints the code or link of a dead mail on the console. Not through the logger: logs must not
/// contain secrets.
fn print_secret(leased: &LeasedMail) {
    let MailContext { code, link, .. } = &leased.context;
    let secret = match (code, link) {
        (Some(code), _) => format!("Code: {}", code.expose()),
        (None, Some(link)) => format!("Link: {}", link.expose()),
        (None, None) => return,
    };
    let rule = "=".repeat(64);
    // Standard output may be closed.
    let _ = writeln!(
        std::io::stdout().lock(),
        "{rule}\n  MAIL NOT SENT ({})\n  To:   {}\n  {secret}\n{rule}",
        leased.mail.content.kind(),
        leased.mail.recipient.as_str(),
    );
}
