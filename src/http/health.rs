//! Liveness and readiness.

use poem::endpoint::make;
use poem::http::StatusCode;
use poem::web::Json;
use poem::{Endpoint, IntoResponse, Response};
use serde_json::json;

use crate::service::{Condition, Readiness, Services};

/// `GET /healthz`: 200 while the process answers at all. Dependencies are not checked: restarting the
/// process would not bring the database back.
pub(super) fn alive() -> Response {
    Json(json!({ "status": "alive" })).into_response()
}

/// `GET /readyz`: the state of each part, `ok`, `degraded`, `failing` or `unknown`, with figures.
/// 503 if requests cannot be served; 200 if the process is `ready` or `degraded`.
pub(super) fn readiness(services: Services) -> impl Endpoint {
    make(move |_| {
        let services = services.clone();
        async move {
            let readiness = services.readiness().await;
            let status = match readiness.overall() {
                Condition::Failing => StatusCode::SERVICE_UNAVAILABLE,
                Condition::Ok | Condition::Degraded | Condition::Unknown => StatusCode::OK,
            };
            let answer = Json(body(&readiness)).with_status(status);
            Ok::<_, poem::Error>(answer.into_response())
        }
    })
}

fn body(readiness: &Readiness) -> serde_json::Value {
    let mail = readiness.mail;
    let age = mail.and_then(|mail| mail.worker_age);
    let answer = readiness.database.map(|time| time.as_millis());
    let overall = match readiness.overall() {
        Condition::Ok => "ready",
        other => word(other),
    };
    json!({
        "status": overall,
        "database": {
            "status": word(readiness.database()),
            "answer_ms": answer,
        },
        "redis": {
            "status": word(readiness.redis()),
            "used": readiness.redis.is_some(),
        },
        "queue": {
            "status": word(readiness.queue()),
            "waiting": readiness.queue.map(|queue| queue.waiting),
        },
        "worker": {
            "status": word(readiness.worker()),
            "seen_seconds_ago": age.map(|age| age.num_seconds()),
        },
        "outbox": {
            "status": word(readiness.outbox()),
            "lag_seconds": mail.map(|mail| mail.outbox_lag.num_seconds()),
        },
    })
}

fn word(condition: Condition) -> &'static str {
    match condition {
        Condition::Ok => "ok",
        Condition::Degraded => "degraded",
        Condition::Failing => "failing",
        Condition::Unknown => "unknown",
    }
}
