//! `gatelodge mail list|show|retry`: the outbox under an operator's eyes.

use std::io::{self, Write};

use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::{CommandError, assemble};
use crate::config::Config;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::id::MailId;
use crate::domain::mail::{MailAttempt, MailRecord, MailState};
use crate::service::{MailDetails, RetriedMails, Retry, Services};

/// The names of all states of mails.
pub fn mail_states() -> [&'static str; 4] {
    MailState::ALL.map(MailState::name)
}

/// What is to be done with the outbox.
#[derive(Debug)]
pub enum OutboxAction {
    /// Print the newest mails.
    List {
        /// Only those in this state, one of [`mail_states`].
        state: Option<String>,
        /// How many.
        limit: u64,
        /// As JSON.
        json: bool,
    },
    /// Print one mail and every try to send it.
    Show {
        /// Its identifier.
        id: String,
        /// As JSON.
        json: bool,
    },
    /// Try one mail again.
    Retry {
        /// Its identifier.
        id: String,
    },
    /// Try all dead mails again.
    RetryDead,
}

/// Does it.
pub async fn outbox(config: Config, action: OutboxAction) -> Result<(), CommandError> {
    let core = assemble(&config, Clock::default()).await?;
    let done = perform(&core.services, action).await;
    core.db.close().await?;
    Ok(io::stdout().write_all(done?.as_bytes())?)
}

/// Does it; what is to be printed.
async fn perform(services: &Services, action: OutboxAction) -> Result<String, CommandError> {
    match action {
        OutboxAction::List { state, limit, json } => {
            let state = state.map(|name| name.parse::<MailState>());
            let state = state
                .transpose()
                .map_err(|error| CommandError::refused(error.to_string()))?;
            let mails = services.newest_mails(state, limit).await?;
            Ok(if json {
                pretty(&mails.iter().map(record_json).collect())
            } else {
                list(&mails)
            })
        }
        OutboxAction::Show { id, json } => {
            let id = parse(&id)?;
            let details = services.mail_details(id).await?;
            let details =
                details.ok_or_else(|| CommandError::refused(format!("there is no mail {id}")))?;
            Ok(if json {
                pretty(&details_json(&details))
            } else {
                show(&details)
            })
        }
        OutboxAction::Retry { id } => {
            let id = parse(&id)?;
            retried(id, services.retry_mail(id).await?)
        }
        OutboxAction::RetryDead => {
            let RetriedMails { due, left } = services.retry_dead_mails().await?;
            let left = match left {
                0 => String::new(),
                _ => format!("; {left} stay dead: their code or link no longer works"),
            };
            Ok(format!("{due} mails are due now{left}\n"))
        }
    }
}

fn retried(id: MailId, retry: Retry) -> Result<String, CommandError> {
    let refusal = match retry {
        Retry::Due => return Ok(format!("mail {id} is due now\n")),
        Retry::Unknown => "there is none",
        Retry::Sent => "it was sent",
        Retry::Cancelled => "it was cancelled: what it told of was over",
        Retry::Held => "it is being sent right now",
        Retry::Erased => "its recipient's account was erased",
        Retry::Worthless => {
            "its code or link is used, replaced or over, so it would be cancelled; the person can \
             ask for a new one"
        }
    };
    Err(CommandError::refused(format!(
        "mail {id} is not tried again: {refusal}"
    )))
}

