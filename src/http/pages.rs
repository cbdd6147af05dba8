//! Pages for people: the start page, GraphiQL, the demo app and the mailbox of the mock provider.
//!
//! No page contains a script or style of its own: they are files under `/assets/`, so that the
//! content security policy can forbid inline ones. Text from users is inserted by the browser as
//! text, never as HTML, except for mails, which are shown in a sandbox.

use std::path::Path;

use poem::endpoint::make_sync;
use poem::error::NotFoundError;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Body, IntoEndpoint, IntoResponse, Request, Response, Route, get};
use serde_json::{Value, json};

use super::accept::prefers;
use crate::domain::mail::Link;
use crate::domain::mailbox::{DeliveredMail, Mailbox};

mod demo;

/// Where `scripts/graphiql` puts GraphiQL's files, relative to the working directory.
const GRAPHIQL_DIRECTORY: &str = "assets/graphiql";
/// Where GraphiQL's files come from otherwise; the page pins their hashes.
const CDN: &str = "https://cdn.jsdelivr.net/npm";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const JSON: &str = "application/json";

const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";
/// GraphiQL sets styles on elements, and its style sheet contains fonts and icons.
const GRAPHIQL_POLICY: &str = "default-src 'none'; script-src 'self' https://cdn.jsdelivr.net; \
    style-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; img-src 'self' data:; \
    font-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";
/// A mail may have any style and do nothing.
const MAIL_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; \
    img-src data: https:; font-src data:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'self'";

