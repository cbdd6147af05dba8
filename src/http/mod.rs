//! The HTTP server: routes, request ids, security headers, GraphQL over HTTP, and pages.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use poem::http::header;
use poem::http::uri::Scheme;
use poem::web::{Data, Json};
use poem::{Endpoint, EndpointExt, IntoResponse, Request, Response, get, handler};
use tracing::Instrument;

use self::graphql::RefusalCode;
use crate::config::{AppConfig, Environment, HttpConfig};
use crate::domain::mailbox::Mailbox;
use crate::domain::operation::Client;
use crate::graphql::{Documents, Schema};
use crate::service::Services;
use crate::telemetry::{self, event};

mod accept;
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
    server::run(listener, endpoint(Arc::new(state)), connections, stop).await;
}

fn endpoint(state: Arc<HttpState>) -> impl Endpoint<Output = Response> {
    let in_development = state.app.environment == Environment::Development;
    let pages = pages::routes(&pages::Pages {
        app_name: state.app.name.clone(),
        graphiql: state.http.graphiql,
        demo: in_development,
        mailbox: state.mailbox.clone().filter(|_| in_development),
    });
    let with_cors = Arc::clone(&state);
    let graphql = graphql::graphql
        .data(Arc::clone(&state))
        .around(move |endpoint, request| cors::allow(endpoint, request, Arc::clone(&with_cors)));
    pages
        .at("/graphql", graphql)
        .at("/healthz", get(health::healthz))
        .at("/readyz", get(health::readyz))
        .at("/.well-known/jwks.json", get(public_keys))
        .data(state.services.clone())
        .around(move |endpoint, request| observe(endpoint, request, Arc::clone(&state)))
}

/// The public keys that other services verify access tokens with.
#[handler]
fn public_keys(Data(services): Data<&Services>) -> impl IntoResponse {
    Json(services.public_keys()).with_header(header::CACHE_CONTROL, "public, max-age=300")
}

/// Gives each request its id and its log event, and each response its headers.
async fn observe<E: Endpoint>(
    endpoint: Arc<E>,
    mut request: Request,
    state: Arc<HttpState>,
) -> poem::Result<Response> {
    let (services, trusted) = (&state.services, &state.http.trusted_proxies);
    let given = request.header(REQUEST_ID).filter(|id| is_request_id(id));
    let id = given.map_or_else(|| services.new_request_id(), str::to_owned);
    let caller = services.caller(client(&request, trusted), id.clone());
    let is_secure = is_secure(&request, trusted);
    request.set_data(caller.clone());
    let (begun, route) = (Instant::now(), metrics::route(request.uri().path()));
    let detail = format!("{} {}", request.method(), request.uri().path());
    let span = telemetry::request_span(&id);
    telemetry::describe(&span, "http.request.method", request.method().to_string());
    telemetry::describe(&span, "http.route", route);
    async {
        let mut response = endpoint.get_response(request).await;
        let status = response.status().as_u16();
        telemetry::describe(&span, "http.response.status_code", i64::from(status));
        services.metrics().request(route, status, begun.elapsed());
        let refusal = response.data::<RefusalCode>();
        let reason = refusal.map(|refusal| refusal.0.as_str());
        let detail = detail.as_str();
        if response.status().is_client_error() || reason.is_some() {
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
    .instrument(span.clone())
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
