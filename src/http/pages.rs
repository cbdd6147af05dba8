//! Pages for people: what is running, GraphiQL, and the mails of the mock provider.
//!
//! No page holds a script or a style of its own: they are files under `/assets/`, so that the
//! content security policy can forbid everything else. Where text of a person is shown it is put
//! in by the browser as text, never as HTML, except for the mails, which live in a sandbox.

use std::path::Path;

use poem::endpoint::make_sync;
use poem::error::{InternalServerError, NotFoundError};
use poem::http::{StatusCode, header};
use poem::{Body, Request, Response, Route, get};
use serde::Serialize;

use super::accept::prefers;
use crate::domain::clock::Timestamp;
use crate::domain::code::Code;
use crate::domain::id::MailId;
use crate::domain::mail::Link;
use crate::domain::mailbox::{DeliveredMail, Mailbox};

mod demo;

/// Where `scripts/graphiql` puts GraphiQL's files, seen from the working directory.
const GRAPHIQL_DIRECTORY: &str = "assets/graphiql";

/// Where GraphiQL's files come from if they are not here; the page pins their hashes.
const CDN: &str = "https://cdn.jsdelivr.net/npm";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";

const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// GraphiQL sets styles of elements, and has its fonts and icons in its style sheet.
const GRAPHIQL_POLICY: &str = "default-src 'none'; script-src 'self' https://cdn.jsdelivr.net; \
    style-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; img-src 'self' data:; \
    font-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// A mail may look like anything and do nothing.
const MAIL_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; \
    img-src data: https:; font-src data:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'self'";

/// A file of GraphiQL: its name here, the package and version it is from, its path in there.
#[derive(Clone, Copy)]
struct Vendored {
    name: &'static str,
    package: &'static str,
    path: &'static str,
    content_type: &'static str,
}

const VENDORED: [Vendored; 4] = [
    Vendored {
        name: "react.production.min.js",
        package: "react@18.3.1",
        path: "umd/react.production.min.js",
        content_type: JAVASCRIPT,
    },
    Vendored {
        name: "react-dom.production.min.js",
        package: "react-dom@18.3.1",
        path: "umd/react-dom.production.min.js",
        content_type: JAVASCRIPT,
    },
    Vendored {
        name: "graphiql.min.js",
        package: "graphiql@4.1.2",
        path: "graphiql.min.js",
        content_type: JAVASCRIPT,
    },
    Vendored {
        name: "graphiql.min.css",
        package: "graphiql@4.1.2",
        path: "graphiql.min.css",
        content_type: CSS,
    },
];

/// What the pages show.
#[derive(Clone, Debug)]
pub struct Pages {
    /// `APP_NAME`.
    pub app_name: String,
    /// Whether there is a GraphiQL to link to, and its files are served.
    pub graphiql: bool,
    /// Whether the demo app is served, in development only: an app of one's own takes its place.
    pub demo: bool,
    /// The mails of the mock provider, in development only: they hold live codes.
    pub mailbox: Option<Mailbox>,
}

/// `/`, and under `/assets/` what the pages are made of; `/demo` and `/dev/mailbox` if there is a
/// demo app or a mailbox.
/// GraphiQL's own files are read into memory here, where they are installed.
pub fn routes(pages: Pages) -> Route {
    routes_with(pages, Path::new(GRAPHIQL_DIRECTORY))
}

fn routes_with(pages: Pages, graphiql_directory: &Path) -> Route {
    let mut route = Route::new()
        .at(
            "/assets/pages.css",
            file(CSS, include_str!("pages/pages.css")),
        )
        .at(
            "/assets/icon.svg",
            file("image/svg+xml", include_str!("pages/icon.svg")),
        );
    if pages.graphiql {
        route = route
            .at(
                "/assets/explorer.js",
                file(JAVASCRIPT, include_str!("pages/explorer.js")),
            )
            .at(
                "/assets/explorer.css",
                file(CSS, include_str!("pages/explorer.css")),
            );
        for vendored in VENDORED {
            route = add_vendored(route, vendored, graphiql_directory);
        }
    }
    if pages.demo {
        route = demo::add_to(route, pages.mailbox.is_some());
    }
    let index = Index::new(&pages);
    if let Some(mailbox) = pages.mailbox {
        route = route
            .at(
                "/assets/mailbox.js",
                file(JAVASCRIPT, include_str!("pages/mailbox.js")),
            )
            .nest_no_strip("/dev/mailbox", mailbox_routes(mailbox));
    }
    route.at("/", get(make_sync(move |request| index.answer(&request))))
}

/// GraphiQL: the answer to `GET /graphql` for a browser. Its scripts are those that [`routes`]
/// serves if [`Pages::graphiql`] is on.
pub fn graphiql() -> Response {
    page(GRAPHIQL_POLICY, HTML, include_str!("pages/graphiql.html"))
}

/// An answer that a browser takes for nothing else than `content_type`, and does not keep.
fn page(policy: &'static str, content_type: &'static str, body: impl Into<Body>) -> Response {
    Response::builder()
        .header(header::CONTENT_TYPE, content_type)
        .header(header::CONTENT_SECURITY_POLICY, policy)
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(header::REFERRER_POLICY, "no-referrer")
        .header(header::CACHE_CONTROL, "no-store")
        .body(body)
}

