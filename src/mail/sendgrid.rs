//! SendGrid by its HTTP API: `POST /v3/mail/send`, one mail a request.

use std::fmt;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};

use super::advice::connection_error_kind;
use super::message::{AUTOMATIC, message_id};
use super::{one_line, presentable};
use crate::config::{MailConfig, SendGridConfig};
use crate::domain::clock::Clock;
use crate::domain::email::EmailAddress;
use crate::domain::mail::{DeliveryError, DeliveryErrorKind, RenderedMail};
use crate::telemetry::with_sources;

pub(super) const NAME: &str = "sendgrid";

/// How long an unused connection is kept.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// How much of an answer is read.
const ANSWER_MAX_BYTES: usize = 8 * 1024;

/// Decides what an answer means: `None` is success, else the kind and whether it is permanent.
/// Keep the table in `docs/email.md` in step.
fn failure(status: u16) -> Option<(DeliveryErrorKind, bool)> {
    match status {
        202 => None,
        401 => Some((DeliveryErrorKind::KeyRefused, true)),
        403 => Some((DeliveryErrorKind::Forbidden, true)),
        408 | 429 | 500..=599 => Some((DeliveryErrorKind::Unavailable, false)),
        400..=499 => Some((DeliveryErrorKind::ContentRefused, true)),
        // 200 is the sandbox, which drops the mail; redirects and anything else do not come from
        // SendGrid.
        _ => Some((DeliveryErrorKind::Other, false)),
    }
}

/// SendGrid.
pub(super) struct SendGridProvider {
    config: SendGridConfig,
    from: EmailAddress,
    from_name: String,
    client: Client,
    clock: Clock,
}

impl fmt::Debug for SendGridProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SendGridProvider")
            .field(&self.config)
            .finish()
    }
}

impl SendGridProvider {
    pub(super) fn new(
        config: &SendGridConfig,
        mail: &MailConfig,
        clock: Clock,
    ) -> Result<Self, String> {
        let client = Client::builder()
            .redirect(Policy::none())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(mail.concurrency)
            .connect_timeout(mail.timeout)
            .user_agent(concat!("gatelodge/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self {
            config: config.clone(),
            from: mail.from_address.clone(),
            from_name: one_line(&mail.from_name),
            client: client.map_err(|error| error.to_string())?,
            clock,
        })
    }

    /// Sends a mail, without a deadline. Dropping the future closes the connection.
    pub(super) async fn send(&self, mail: &RenderedMail) -> Result<(), DeliveryError> {
        let request = self
            .client
            .post(format!("{}/v3/mail/send", self.config.base_url))
            .bearer_auth(self.config.api_key.expose_secret())
            .json(&self.request(mail));
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Err(self.no_answer(&error.without_url())),
        };
        let status = response.status().as_u16();
        let Some((kind, permanent)) = failure(status) else {
            return Ok(());
        };
        let retry_after = self.retry_after(response.headers());
        let words = self.words_of(response).await;
        let message = match kind {
            DeliveryErrorKind::KeyRefused | DeliveryErrorKind::Forbidden => {
                format!("{status} key refused: {words}")
            }
            _ => format!("{status} {words}"),
        };
        Err(DeliveryError {
            permanent,
            retry_after,
            ..DeliveryError::transient(kind, message.trim_end_matches([':', ' ']))
        })
    }

    /// The request's body.
    fn request(&self, mail: &RenderedMail) -> Value {
        let message_id = message_id(mail, self.from.as_str());
        let mut headers: serde_json::Map<String, Value> = AUTOMATIC
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).into()))
            .collect();
        // Allowed, but SendGrid may put one of its own in its place; the argument below stays.
        headers.insert("Message-ID".to_owned(), message_id.clone().into());
        let off = json!({ "enable": false });
        json!({
            "personalizations": [{ "to": [{ "email": mail.to.as_str() }] }],
            "from": { "email": self.from.as_str(), "name": self.from_name },
            "subject": one_line(&mail.subject),
            "content": [
                { "type": "text/plain", "value": mail.text },
                { "type": "text/html", "value": mail.html },
            ],
            "headers": headers,
            "custom_args": { "message_id": message_id },
            // Tracking would lead links with tokens through a third party.
            "tracking_settings": {
                "click_tracking": { "enable": false, "enable_text": false },
                "open_tracking": off,
                "subscription_tracking": off,
                "ganalytics": off,
            },
        })
    }

    fn no_answer(&self, error: &reqwest::Error) -> DeliveryError {
        let kind = if error.is_dns() {
            DeliveryErrorKind::UnknownHost
        } else if error.is_timeout() {
            DeliveryErrorKind::Timeout
        } else {
            connection_error_kind(error)
        };
        DeliveryError::transient(kind, self.presentable(&with_sources(error)))
    }

    /// What the answer says, less the key should it echo the request.
    async fn words_of(&self, mut response: Response) -> String {
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() >= ANSWER_MAX_BYTES {
                body.truncate(ANSWER_MAX_BYTES);
                break;
            }
        }
        let words = match serde_json::from_slice::<Answer>(&body) {
            Ok(answer) => {
                let messages: Vec<_> = answer.errors.iter().map(Complaint::words).collect();
                messages.join("; ")
            }
            Err(_) => String::from_utf8_lossy(&body).into_owned(),
        };
        self.presentable(&words)
    }

    fn presentable(&self, text: &str) -> String {
        presentable(text, &[self.config.api_key.expose_secret()])
    }

    /// When it wants to be asked again: `Retry-After` in seconds, or the moment, in seconds of Unix
    /// time, at which SendGrid says that its limit ends.
    fn retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
        let now = self.clock.now().timestamp();
        let seconds = number(RETRY_AFTER.as_str())
            .or_else(|| number("x-ratelimit-reset").map(|at| at.saturating_sub(now)))?;
        u64::try_from(seconds).ok().map(Duration::from_secs)
    }
}

#[derive(Deserialize)]
struct Answer {
    errors: Vec<Complaint>,
}

#[derive(Deserialize)]
struct Complaint {
    message: String,
    field: Option<String>,
}

impl Complaint {
    fn words(&self) -> String {
        match &self.field {
            Some(field) => format!("{field}: {}", self.message),
            None => self.message.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_success_transient_or_permanent() {
        assert_eq!(failure(202), None);
        for status in [400, 401, 403, 404, 413] {
            assert!(failure(status).unwrap().1, "{status}");
        }
        for status in [200, 302, 408, 429, 500, 503] {
            assert!(!failure(status).unwrap().1, "{status}");
        }
    }
}
