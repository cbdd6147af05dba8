//! The listener for those who watch the process: figures and health, not meant for the public.

use poem::endpoint::make;
use poem::listener::Acceptor;
use poem::{Endpoint, Response, Route, Server};

use super::{SHUTDOWN_GRACE, health};
use crate::service::Services;

/// The text format of `OpenMetrics`, which Prometheus reads.
const TEXT_FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves `/metrics`, `/healthz` and `/readyz` until `stop` is done.
pub async fn serve(
    services: Services,
    acceptor: impl Acceptor + 'static,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    Server::new_with_acceptor(acceptor)
        .run_with_graceful_shutdown(endpoint(services), stop, Some(SHUTDOWN_GRACE))
        .await
}

fn endpoint(services: Services) -> impl Endpoint {
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

/// The class of a path, which bounds what can be counted by it.
pub(super) fn route(path: &str) -> &'static str {
    match path {
        "/graphql" => "graphql",
        "/healthz" | "/readyz" => "health",
        "/.well-known/jwks.json" => "jwks",
        _ => "page",
    }
}
