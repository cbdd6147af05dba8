//! The HTTP server: routes, request ids, security headers, GraphQL over HTTP, and pages.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use poem::endpoint::make_sync;
use poem::http::header;
use poem::http::uri::Scheme;
use poem::web::Json;
use poem::{Endpoint, EndpointExt, IntoResponse, Request, Response, get};
use tracing::Instrument;

use self::graphql::RefusalCode;
use crate::config::{AppConfig, Environment, HttpConfig};
use crate::domain::mailbox::Mailbox;
use crate::domain::operation::Client;
use crate::graphql::{Documents, Schema};
use crate::service::Services;
use crate::telemetry::{self, event};

pub mod accept;
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
pub use tls::Tls;

const REQUEST_ID: &str = "x-request-id";

/// What the routes need.
#[derive(Clone)]
pub struct HttpState {
    pub schema: Schema,
    pub documents: Documents,
    /// `GRAPHQL_TIMEOUT_SECONDS`.
    pub operation_timeout: Duration,
    pub services: Services,
    pub app: AppConfig,
    pub http: HttpConfig,
    /// The mails of the mock provider.
    pub mailbox: Option<Mailbox>,
}

/// Serves until `stop` is done, then lets open requests finish for up to ten seconds.
pub async fn serve(state: HttpState, listener: Listener, stop: impl Future<Output = ()>) {
    let connections = state.http.connections;
    server::run(listener, endpoint(state), connections, stop).await;
}

fn endpoint(state: HttpState) -> impl Endpoint<Output = Response> {
    let in_development = state.app.environment == Environment::Development;
    let pages = pages::routes(&pages::Pages {
        app_name: state.app.name.clone(),
        graphiql: state.http.graphiql,
        demo: in_development,
        mailbox: state.mailbox.clone().filter(|_| in_development),
    });
    let origins = cors::origins(&state.http.cors_allowed_origins);
    let services = state.services.clone();
    let trusted: Arc<[IpNet]> = state.http.trusted_proxies.as_slice().into();
    let graphql = graphql::endpoint(Arc::new(state))
        .around(move |endpoint, request| cors::allow(endpoint, request, Arc::clone(&origins)));
    let keys = services.clone();
    pages
        .at("/graphql", graphql)
        .at("/healthz", get(make_sync(|_| health::alive())))
        .at("/readyz", get(health::readiness(services.clone())))
        .at(
            "/.well-known/jwks.json",
            get(make_sync(move |_| public_keys(&keys))),
        )
        .around(move |endpoint, request| {
            observe(endpoint, request, services.clone(), Arc::clone(&trusted))
        })
}

/// The public keys that other services verify access tokens with.
fn public_keys(services: &Services) -> Response {
    Json(services.public_keys())
        .with_header(header::CACHE_CONTROL, "public, max-age=300")
        .into_response()
}

/// Gives each request its id and its log event, and each response its headers.
async fn observe<E: Endpoint>(
    endpoint: Arc<E>,
    mut request: Request,
    services: Services,
    trusted: Arc<[IpNet]>,
) -> poem::Result<Response> {
    let given = request.header(REQUEST_ID).filter(|id| is_request_id(id));
    let id = given.map_or_else(|| services.new_request_id(), str::to_owned);
    let caller = services.caller(client(&request, &trusted), id.clone());
    let is_secure = is_secure(&request, &trusted);
    request.set_data(caller.clone());
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
            caller.emit(event::RequestRefused {
                status,
                reason,
                detail,
            });
        } else {
            caller.emit(event::RequestServed { status, detail });
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

/// Whether the client uses TLS, to this server or to a trusted proxy.
fn is_secure(request: &Request, trusted: &[IpNet]) -> bool {
    *request.scheme() == Scheme::HTTPS
        || proxies::came_by_https(peer(request), request.headers(), trusted)
}

fn peer(request: &Request) -> IpAddr {
    let address = request.remote_addr().as_socket_addr();
    address.map_or(Ipv4Addr::UNSPECIFIED.into(), SocketAddr::ip)
}

/// Whether a request id from a client or proxy is safe to use.
fn is_request_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}
