//! What production refuses and warns about, `JWT_SECRET_KEY` aside, which `secret_key` reads.

use secrecy::ExposeSecret;

use super::reader::Reader;
use super::settings;
use super::{Config, MailProviderConfig};
use crate::domain::code::CodeType;

/// Less work than this makes a stolen table of hashes worth guessing at.
const MIN_BCRYPT_COST: u32 = 10;

pub(super) fn check(r: &mut Reader, config: &Config) {
    if !config.app.url.starts_with("https://") {
        let found = format!("{:?}", config.app.url);
        r.refuse(settings::APP_URL, found, "an https:// URL in production");
    }
    if config
        .mail
        .providers
        .iter()
        .any(MailProviderConfig::is_mock)
    {
        r.refuse(
            settings::EMAIL_SERVICE,
            "mock, which sends nothing",
            "gmail, sendgrid or smtp in production",
        );
    }

    if config.passwords.bcrypt_cost < MIN_BCRYPT_COST {
        let found = config.passwords.bcrypt_cost.to_string();
        r.refuse(settings::BCRYPT_COST, found, "10 to 16 in production");
    }

    let format = config.codes.format;
    let warnings = [
        (
            config.database.url.expose_secret().starts_with("sqlite:"),
            "DATABASE_URL is SQLite: only one process may use it",
        ),
        (
            config.redis_url.is_none(),
            "REDIS_URL is not set: queue, cache and limits are not shared between processes",
        ),
        (
            format.length == 4 && format.code_type == CodeType::Numeric,
            "CODE_LENGTH is 4: there are only 10,000 such codes to guess from",
        ),
        (
            config.mail.fallback_to_console,
            "EMAIL_FALLBACK_TO_CONSOLE is true: codes of dead mails are printed on standard output",
        ),
    ];
    let told = warnings.into_iter().filter(|(holds, _)| *holds);
    r.warnings.extend(told.map(|(_, text)| text.to_owned()));
}
