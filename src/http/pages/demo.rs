//! The demo app of `examples/web`, built into the binary.
//!
//! Links in mails lead to paths of the app (`/reset-password`, `/accept-invitation`), so the demo
//! answers those too.

use poem::Route;

use super::{BuiltIn, CSS, HTML, JAVASCRIPT, add_files, file};

/// The line of the page that links to the mailbox.
const MAILBOX: &str = "<meta name=\"mailbox\" content=\"/dev/mailbox\">\n";

const PAGE: &str = include_str!("../../../examples/web/index.html");

/// Where the page is served.
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

/// The files that the page uses.
pub(super) const FILES: [BuiltIn; 18] = [
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

pub(super) fn add_to(route: Route, has_mailbox: bool) -> Route {
    let html = if has_mailbox {
        PAGE.to_owned()
    } else {
        PAGE.replace(MAILBOX, "")
    };
    let add_page = |route: Route, path| route.at(path, file(HTML, html.clone()));
    PATHS.into_iter().fold(add_files(route, &FILES), add_page)
}
