//! `gatelodge mail list`, `show` and `retry`

use anyhow::{Context, bail};
use chrono::SecondsFormat;
use serde::Serialize;

use crate::cli::{print, print_json, table};
use crate::domain::clock::Timestamp;
use crate::domain::id::MailId;
use crate::domain::mail::{MailAttempt, MailState, OutboxMail};
use crate::service::{MailDetails, RetriedMails, Retry, Services};

/// A mail in the JSON of `list` and `show`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MailJson<'a> {
    id: MailId,
    kind: &'static str,
    /// `None` once the account is deleted.
    recipient: Option<&'a str>,
    state: &'static str,
    attempts: u32,
    created_at: Timestamp,
    next_attempt_at: Option<Timestamp>,
    sent_at: Option<Timestamp>,
    provider: Option<&'a str>,
    last_error: Option<&'a str>,
}

impl<'a> From<&'a OutboxMail> for MailJson<'a> {
    fn from(mail: &'a OutboxMail) -> Self {
        let is_pending = mail.state == MailState::Pending;
        Self {
            id: mail.id,
            kind: mail.content.kind().name(),
            recipient: (!mail.is_erased()).then(|| mail.recipient.as_str()),
            state: mail.state.name(),
            attempts: mail.attempts,
            created_at: mail.created_at,
            next_attempt_at: is_pending.then_some(mail.next_attempt_at),
            sent_at: mail.sent_at,
            provider: mail.provider.as_deref(),
            last_error: mail.last_error.as_deref(),
        }
    }
}

/// The JSON of `show`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DetailsJson<'a> {
    #[serde(flatten)]
    mail: MailJson<'a>,
    retried_at: Option<Timestamp>,
    worth_sending: bool,
    being_sent: bool,
    history: &'a [MailAttempt],
}

pub(super) async fn list(
    services: &Services,
    state: Option<MailState>,
    limit: u64,
    json: bool,
) -> anyhow::Result<()> {
    let records = services.newest_mails(state, limit).await?;
    let mails: Vec<_> = records.iter().map(MailJson::from).collect();
    if json {
        return print_json(&mails);
    }
    if mails.is_empty() {
        return Ok(print("no mails")?);
    }
    let head = [
        "ID",
        "STATE",
        "KIND",
        "TO",
        "ATTEMPTS",
        "CREATED",
        "LAST ERROR",
    ];
    let mut rows = vec![head.map(ToOwned::to_owned)];
    rows.extend(mails.into_iter().map(|mail| {
        [
            mail.id.to_string(),
            mail.state.to_owned(),
            mail.kind.to_owned(),
            mail.recipient.unwrap_or("(deleted)").to_owned(),
            mail.attempts.to_string(),
            time(mail.created_at),
            mail.last_error.unwrap_or_default().to_owned(),
        ]
    }));
    Ok(print(table(&rows))?)
}

pub(super) async fn show(services: &Services, id: &str, json: bool) -> anyhow::Result<()> {
    let id = parse(id)?;
    let details = services.mail_details(id).await?;
    let details = details.with_context(|| format!("there is no mail {id}"))?;
    let mail = MailJson::from(&details.mail);
    if json {
        return print_json(&DetailsJson {
            mail,
            retried_at: details.mail.retried_at,
            worth_sending: details.is_valid,
            being_sent: details.is_leased,
            history: &details.attempts,
        });
    }
    print(table(&summary(&details, &mail)))?;
    if mail.attempts > 0 {
        print(format_args!("\n{}", table(&history(&details))))?;
    }
    Ok(())
}

fn summary(details: &MailDetails, mail: &MailJson) -> Vec<[String; 2]> {
    let state = match mail.next_attempt_at {
        Some(_) if details.is_leased => "pending, being sent right now".to_owned(),
        Some(at) => format!("pending, next attempt {}", time(at)),
        None => mail.state.to_owned(),
    };
    let secret = match (details.mail.refers_to, details.is_valid) {
        (None, _) => "without a code or link",
        (Some(_), true) => "its code or link still works",
        (Some(_), false) => "its code or link is used, replaced or expired",
    };
    let recipient = mail.recipient.unwrap_or("(deleted)");
    let rows = [
        ("mail", Some(mail.id.to_string())),
        ("kind", Some(format!("{} ({secret})", mail.kind))),
        ("to", Some(recipient.to_owned())),
        ("state", Some(state)),
        ("created", Some(time(mail.created_at))),
        ("retried", details.mail.retried_at.map(time)),
        ("sent", mail.sent_at.map(time)),
    ];
    let rows = rows.into_iter();
    rows.filter_map(|(name, value)| Some([name.to_owned(), value?]))
        .collect()
}

fn history(details: &MailDetails) -> Vec<[String; 6]> {
    let head = ["ATTEMPT", "STARTED", "TOOK", "PROVIDER", "OUTCOME", "ERROR"];
    let mut rows = vec![head.map(ToOwned::to_owned)];
    let last = details.mail.attempts;
    rows.extend((1..=last).map(|number| {
        let attempts = &mut details.attempts.iter();
        if let Some(attempt) = attempts.find(|attempt| attempt.number == number) {
            let took = attempt.ended_at - attempt.started_at;
            return [
                number.to_string(),
                time(attempt.started_at),
                format!("{:.1} s", took.as_seconds_f64()),
                attempt.provider.clone().unwrap_or_default(),
                attempt.outcome.name().to_owned(),
                attempt.error.clone().unwrap_or_default(),
            ];
        }
        let outcome = if details.is_leased && number == last {
            "under way"
        } else {
            "unknown: the process ended before it was recorded"
        };
        let [started, took, provider, error] = [const { String::new() }; 4];
        [
            number.to_string(),
            started,
            took,
            provider,
            outcome.to_owned(),
            error,
        ]
    }));
    rows
}

pub(super) async fn retry(services: &Services, id: &str) -> anyhow::Result<()> {
    let id = parse(id)?;
    let reason = match services.retry_mail(id).await? {
        Retry::Due => return Ok(print(format_args!("mail {id} is due now"))?),
        Retry::NotFound => "there is no such mail",
        Retry::Sent => "it was sent",
        Retry::Cancelled => "it was cancelled: its code or link no longer worked",
        Retry::Leased => "it is being sent right now",
        Retry::Erased => "its recipient's account was deleted",
        Retry::Invalid => {
            "its code or link is used, replaced or expired; the user can request a new one"
        }
    };
    bail!("mail {id} is not retried: {reason}")
}

pub(super) async fn retry_dead(services: &Services) -> anyhow::Result<()> {
    let RetriedMails { due, left } = services.retry_dead_mails().await?;
    let left = match left {
        0 => String::new(),
        _ => format!("; {left} stay dead: their code or link no longer works"),
    };
    Ok(print(format_args!("{due} mails are due now{left}"))?)
}

fn parse(id: &str) -> anyhow::Result<MailId> {
    id.parse()
        .with_context(|| format!("{id:?} is not the id of a mail"))
}

fn time(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
