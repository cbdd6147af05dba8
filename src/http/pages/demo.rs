//! The demo app of `examples/web`, built into the binary.
//!
//! Links in mails lead to paths of the app (`/reset-password`, `/accept-invitation`), so the demo
//! answers those too.

use poem::Route;

use super::{BuiltIn, add_files, file, without_lines_about};

const PAGE: &str = include_str!("../../../examples/web/index.html");

/// Where the page is served.
pub(super) const PATHS: [&str; 3] = ["/demo", "/reset-password", "/accept-invitation"];

/// A row of [`FILES`].
macro_rules! served {
    ($path:literal) => {
        (
            concat!("/demo/", $path),
            include_str!(concat!("../../../examples/web/", $path)),
        )
    };
}

/// The files that the page uses.
pub(super) const FILES: [BuiltIn; 18] = [
    served!("app.css"),
    served!("api.js"),
    served!("app.js"),
    served!("card.js"),
    served!("challenge.js"),
    served!("dom.js"),
    served!("form.js"),
    served!("problems.js"),
    served!("session.js"),
    served!("transport.js"),
    served!("views/code.js"),
    served!("views/dashboard.js"),
    served!("views/invitation.js"),
    served!("views/login.js"),
    served!("views/password.js"),
    served!("views/sessions.js"),
    served!("views/signup.js"),
    served!("views/team.js"),
];

pub(super) fn add_to(route: Route, has_mailbox: bool) -> Route {
    let html = if has_mailbox {
        PAGE.to_owned()
    } else {
        without_lines_about("/dev/mailbox", PAGE)
    };
    let add_page = |route: Route, path| route.at(path, file(path, html.clone()));
    PATHS.into_iter().fold(add_files(route, &FILES), add_page)
}
