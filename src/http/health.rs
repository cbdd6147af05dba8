//! Liveness and readiness.

use poem::http::StatusCode;
use poem::web::{Data, Json};
use poem::{IntoResponse, handler};
use serde_json::{Value, json};

use crate::service::{Condition, Services};

/// `GET /healthz`: 200 while the process answers at all. Dependencies are not checked: restarting the
/// process would not bring the database back.
#[handler]
pub(super) fn healthz() -> Json<Value> {
    Json(json!({ "status": "alive" }))
}

/// `GET /readyz`: the state of each part, `ok`, `degraded`, `failing` or `unknown`, with figures.
/// 503 if requests cannot be served; 200 if the process is `ready` or `degraded`.
#[handler]
pub(super) async fn readyz(Data(services): Data<&Services>) -> impl IntoResponse {
    let readiness = services.readiness().await;
    let (status, overall) = match readiness.overall() {
        Condition::Failing => (StatusCode::SERVICE_UNAVAILABLE, "failing"),
        Condition::Degraded | Condition::Unknown => (StatusCode::OK, "degraded"),
        Condition::Ok => (StatusCode::OK, "ready"),
    };
    let mail = readiness.mail;
    let body = json!({
        "status": overall,
        "database": {
            "status": readiness.database(),
            "answer_ms": readiness.database.map(|time| time.as_millis()),
        },
        "redis": {
            "status": readiness.redis(),
            "used": readiness.redis.is_some(),
        },
        "queue": {
            "status": readiness.queue(),
            "waiting": readiness.queue.map(|queue| queue.waiting),
        },
        "worker": {
            "status": readiness.worker(),
            "seen_seconds_ago": mail.and_then(|mail| mail.worker_age).map(|age| age.num_seconds()),
        },
        "outbox": {
            "status": readiness.outbox(),
            "lag_seconds": mail.map(|mail| mail.outbox_lag.num_seconds()),
        },
    });
    Json(body).with_status(status)
}
