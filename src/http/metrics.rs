//! The listener for monitoring: metrics and health, not meant for the public.

use poem::web::Data;
use poem::{EndpointExt, IntoResponse, Response, Route, get, handler};

use super::health;
use super::server::{self, Listener};
use crate::config::ConnectionsConfig;
use crate::service::Services;

/// The text format of `OpenMetrics`, which Prometheus reads.
const TEXT_FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves `/metrics`, `/healthz` and `/readyz` until `stop` is done.
pub async fn serve(
    services: Services,
    listener: Listener,
    connections: ConnectionsConfig,
    stop: impl Future<Output = ()>,
) {
    let endpoint = Route::new()
        .at("/metrics", get(metrics))
        .at("/healthz", get(health::healthz))
        .at("/readyz", get(health::readyz))
        .data(services);
    server::run(listener, endpoint, connections, stop).await;
}

#[handler]
async fn metrics(Data(services): Data<&Services>) -> Response {
    let text = services.metrics_text().await;
    text.with_content_type(TEXT_FORMAT).into_response()
}

/// The class of a path; metrics by path would be unbounded.
pub(super) fn route(path: &str) -> &'static str {
    match path {
        "/graphql" => "graphql",
        "/healthz" | "/readyz" => "health",
        "/.well-known/jwks.json" => "jwks",
        _ => "page",
    }
}
