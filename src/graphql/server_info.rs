//! What a client needs to know before a user signs in.

use async_graphql::{Enum, SimpleObject};

use crate::config::AppConfig;
use crate::service::Services;

/// The characters of codes.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "crate::domain::code::CodeType")]
pub(super) enum CodeType {
    /// Digits only.
    Numeric,
    /// Digits and capital letters that are not easily confused. Case is ignored.
    Alphanumeric,
}

/// What a client needs to render its forms.
#[derive(SimpleObject)]
pub(super) struct ServerInfo {
    /// The name of the application.
    app_name: String,
    /// The version of the server.
    version: &'static str,
    /// The number of characters of a code.
    code_length: usize,
    /// The characters of a code.
    code_type: CodeType,
    /// How long a code is valid, in minutes.
    code_expiration_minutes: i64,
    /// The minimum number of characters of a password.
    password_min_length: usize,
    /// The email address where users get help.
    support_email: Option<String>,
}

impl ServerInfo {
    pub(super) fn new(app: &AppConfig, services: &Services) -> Self {
        let codes = services.codes();
        Self {
            app_name: app.name.clone(),
            version: env!("CARGO_PKG_VERSION"),
            code_length: codes.length,
            code_type: codes.code_type.into(),
            code_expiration_minutes: codes.lifetime.num_minutes(),
            password_min_length: services.passwords().rule.min_chars,
            support_email: app
                .support_email
                .as_ref()
                .map(|email| email.as_str().to_owned()),
        }
    }
}
