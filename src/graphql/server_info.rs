//! What a client needs to know before a user signs in.

use async_graphql::{Enum, SimpleObject};

use super::query::AppInfo;
use crate::domain::code;
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
    code_length: u32,
    /// The characters of a code.
    code_type: CodeType,
    /// How long a code is valid, in minutes.
    code_expiration_minutes: i64,
    /// The minimum number of characters of a password.
    password_min_length: u32,
    /// The email address where users get help.
    support_email: Option<String>,
}

impl ServerInfo {
    pub(super) fn new(app: &AppInfo, services: &Services) -> Self {
        let codes = services.codes();
        Self {
            app_name: app.name.clone(),
            version: env!("CARGO_PKG_VERSION"),
            code_length: u32::try_from(codes.length).unwrap_or(u32::MAX),
            code_type: code::CodeType::into(codes.code_type),
            code_expiration_minutes: codes.lifetime.num_minutes(),
            password_min_length: u32::try_from(services.passwords().rule.min_chars)
                .unwrap_or(u32::MAX),
            support_email: app
                .support_email
                .as_ref()
                .map(|email| email.as_str().to_owned()),
        }
    }
}