/// A file that is built into the binary: its path, content type and content.
type BuiltIn = (&'static str, &'static str, &'static str);

const ASSETS: [BuiltIn; 2] = [
    ("/assets/pages.css", CSS, include_str!("pages/pages.css")),
    ("/assets/icon.svg", SVG, include_str!("pages/icon.svg")),
];
const GRAPHIQL_ASSETS: [BuiltIn; 2] = [
    (
        "/assets/explorer.js",
        JAVASCRIPT,
        include_str!("pages/explorer.js"),
    ),
    (
        "/assets/explorer.css",
        CSS,
        include_str!("pages/explorer.css"),
    ),
];
const MAILBOX: [BuiltIn; 2] = [
    ("/dev/mailbox", HTML, include_str!("pages/mailbox.html")),
    (
        "/assets/mailbox.js",
        JAVASCRIPT,
        include_str!("pages/mailbox.js"),
    ),
];

/// GraphiQL's own files: the package with its version, the directory in it, and the file's name.
const GRAPHIQL_FILES: [(&str, &str, &str); 4] = [
    ("react@18.3.1", "umd/", "react.production.min.js"),
    ("react-dom@18.3.1", "umd/", "react-dom.production.min.js"),
    ("graphiql@4.1.2", "", "graphiql.min.js"),
    ("graphiql@4.1.2", "", "graphiql.min.css"),
];

/// What the pages show.
#[derive(Clone, Debug)]
pub(super) struct Pages {
    pub(super) app_name: String,
    pub(super) graphiql: bool,
    /// The demo app, in development only.
    pub(super) demo: bool,
    /// The mails of the mock provider, in development only: they contain valid codes.
    pub(super) mailbox: Option<Mailbox>,
}

/// The routes of all pages but GraphiQL's, which is at `/graphql`. GraphiQL's files are read into
/// memory here if they are installed.
pub(super) fn routes(pages: &Pages) -> Route {
    routes_with(pages, Path::new(GRAPHIQL_DIRECTORY))
}

fn routes_with(pages: &Pages, graphiql_directory: &Path) -> Route {
    let start_page = StartPage::new(pages);
    let mut route = add_files(Route::new(), &ASSETS);
    route = route.at(
        "/",
        get(make_sync(move |request| start_page.answer(&request))),
    );
    if pages.graphiql {
        route = add_files(route, &GRAPHIQL_ASSETS);
        route = add_graphiql_files(route, graphiql_directory);
    }
    if pages.demo {
        route = demo::add_to(route, pages.mailbox.is_some());
    }
    if let Some(mailbox) = &pages.mailbox {
        route = add_mailbox(add_files(route, &MAILBOX), mailbox);
    }
    route
}

/// The response to `GET /graphql` for a browser.
pub(super) fn graphiql() -> Response {
    page(GRAPHIQL_POLICY, HTML, include_str!("pages/graphiql.html"))
}

fn page(policy: &'static str, content_type: &'static str, body: impl Into<Body>) -> Response {
    Response::builder()
        .header(header::CONTENT_TYPE, content_type)
        .header(header::CONTENT_SECURITY_POLICY, policy)
        .body(body)
}

fn add_files(route: Route, files: &[BuiltIn]) -> Route {
    files
        .iter()
        .fold(route, |route, &(path, content_type, content)| {
            route.at(path, file(content_type, content))
        })
}

fn file<B>(content_type: &'static str, content: B) -> impl IntoEndpoint
where
    B: Into<Body> + Clone + Send + Sync + 'static,
{
    get(make_sync(move |_| {
        page(PAGE_POLICY, content_type, content.clone())
    }))
}

/// Serves GraphiQL's files that are installed, and redirects to the CDN for the others.
fn add_graphiql_files(mut route: Route, installed: &Path) -> Route {
    for (package, directory, name) in GRAPHIQL_FILES {
        let path = format!("/assets/graphiql/{name}");
        let is_style = Path::new(name).extension() == Some("css".as_ref());
        let content_type = if is_style { CSS } else { JAVASCRIPT };
        route = if let Ok(content) = std::fs::read(installed.join(name)) {
            route.at(path, file(content_type, content))
        } else {
            let location = format!("{CDN}/{package}/{directory}{name}");
            let redirect = move |_| {
                StatusCode::TEMPORARY_REDIRECT.with_header(header::LOCATION, location.clone())
            };
            route.at(path, get(make_sync(redirect)))
        };
    }
    route
}

/// `/`, as HTML and as JSON.
struct StartPage {
    html: String,
    json: String,
}

impl StartPage {
    fn new(pages: &Pages) -> Self {
        let graphql = if pages.graphiql {
            "GraphiQL: explore and try the API"
        } else {
            "The GraphQL API; send requests by POST"
        };
        let links: Vec<_> = [
            ("graphql", "/graphql", graphql, true),
            (
                "demo",
                "/demo",
                "Demo app: sign up, sign in, create a team",
                pages.demo,
            ),
            (
                "mailbox",
                "/dev/mailbox",
                "Mailbox: mails that would be sent are shown there",
                pages.mailbox.is_some(),
            ),
            (
                "healthz",
                "/healthz",
                "Liveness: is the process running?",
                true,
            ),
            (
                "readyz",
                "/readyz",
                "Readiness: can it serve requests?",
                true,
            ),
        ]
        .into_iter()
        .filter(|(.., is_there)| *is_there)
        .collect();

        let name = &pages.app_name;
        let version = env!("CARGO_PKG_VERSION");
        let items = links.iter().map(|(_, path, text, _)| {
            format!("<li><a href=\"{path}\"><code>{path}</code><span>{text}</span></a></li>")
        });
        let paths = links.iter().map(|(key, path, ..)| (*key, *path));
        let paths: std::collections::BTreeMap<_, _> = paths.collect();
        Self {
            html: include_str!("pages/index.html")
                .replace("{version}", version)
                .replace("{links}", &items.collect::<String>())
                .replace("{app_name}", &escape(name)),
            json: json!({ "name": name, "version": version, "links": paths }).to_string(),
        }
    }

    fn answer(&self, request: &Request) -> Response {
        let mut response = if prefers(request.header(header::ACCEPT), JSON, "text/html") {
            page(PAGE_POLICY, JSON, self.json.clone())
        } else {
            page(PAGE_POLICY, HTML, self.html.clone())
        };
        let vary = HeaderValue::from_static("Accept");
        response.headers_mut().insert(header::VARY, vary);
        response
    }
}

/// Escapes text for HTML, also within a quoted attribute.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

fn add_mailbox(route: Route, mailbox: &Mailbox) -> Route {
    let (listed, shown) = (mailbox.clone(), mailbox.clone());
    route
        .at(
            "/dev/mailbox/mails",
            get(make_sync(move |_| list_mails(&listed))),
        )
        .at(
            "/dev/mailbox/mails/:id/html",
            get(make_sync(move |request| show_mail(&shown, &request))),
        )
}

/// Newest first.
fn list_mails(mailbox: &Mailbox) -> Response {
    let mails: Value = mailbox.mails().into_iter().rev().map(list_item).collect();
    page(PAGE_POLICY, JSON, mails.to_string())
}

fn list_item(DeliveredMail { at, mail }: DeliveredMail) -> Value {
    json!({
        "id": mail.id,
        "at": at,
        "to": mail.to.as_str(),
        "subject": mail.subject,
        "kind": mail.kind.name(),
        "code": mail.code,
        "link": mail.link.filter(leads_to_a_website),
        "text": mail.text,
    })
}

fn leads_to_a_website(link: &Link) -> bool {
    let link = link.expose().to_ascii_lowercase();
    link.starts_with("https://") || link.starts_with("http://")
}

fn show_mail(mailbox: &Mailbox, request: &Request) -> poem::Result<Response> {
    let id = request.path_params::<String>()?;
    let found = id.parse().ok().and_then(|id| mailbox.find(id));
    let delivered = found.ok_or(NotFoundError)?;
    let mut response = page(MAIL_POLICY, HTML, delivered.mail.html);
    let by_the_mailbox = HeaderValue::from_static("SAMEORIGIN");
    response
        .headers_mut()
        .insert(header::X_FRAME_OPTIONS, by_the_mailbox);
    Ok(response)
}

#[cfg(test)]
mod tests;
