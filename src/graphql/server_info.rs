//! What a client needs to know before anyone signs in.

use async_graphql::{Enum, SimpleObject};

use super::query::AppInfo;
use crate::domain::code;
use crate::service::Services;

/// Which characters codes are made of.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "crate::domain::code::CodeType")]
pub(super) enum CodeType {
    /// Digits only.
    Numeric,
    /// Digits and capital letters that are not mistaken for each other; case does not matter.
    Alphanumeric,
}

/// What a client needs to draw its forms.
#[derive(SimpleObject)]
pub(super) struct ServerInfo {
    /// What the installation calls itself.
    app_name: String,
    /// The server's version.
    version: &'static str,
    /// How many characters a code has.
    code_length: u32,
    /// Which characters a code has.
    code_type: CodeType,
    /// How long a code lives.
    code_expiration_minutes: i64,
    /// How many characters a password has at least.
    password_min_length: u32,
    /// Where people get help.
    support_email: Option<String>,
}

impl ServerInfo {
    pub(super) fn new(app: &AppInfo, services: &Services) -> Self {
        let codes = services.codes();
        Self {
            app_name: app.name.clone(),
            version: env!("CARGO_PKG_VERSION"),
            code_length: u32::try_from(codes.format.length).unwrap_or(u32::MAX),
            code_type: code::CodeType::into(codes.format.code_type),
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
