//! The listener for monitoring: metrics and health, not meant for the public.

use poem::endpoint::make;
use poem::{Endpoint, Response, Route};

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
    server::run(listener, endpoint(services), connections, stop).await;
}

fn endpoint(services: Services) -> impl Endpoint<Output = Response> {
    let alive = poem::endpoint::make_sync(|_| health::alive());
    Route::new()
        .at("/metrics", poem::get(figures(services.clone())))
        .at("/healthz", poem::get(alive))
        .at("/readyz", poem::get(health::readiness(services)))
}

fn figures(services: Services) -> impl Endpoint {
    make(move |_| {
        let services = services.clone();
        async move {
            let text = services.metrics().text(&services.gauges().await);
            let answer = Response::builder().content_type(TEXT_FORMAT).body(text);
            Ok::<Response, poem::Error>(answer)
        }
    })
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