fn file(content_type: &'static str, content: &'static str) -> impl poem::IntoEndpoint {
    get(make_sync(move |_| page(PAGE_POLICY, content_type, content)))
}

/// Serves a file of GraphiQL, or sends the browser to the CDN for it.
fn add_vendored(route: Route, vendored: Vendored, directory: &Path) -> Route {
    let Vendored {
        name,
        package,
        path,
        content_type,
    } = vendored;
    let at = format!("/assets/graphiql/{name}");
    if let Ok(content) = std::fs::read(directory.join(name)) {
        let serve = move |_| page(PAGE_POLICY, content_type, content.clone());
        return route.at(at, get(make_sync(serve)));
    }
    let location = format!("{CDN}/{package}/{path}");
    let redirect = move |_| {
        Response::builder()
            .status(StatusCode::TEMPORARY_REDIRECT)
            .header(header::LOCATION, &location)
            .header(header::CACHE_CONTROL, "no-store")
            .finish()
    };
    route.at(at, get(make_sync(redirect)))
}

/// What `/` says, as HTML and as JSON.
struct Index {
    html: String,
    json: String,
}

impl Index {
    fn new(pages: &Pages) -> Self {
        let mut links = Vec::new();
        if pages.graphiql {
            links.push((
                "graphql",
                "/graphql",
                "GraphiQL: try the API, read its schema",
            ));
        } else {
            links.push(("graphql", "/graphql", "The API; POST GraphQL here"));
        }
        if pages.demo {
            links.push(("demo", "/demo", "Demo: sign up, log in, make a team"));
        }
        if pages.mailbox.is_some() {
            links.push((
                "mailbox",
                "/dev/mailbox",
                "Mailbox: mail is not sent here, it is shown there",
            ));
        }
        links.push(("healthz", "/healthz", "Whether this process is alive"));
        links.push(("readyz", "/readyz", "Whether it can do its work"));

        let name = &pages.app_name;
        let version = env!("CARGO_PKG_VERSION");
        let items: Vec<_> = links
            .iter()
            .map(|(_, path, text)| {
                format!("<li><a href=\"{path}\"><code>{path}</code><span>{text}</span></a></li>")
            })
            .collect();
        let paths: serde_json::Map<_, _> = links
            .iter()
            .map(|(key, path, _)| ((*key).to_owned(), (*path).into()))
            .collect();
        Self {
            html: include_str!("pages/index.html")
                .replace("{version}", version)
                .replace("{links}", &items.concat())
                .replace("{app_name}", &escape(name)),
            json: serde_json::json!({ "name": name, "version": version, "links": paths })
                .to_string(),
        }
    }

    fn answer(&self, request: &Request) -> Response {
        let mut response = if prefers(request.header(header::ACCEPT), JSON, "text/html") {
            page(PAGE_POLICY, JSON, self.json.clone())
        } else {
            page(PAGE_POLICY, HTML, self.html.clone())
        };
        let vary = header::HeaderValue::from_static("Accept");
        response.headers_mut().insert(header::VARY, vary);
        response
    }
}

/// Text as HTML that shows it, also within a quoted attribute.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// A mail as the mailbox page reads it.
#[derive(Serialize)]
struct ListedMail {
    id: MailId,
    at: Timestamp,
    to: String,
    subject: String,
    kind: &'static str,
    code: Option<Code>,
    /// Only one that leads to a website.
    link: Option<Link>,
    text: String,
}

impl From<DeliveredMail> for ListedMail {
    fn from(DeliveredMail { at, mail }: DeliveredMail) -> Self {
        Self {
            id: mail.id,
            at,
            to: mail.to.as_str().to_owned(),
            subject: mail.subject,
            kind: mail.kind.name(),
            code: mail.code,
            link: mail.link.filter(leads_to_a_website),
            text: mail.text,
        }
    }
}

fn leads_to_a_website(link: &Link) -> bool {
    let scheme = link.expose().split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| {
        scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http")
    })
}

fn mailbox_routes(mailbox: Mailbox) -> Route {
    let listed = mailbox.clone();
    Route::new()
        .at(
            "/dev/mailbox",
            file(HTML, include_str!("pages/mailbox.html")),
        )
        .at(
            "/dev/mailbox/mails",
            get(make_sync(move |_| list_mails(&listed))),
        )
        .at(
            "/dev/mailbox/mails/:id/html",
            get(make_sync(move |request| show_mail(&mailbox, &request))),
        )
}

/// Newest first.
fn list_mails(mailbox: &Mailbox) -> poem::Result<Response> {
    let mails = mailbox.mails().into_iter().rev().map(ListedMail::from);
    let json = serde_json::to_string(&mails.collect::<Vec<_>>()).map_err(InternalServerError)?;
    Ok(page(PAGE_POLICY, JSON, json))
}

fn show_mail(mailbox: &Mailbox, request: &Request) -> poem::Result<Response> {
    let id = request.path_params::<String>()?;
    let found = id.parse().ok().and_then(|id| mailbox.find(id));
    let delivered = found.ok_or(NotFoundError)?;
    Ok(page(MAIL_POLICY, HTML, delivered.mail.html))
}

#[cfg(test)]
mod tests;
