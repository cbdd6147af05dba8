//! Whether the process is alive, and whether it can do its work.

use poem::endpoint::make;
use poem::http::StatusCode;
use poem::web::Json;
use poem::{Endpoint, IntoResponse, Response};
use serde_json::json;

use crate::service::Services;

/// `GET /healthz`: 200 as long as the process answers at all.
pub(super) fn alive() -> Response {
    Json(json!({ "status": "alive" })).into_response()
}

/// `GET /readyz`: 200 if the database answers, else 503. Redis may be away: then the process goes
/// on alone, and says so.
pub(super) fn readiness(services: Services) -> impl Endpoint {
    make(move |_| {
        let services = services.clone();
        async move {
            let readiness = services.readiness().await;
            let status = match (readiness.database, readiness.cache) {
                (true, true) => "ready",
                (true, false) => "degraded",
                (false, _) => "failing",
            };
            let word = |works: bool| if works { "ok" } else { "failing" };
            let body = json!({
                "status": status,
                "database": word(readiness.database),
                "cache": word(readiness.cache),
            });
            let code = if readiness.database {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            };
            Ok::<_, poem::Error>(Json(body).with_status(code).into_response())
        }
    })
}