fn parse(id: &str) -> Result<MailId, CommandError> {
    let parsed = id.parse();
    parsed.map_err(|_| CommandError::refused(format!("{id:?} is not the identifier of a mail")))
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn time(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn recipient(record: &MailRecord) -> Option<&str> {
    (!record.is_erased).then(|| record.mail.recipient.as_str())
}

fn record_json(record: &MailRecord) -> Value {
    let MailRecord { mail, state, .. } = record;
    let is_pending = *state == MailState::Pending;
    json!({
        "id": mail.id,
        "kind": mail.kind.name(),
        "recipient": recipient(record),
        "state": state.name(),
        "attempts": mail.attempts,
        "createdAt": mail.created_at,
        "nextAttemptAt": is_pending.then_some(record.next_attempt_at),
        "sentAt": record.sent_at,
        "provider": record.provider,
        "lastError": record.last_error,
    })
}

fn details_json(details: &MailDetails) -> Value {
    let attempt = |attempt: &MailAttempt| {
        json!({
            "number": attempt.number,
            "startedAt": attempt.started_at,
            "endedAt": attempt.ended_at,
            "outcome": attempt.outcome.name(),
            "provider": attempt.provider,
            "error": attempt.error,
        })
    };
    let mut value = record_json(&details.record);
    value["retriedAt"] = json!(details.record.mail.retried_at);
    value["worthSending"] = json!(details.is_worth_sending);
    value["beingSent"] = json!(details.is_held);
    value["history"] = details.attempts.iter().map(attempt).collect();
    value
}

fn list(mails: &[MailRecord]) -> String {
    if mails.is_empty() {
        return "no mails\n".to_owned();
    }
    let head = [
        "ID",
        "STATE",
        "KIND",
        "TO",
        "TRIES",
        "WRITTEN",
        "LAST ERROR",
    ];
    let mut rows = vec![head.map(ToOwned::to_owned)];
    rows.extend(mails.iter().map(|record| {
        [
            record.mail.id.to_string(),
            record.state.name().to_owned(),
            record.mail.kind.to_string(),
            recipient(record).unwrap_or("(erased)").to_owned(),
            record.mail.attempts.to_string(),
            time(record.mail.created_at),
            record.last_error.clone().unwrap_or_default(),
        ]
    }));
    aligned(&rows)
}

fn show(details: &MailDetails) -> String {
    let MailDetails {
        record, attempts, ..
    } = details;
    let state = match record.state {
        MailState::Pending if details.is_held => "pending, being sent right now".to_owned(),
        MailState::Pending => format!("pending, next try {}", time(record.next_attempt_at)),
        state => state.name().to_owned(),
    };
    let worth = match (record.mail.refers_to, details.is_worth_sending) {
        (None, _) => "carries no code or link",
        (Some(_), true) => "its code or link still works",
        (Some(_), false) => "its code or link is used, replaced or over",
    };
    let mut rows = vec![
        ["mail".to_owned(), record.mail.id.to_string()],
        ["kind".to_owned(), format!("{} ({worth})", record.mail.kind)],
        [
            "to".to_owned(),
            recipient(record).unwrap_or("(erased)").to_owned(),
        ],
        ["state".to_owned(), state],
        ["written".to_owned(), time(record.mail.created_at)],
    ];
    let moments = [
        ("asked again", record.mail.retried_at),
        ("sent", record.sent_at),
    ];
    for (name, moment) in moments {
        rows.extend(moment.map(|moment| [name.to_owned(), time(moment)]));
    }
    let mut text = aligned(&rows);
    let head = [
        "TRY",
        "BEGAN",
        "TOOK",
        "PROVIDER",
        "OUTCOME",
        "WHAT IT SAID",
    ];
    let mut rows = vec![head.map(ToOwned::to_owned)];
    rows.extend((1..=record.mail.attempts).map(|number| {
        let found = attempts.iter().find(|attempt| attempt.number == number);
        let is_now = details.is_held && number == record.mail.attempts;
        attempt_row(number, found, is_now)
    }));
    if rows.len() > 1 {
        text.push('\n');
        text.push_str(&aligned(&rows));
    }
    text
}

fn attempt_row(number: u32, attempt: Option<&MailAttempt>, is_now: bool) -> [String; 6] {
    let Some(attempt) = attempt else {
        let words = if is_now {
            "under way"
        } else {
            "unknown: its process ended before its end was recorded"
        };
        let empty = String::new;
        return [
            number.to_string(),
            empty(),
            empty(),
            empty(),
            words.to_owned(),
            empty(),
        ];
    };
    let took = attempt.ended_at - attempt.started_at;
    [
        number.to_string(),
        time(attempt.started_at),
        format!("{}.{:01} s", took.num_seconds(), took.subsec_millis() / 100),
        attempt.provider.clone().unwrap_or_default(),
        attempt.outcome.name().to_owned(),
        attempt.error.clone().unwrap_or_default(),
    ]
}

/// Rows as lines, the columns under each other.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &[String; N]| {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}
