//! The HTTP edge: what comes in is checked here, and what goes out has its headers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use poem::http::header;
use poem::http::uri::Scheme;
use poem::web::Json;
use poem::{Endpoint, EndpointExt, IntoResponse, Request, Response, Route};
use tracing::Instrument;

use self::graphql::RefusalCode;
use crate::config::{AppConfig, Environment, HttpConfig};
use crate::domain::mailbox::Mailbox;
use crate::domain::operation::Client;
use crate::graphql::{Documents, Schema};
use crate::service::Services;
use crate::telemetry::{self, event};

pub mod accept;
mod compression;
mod cors;
mod graphql;
mod headers;
mod health;
pub mod metrics;
pub mod pages;
mod proxies;
mod server;
mod tls;

pub use server::Listener;
pub use tls::{Tls, TlsError};

const REQUEST_ID: &str = "x-request-id";

/// What the edge is made of.
#[derive(Clone)]
pub struct Edge {
    /// The schema to run documents on.
    pub schema: Schema,
    /// Documents that were read before.
    pub documents: Documents,
    /// `GRAPHQL_TIMEOUT_SECONDS`.
    pub operation_timeout: Duration,
    /// The use cases, to find out who asks.
    pub services: Services,
    /// What the installation calls itself.
    pub app: AppConfig,
    /// The settings of the edge.
    pub http: HttpConfig,
    /// The mails of the mock provider, if that is what sends.
    pub mailbox: Option<Mailbox>,
}

/// Serves until `stop` is done, then lets open requests end for up to ten seconds.
pub async fn serve(edge: Edge, listener: Listener, stop: impl Future<Output = ()>) {
    let connections = edge.http.connections;
    server::run(listener, endpoint(edge), connections, stop).await;
}

fn endpoint(edge: Edge) -> impl Endpoint<Output = Response> {
    let in_development = edge.app.environment == Environment::Development;
    let pages = pages::routes(pages::Pages {
        app_name: edge.app.name.clone(),
        graphiql: edge.http.graphiql,
        demo: in_development,
        mailbox: edge.mailbox.clone().filter(|_| in_development),
    });
    let origins = cors::origins(&edge.http.cors_allowed_origins);
    let services = edge.services.clone();
    let trusted: Arc<[IpNet]> = edge.http.trusted_proxies.as_slice().into();
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
        .around(compression::compress)
        .around(move |endpoint, request| {
            observe(endpoint, request, services.clone(), Arc::clone(&trusted))
        })
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
    trusted: Arc<[IpNet]>,
) -> poem::Result<Response> {
    let given = request.header(REQUEST_ID).filter(|id| is_request_id(id));
    let id = given.map_or_else(|| services.new_request_id(), str::to_owned);
    let ctx = services.request_context(client(&request, &trusted), id.clone());
    let is_secure = is_secure(&request, &trusted);
    request.set_data(ctx.clone());
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
        let refused = status.is_client_error();
        let reason = response
            .data::<RefusalCode>()
            .map(|refusal| refusal.0.as_str());
        let (status, detail) = (status.as_u16(), detail.as_str());
        if refused || reason.is_some() {
            ctx.emit(event::RequestRefused {
                status,
                reason,
                detail,
            });
        } else {
            ctx.emit(event::RequestServed { status, detail });
        }
        headers::add(&mut response, &id, is_secure);
        Ok(response)
    }
    .instrument(span)
    .await
}

fn client(request: &Request, trusted: &[IpNet]) -> Client {
    let ip = proxies::client(peer(request), request.headers(), trusted);
    Client::new(ip, request.header(header::USER_AGENT))
}

/// Whether the client speaks TLS, with us or with a trusted proxy.
fn is_secure(request: &Request, trusted: &[IpNet]) -> bool {
    *request.scheme() == Scheme::HTTPS
        || proxies::came_by_https(peer(request), request.headers(), trusted)
}

fn peer(request: &Request) -> IpAddr {
    let address = request.remote_addr().as_socket_addr();
    address.map_or(Ipv4Addr::UNSPECIFIED.into(), SocketAddr::ip)
}

/// Whether an id that a client or proxy gave can be taken over as it is.
fn is_request_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}
