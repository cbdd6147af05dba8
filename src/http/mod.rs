//! The HTTP edge: what comes in is checked here, and what goes out has its headers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use poem::http::{HeaderValue, header};
use poem::listener::Acceptor;
use poem::middleware::Compression;
use poem::web::Json;
use poem::{Endpoint, EndpointExt, IntoResponse, Request, Response, Route, Server};
use tracing::Instrument;

use self::graphql::RefusalCode;
use crate::config::{AppConfig, Environment, HttpConfig};
use crate::domain::client::Client;
use crate::domain::mailbox::Mailbox;
use crate::graphql::{RequestId, Schema};
use crate::service::Services;
use crate::telemetry::{self, Event, Facts};

pub mod accept;
mod cors;
mod graphql;
mod health;
pub mod metrics;
pub mod pages;

/// How long open requests may take to end once the server is told to stop.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);
/// How long a connection may be idle.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
const REQUEST_ID: &str = "x-request-id";

/// What the edge is made of.
#[derive(Clone)]
pub struct Edge {
    /// The schema to run documents on.
    pub schema: Schema,
    /// The use cases, to find out who asks.
    pub services: Services,
    /// What the installation calls itself.
    pub app: AppConfig,
    /// The settings of the edge.
    pub http: HttpConfig,
    /// The fields that operations can have at their root: the others are counted as one.
    pub root_fields: Arc<BTreeSet<String>>,
    /// The mails of the mock provider, if that is what sends.
    pub mailbox: Option<Mailbox>,
}

/// Serves until `stop` is done, then lets open requests end for up to ten seconds.
pub async fn serve(
    edge: Edge,
    acceptor: impl Acceptor + 'static,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    Server::new_with_acceptor(acceptor)
        .idle_timeout(IDLE_TIMEOUT)
        .run_with_graceful_shutdown(endpoint(edge), stop, Some(SHUTDOWN_GRACE))
        .await
}

fn endpoint(edge: Edge) -> impl Endpoint {
    let in_development = edge.app.environment == Environment::Development;
    let pages = pages::routes(pages::Pages {
        app_name: edge.app.name.clone(),
        graphiql: edge.http.graphiql,
        mailbox: edge.mailbox.clone().filter(|_| in_development),
    });
    let origins = cors::origins(&edge.http.cors_allowed_origins);
    let services = edge.services.clone();
    let graphql = graphql::endpoint(Arc::new(edge))
        .around(move |endpoint, request| cors::allow(endpoint, request, Arc::clone(&origins)));
    let routes = Route::new()
        .at("/graphql", graphql)
        .at(
            "/healthz",
            poem::get(poem::endpoint::make_sync(|_| health::alive())),
        )
        .at(
            "/.well-known/jwks.json",
            poem::get(public_keys(services.clone())),
        )
        .at("/readyz", poem::get(health::readiness(services.clone())))
        .nest_no_strip("/", pages);
    routes
        .with(Compression::new())
        .around(move |endpoint, request| observe(endpoint, request, services.clone()))
}

/// `GET /.well-known/jwks.json`: the public keys that other services verify access tokens with.
fn public_keys(services: Services) -> impl Endpoint {
    poem::endpoint::make_sync(move |_| {
        Json(services.public_keys()).with_header(header::CACHE_CONTROL, "public, max-age=300")
    })
}

/// Gives each request its id, its line in the log and the headers that every answer has.
async fn observe<E: Endpoint>(
    endpoint: Arc<E>,
    mut request: Request,
    services: Services,
) -> poem::Result<Response> {
    let given = request.header(REQUEST_ID).filter(|id| is_request_id(id));
    let id = given.map_or_else(|| services.new_request_id(), str::to_owned);
    let client = client(&request);
    request.set_data(RequestId(id.clone()));
    request.set_data(client.clone());
    let (begun, route) = (Instant::now(), metrics::route(request.uri().path()));
    let detail = format!("{} {}", request.method(), request.uri().path());
    let span = telemetry::request_span(&id);
    telemetry::describe(&span, "http.request.method", request.method().to_string());
    telemetry::describe(&span, "http.route", route);
    let described = span.clone();
    async move {
        let mut response = match endpoint.call(request).await {
            Ok(response) => response.into_response(),
            Err(error) => error.into_response(),
        };
        let status = response.status();
        let number = i64::from(status.as_u16());
        telemetry::describe(&described, "http.response.status_code", number);
        services
            .metrics()
            .request(route, status.as_u16(), begun.elapsed());
        let refusal = response
            .data::<RefusalCode>()
            .map(|refusal| refusal.0.as_str());
        let event = if status.is_client_error() || refusal.is_some() {
            Event::RequestRefused
        } else {
            Event::RequestServed
        };
        event.emit(Facts {
            ip_address: Some(client.ip),
            status: Some(status.as_u16()),
            reason: refusal,
            detail: Some(&detail),
            ..Facts::default()
        });
        add_headers(&mut response, &id);
        Ok(response)
    }
    .instrument(span)
    .await
}

fn client(request: &Request) -> Client {
    let ip = request.remote_addr().as_socket_addr().map_or(
        std::net::Ipv4Addr::UNSPECIFIED.into(),
        std::net::SocketAddr::ip,
    );
    Client::new(ip, request.header(header::USER_AGENT))
}

/// Whether an id that a client or proxy gave can be taken over as it is.
fn is_request_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn add_headers(response: &mut Response, request_id: &str) {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
}
