//! What production refuses and warns about.

use secrecy::ExposeSecret;

use super::keys;
use super::reader::Reader;
use super::{Config, MailProviderConfig};
use crate::domain::code::CodeType;

/// With less work, stolen password hashes are too easy to attack.
const MIN_BCRYPT_COST: u32 = 10;

pub(super) fn check(r: &mut Reader, config: &Config) {
    if !config.app.url.starts_with("https://") {
        let found = format!("{:?}", config.app.url);
        r.refuse("APP_URL", found, "an https:// URL in production");
    }
    let providers = &config.mail.providers;
    if providers.iter().any(MailProviderConfig::is_mock) {
        let accepted = "gmail, sendgrid or smtp in production";
        r.refuse("EMAIL_SERVICE", "mock, which sends nothing", accepted);
    }
    if config.passwords.bcrypt_cost < MIN_BCRYPT_COST {
        let found = config.passwords.bcrypt_cost.to_string();
        r.refuse("BCRYPT_COST", found, "10 to 16 in production");
    }
    let tokens = &config.tokens;
    for (name, key) in [
        ("JWT_SECRET_KEY", Some(&tokens.secret_key)),
        (
            "JWT_SECRET_KEY_PREVIOUS",
            tokens.secret_key_previous.as_ref(),
        ),
    ] {
        if key.is_some_and(keys::is_example) {
            r.refuse(name, "a published example", keys::ACCEPTED);
        }
    }

    let warnings = [
        (
            config.database.url.expose_secret().starts_with("sqlite:"),
            "DATABASE_URL is SQLite: only one process can use it",
        ),
        (
            config.redis.url.is_none(),
            "REDIS_URL is not set: queue, cache and limits are not shared between processes",
        ),
        (
            config.codes.length == 4 && config.codes.code_type == CodeType::Numeric,
            "CODE_LENGTH is 4: there are only 10,000 codes to guess from",
        ),
        (
            config.mail.fallback_to_console,
            "EMAIL_FALLBACK_TO_CONSOLE is true: codes of dead mails are printed on standard output",
        ),
    ];
    let warnings = warnings.into_iter().filter(|(applies, _)| *applies);
    r.warnings.extend(warnings.map(|(_, text)| text.to_owned()));
}
