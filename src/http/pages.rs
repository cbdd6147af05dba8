//! Pages for people: the start page, GraphiQL, the demo app and the mailbox of the mock provider.
//!
//! No page contains a script or style of its own: they are files under `/assets/`, so that the
//! content security policy can forbid inline ones. Text from users is inserted by the browser as
//! text, never as HTML, except for mails, which are shown in a sandbox.

use std::ffi::OsStr;
use std::path::Path;

use poem::endpoint::make_sync;
use poem::error::NotFoundError;
use poem::http::{HeaderValue, StatusCode, header};
use poem::web::{Data, Path as PathParameter};
use poem::{Body, EndpointExt, IntoEndpoint, IntoResponse, Response, Route, get, handler};
use serde_json::{Value, json};

use crate::domain::mail::Link;
use crate::domain::mailbox::{DeliveredMail, Mailbox};

mod demo;

/// Where `scripts/graphiql` puts GraphiQL's files, relative to the working directory.
const GRAPHIQL_DIRECTORY: &str = "assets/graphiql";
/// Where GraphiQL's files come from otherwise; the page pins their hashes.
const CDN: &str = "https://cdn.jsdelivr.net/npm";

const HTML: &str = "text/html; charset=utf-8";

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

/// A file that is built into the binary: its path and content.
type BuiltIn = (&'static str, &'static str);

const ASSETS: [BuiltIn; 2] = [
    ("/assets/pages.css", include_str!("pages/pages.css")),
    ("/assets/icon.svg", include_str!("pages/icon.svg")),
];
const GRAPHIQL_ASSETS: [BuiltIn; 2] = [
    ("/assets/explorer.js", include_str!("pages/explorer.js")),
    ("/assets/explorer.css", include_str!("pages/explorer.css")),
];
const MAILBOX: [BuiltIn; 2] = [
    ("/dev/mailbox", include_str!("pages/mailbox.html")),
    ("/assets/mailbox.js", include_str!("pages/mailbox.js")),
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
    let mut route = add_files(Route::new(), &ASSETS).at("/", file("/", start_page(pages)));
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
    let add = |route: Route, &(path, content)| route.at(path, file(path, content));
    files.iter().fold(route, add)
}

/// A file, with the content type that the extension of its path stands for.
fn file<B>(path: &str, content: B) -> impl IntoEndpoint + use<B>
where
    B: Into<Body> + Clone + Send + Sync + 'static,
{
    let content_type = match Path::new(path).extension().and_then(OsStr::to_str) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => HTML,
    };
    get(make_sync(move |_| {
        page(PAGE_POLICY, content_type, content.clone())
    }))
}

/// Serves GraphiQL's files that are installed, and redirects to the CDN for the others.
fn add_graphiql_files(mut route: Route, installed: &Path) -> Route {
    for (package, directory, name) in GRAPHIQL_FILES {
        let path = format!("/assets/graphiql/{name}");
        route = if let Ok(content) = std::fs::read(installed.join(name)) {
            route.at(&path, file(&path, content))
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

fn start_page(pages: &Pages) -> String {
    let mut html = include_str!("pages/index.html").to_owned();
    if !pages.demo {
        html = without_lines_about("/demo", &html);
    }
    if pages.mailbox.is_none() {
        html = without_lines_about("/dev/mailbox", &html);
    }
    let graphql = if pages.graphiql {
        "GraphiQL: explore and try the API"
    } else {
        "The GraphQL API; send requests by POST"
    };
    html.replace("{version}", env!("CARGO_PKG_VERSION"))
        .replace("{graphql}", graphql)
        .replace("{app_name}", &escape(&pages.app_name))
}

/// Removes the lines of a page that name a path which is not served.
fn without_lines_about(path: &str, html: &str) -> String {
    let quoted = format!("\"{path}\"");
    let lines = html.split_inclusive('\n');
    lines.filter(|line| !line.contains(&quoted)).collect()
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
    route
        .at("/dev/mailbox/mails", get(list_mails).data(mailbox.clone()))
        .at(
            "/dev/mailbox/mails/:id/html",
            get(show_mail).data(mailbox.clone()),
        )
}

/// Newest first.
#[handler]
fn list_mails(Data(mailbox): Data<&Mailbox>) -> Response {
    let mails: Value = mailbox.mails().into_iter().rev().map(list_item).collect();
    page(PAGE_POLICY, "application/json", mails.to_string())
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

#[handler]
fn show_mail(
    Data(mailbox): Data<&Mailbox>,
    PathParameter(id): PathParameter<String>,
) -> poem::Result<Response> {
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
