//! The demo app of `examples/web`, built into the binary so that it needs nothing beside it.
//!
//! Mailed links lead to paths of the app (`/reset-password`, `/accept-invitation`); while there is
//! no other, these are the demo's too.

use poem::Route;
use poem::endpoint::make_sync;

use super::{CSS, HTML, JAVASCRIPT, PAGE_POLICY, file, page};

/// What the page says where there is a mailbox to point at.
const MAILBOX: &str = "<meta name=\"mailbox\" content=\"/dev/mailbox\">\n";

const PAGE: &str = include_str!("../../../examples/web/index.html");

/// Where the page is.
pub(super) const PATHS: [&str; 3] = ["/demo", "/reset-password", "/accept-invitation"];

/// A row of [`FILES`].
macro_rules! served {
    ($content_type:ident, $path:literal) => {
        (
            concat!("/demo/", $path),
            $content_type,
            include_str!(concat!("../../../examples/web/", $path)),
        )
    };
}

/// What the page is made of: where it is served, its content type, its content.
pub(super) const FILES: [(&str, &str, &str); 18] = [
    served!(CSS, "app.css"),
    served!(JAVASCRIPT, "api.js"),
    served!(JAVASCRIPT, "app.js"),
    served!(JAVASCRIPT, "card.js"),
    served!(JAVASCRIPT, "challenge.js"),
    served!(JAVASCRIPT, "dom.js"),
    served!(JAVASCRIPT, "form.js"),
    served!(JAVASCRIPT, "problems.js"),
    served!(JAVASCRIPT, "session.js"),
    served!(JAVASCRIPT, "transport.js"),
    served!(JAVASCRIPT, "views/code.js"),
    served!(JAVASCRIPT, "views/dashboard.js"),
    served!(JAVASCRIPT, "views/invitation.js"),
    served!(JAVASCRIPT, "views/login.js"),
    served!(JAVASCRIPT, "views/password.js"),
    served!(JAVASCRIPT, "views/sessions.js"),
    served!(JAVASCRIPT, "views/signup.js"),
    served!(JAVASCRIPT, "views/team.js"),
];

/// Adds the app's page and files.
pub(super) fn add_to(mut route: Route, has_mailbox: bool) -> Route {
    let html = if has_mailbox {
        PAGE.to_owned()
    } else {
        PAGE.replace(MAILBOX, "")
    };
    for path in PATHS {
        let html = html.clone();
        let serve = move |_| page(PAGE_POLICY, HTML, html.clone());
        route = route.at(path, poem::get(make_sync(serve)));
    }
    for (path, content_type, content) in FILES {
        route = route.at(path, file(content_type, content));
    }
    route
}
